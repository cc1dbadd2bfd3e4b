#include "engine/postgres/swap_rename.hpp"

#include <condition_variable>
#include <mutex>
#include <thread>

#include "base/fail_point.hpp"
#include "io/file.hpp"

namespace asb::postgres {
namespace {

using namespace std::chrono_literals;

// A new session may slip in before the first rename has its lock: then the server gives up after
// 5 s, and the next attempt meets a database whose sessions are already gone.
constexpr int kAttemptsMax = 5;
constexpr auto kRenameTimeout = 60s;  // per attempt: 5 s of waiting for each database, and more
constexpr auto kTerminateInterval = 50ms;

std::string rename_statement(const Connection& connection, const std::string& from,
                             const std::string& to) {
    return fmt::format("ALTER DATABASE {} RENAME TO {};", connection.quoted_identifier(from),
                       connection.quoted_identifier(to));
}

std::string all_renames(const Connection& connection, const std::vector<Exchange>& exchanges) {
    std::string sql = "BEGIN;";
    for (const auto& exchange : exchanges) {
        if (exchange.occupancy != Occupancy::missing)
            sql += rename_statement(connection, exchange.database, exchange.aside);
        sql += rename_statement(connection, exchange.copy, exchange.database);
        sql += fmt::format(
            "COMMENT ON DATABASE {} IS {};", connection.quoted_identifier(exchange.database),
            exchange.comment ? connection.quoted_literal(*exchange.comment) : "NULL");
    }
    return sql + "COMMIT";
}

// By number, not by name: after the renames the names lead to the new databases, whose first
// users shall not be disturbed.
Result<std::string> terminate_query(Connection& connection,
                                    const std::vector<Exchange>& exchanges) {
    std::string names;
    for (const auto& exchange : exchanges)
        names += (names.empty() ? "" : ", ") + connection.quoted_literal(exchange.database);
    ASB_TRY(const auto rows,
            connection.query(fmt::format("SELECT coalesce(string_agg(oid::text, ','), '0') FROM "
                                         "pg_database WHERE datname IN ({})",
                                         names)));
    return fmt::format(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datid IN ({}) AND "
        "pid <> pg_backend_pid() AND backend_type IN ('client backend', 'parallel worker', "
        "'logical replication worker')",
        cell(rows, 0, 0));
}

// Ends sessions on the old databases until it is destroyed.
class Evictor {
  public:
    Evictor(Connection connection, std::string query)
        : connection_(std::move(connection)),
          query_(std::move(query)),
          thread_([this] { run(); }) {}
    ~Evictor() {
        {
            const std::lock_guard lock(mutex_);
            done_ = true;
        }
        wake_.notify_all();
    }
    Evictor(const Evictor&) = delete;
    Evictor& operator=(const Evictor&) = delete;

  private:
    void run() {
        std::unique_lock lock(mutex_);
        while (!done_) {
            lock.unlock();
            // What cannot be ended shows as the rename's own error.
            const bool works = connection_.execute(query_).ok();
            lock.lock();
            if (!works) return;
            wake_.wait_for(lock, kTerminateInterval, [this] { return done_; });
        }
    }

    Connection connection_;
    std::string query_;
    std::mutex mutex_;
    std::condition_variable wake_;
    bool done_ = false;
    std::jthread thread_;
};

bool someone_is_in(const Error& error) {
    return error.fact.find("55006") != std::string::npos;  // object_in_use
}

// The outcome when the answer to COMMIT was lost: the restored copies have their new names or not.
Result<bool> has_happened(TargetServer& target, const Exchange& exchange) {
    ASB_TRY(auto connection, target.connect_maintenance(StopToken()));
    const std::vector<std::string> name{exchange.copy};
    ASB_TRY(const auto rows,
            connection.query_params("SELECT FROM pg_database WHERE datname = $1", name));
    return PQntuples(rows.get()) == 0;
}

// With a stop token of its own: the short step runs to its end, so that its outcome is known.
Status attempt(TargetServer& target, const std::vector<Exchange>& exchanges) {
    ASB_TRY(auto first, target.connect_maintenance(StopToken()));
    ASB_TRY(auto second, target.connect_maintenance(StopToken()));
    ASB_TRY(auto query, terminate_query(second, exchanges));
    const Evictor evictor(std::move(second), std::move(query));
    return first.execute(all_renames(first, exchanges), after(kRenameTimeout));
}

}  // namespace

Status exchange_databases(TargetServer& target, const std::vector<Exchange>& exchanges,
                          const StopToken& stop) {
    ASB_CHECK(stop.check());
    if (const int error = fail_point("swap.rename"))
        return errno_error(error, "cannot rename", exchanges.front().copy);
    Status status;
    for (int i = 0; i < kAttemptsMax; ++i) {
        status = attempt(target, exchanges);
        if (status.ok()) return status;
        if (!someone_is_in(status.error())) break;
    }
    if (const auto happened = has_happened(target, exchanges.front());
        happened.ok() && happened.value())
        return {};
    auto error = status.error().within("nothing was replaced");
    if (!someone_is_in(status.error())) return error;
    return with_hint(std::move(error),
                     "a session or a prepared transaction holds the old database: look at "
                     "pg_stat_activity and pg_prepared_xacts, end it, and restore again");
}

}  // namespace asb::postgres
