#include "engine/postgres/logical_server.hpp"

#include "base/text.hpp"

namespace asb::postgres {
namespace {

// One look at a cluster; holds the session for its length.
class Look {
  public:
    Look(const std::string& url, StopToken stop, Connection connection)
        : url_(url), stop_(std::move(stop)), connection_(std::move(connection)) {}

    Result<LogicalServer> run() {
        const std::string version = connection_.reported("server_version");
        server_.version = version.substr(0, version.find(' '));
        server_.version_number = connection_.server_version();
        server_.in_recovery = connection_.reported("in_hot_standby") == "on";
        server_.address = connection_.target().address();
        server_.user = connection_.target().user;
        server_.database = connection_.target().database;
        ASB_TRY(const bool passwords, may_read_passwords(connection_));
        ASB_TRY(server_.catalog.roles, read_roles(connection_, passwords));
        ASB_CHECK(read_tablespaces());
        ASB_CHECK(read_databases());
        return std::move(server_);
    }

  private:
    Status read_tablespaces() {
        ASB_TRY(const auto rows,
                connection_.query("SELECT spcname, pg_tablespace_location(oid) FROM pg_tablespace "
                                  "WHERE spcname !~ '^pg_' ORDER BY 1"));
        for (int row = 0; row < PQntuples(rows.get()); ++row)
            server_.tablespace_comments +=
                fmt::format("-- tablespace {} was at {}\n",
                            connection_.quoted_identifier(printable(cell(rows, row, 0))),
                            connection_.quoted_literal(printable(cell(rows, row, 1))));
        return {};
    }

    Status read_databases() {
        ASB_TRY(const auto rows,
                connection_.query("SELECT datname, has_database_privilege(oid, 'CONNECT') FROM "
                                  "pg_database WHERE datallowconn AND NOT datistemplate ORDER BY "
                                  "datname"));
        for (int row = 0; row < PQntuples(rows.get()); ++row) {
            const std::string name(cell(rows, row, 0));
            if (cell(rows, row, 1) != "t")
                leave_out(name, fmt::format("the role lacks CONNECT: GRANT CONNECT ON DATABASE {} "
                                            "TO {};",
                                            connection_.quoted_identifier(name),
                                            connection_.quoted_identifier(server_.user)));
            else
                ASB_CHECK(read_database(name));
        }
        return {};
    }

    Status read_database(const std::string& name) {
        auto inside = Connection::open(url_, {.overrides = {{"dbname", name}}}, stop_);
        if (!inside.ok()) {
            // Not let in is one thing; a server that is gone, another.
            if (inside.error().retryable || inside.error().code != Code::database ||
                name == server_.database)
                return inside.error();
            leave_out(name, inside.error().fact);
            return {};
        }
        ASB_TRY(auto description, describe_database(*inside, name));
        ASB_TRY(const auto size, inside->query("SELECT pg_database_size(current_database())"));
        server_.bytes += parse_u64(cell(size, 0, 0)).value_or(0);
        server_.catalog.databases.push_back(std::move(description));
        return {};
    }

    void leave_out(const std::string& name, const std::string& why) {
        server_.closed.push_back(fmt::format("database \"{}\": {}", name, why));
    }

    const std::string& url_;  // the caller's, for the look
    StopToken stop_;
    Connection connection_;
    LogicalServer server_;
};

}  // namespace

Result<LogicalServer> look_at_server(const std::string& url, const StopToken& stop) {
    ASB_TRY(auto connection, Connection::open(url, {}, stop));
    return Look(url, stop, std::move(connection)).run();
}

}  // namespace asb::postgres
