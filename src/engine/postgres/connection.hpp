#pragma once
// Why this exists: libpq's blocking calls cannot be interrupted. This connection waits with poll(2)
// on its socket and on the stop token together, so that a stop request or a deadline ends any wait,
// and it turns what libpq and the server say into errors that carry the literal fix.

#include <chrono>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.hpp"
#include "base/clock.hpp"
#include "base/stop.hpp"
#include "engine/postgres/conninfo.hpp"
#include "engine/postgres/handles.hpp"

namespace asb {

// Until a connection stands; libpq's own default is for ever. An operator's connect_timeout wins.
inline constexpr std::chrono::seconds kConnectTimeout{10};
// For one ordinary statement.
inline constexpr std::chrono::seconds kQueryTimeout{60};

// The majors whose protocol and manifests this engine knows.
inline constexpr int kServerMajorMin = 15;
inline constexpr int kServerMajorMax = 18;

struct ConnectionOptions {
    enum class Mode { normal, replication };  // replication: physical, `replication=true`
    Mode mode = Mode::normal;
    ConninfoWords overrides =
        {};                     // take the place of what the URL says, e.g. {"dbname", "template1"}
    bool check_version = true;  // refuse a server that is not kServerMajorMin to kServerMajorMax
    // Of a replication connection: after how long a silent client is given up. A store that is slow
    // to take the last upload may hold a backup for minutes; ten still end a dead client's slot.
    std::chrono::milliseconds sender_timeout = std::chrono::minutes(10);
};

// Where a connection leads, for messages; no secret.
struct ConnectionTarget {
    std::string host;  // a name, an address, or the folder of a unix socket
    std::string port;
    std::string user;
    std::string database;
    bool unix_socket = false;
    bool tls = false;
    bool replication = false;
    [[nodiscard]] std::string address() const;  // "db.example:5432", "/run/postgresql (port 5432)"
    // For a plan: "connected to db.example:5432 as backup for replication (TLS)"
    [[nodiscard]] std::string replication_line() const;
};

// One session on a server. One thread at a time. Every call that waits ends with `interrupted` when
// a stop is requested and with `database` when `deadline` passes; after that the connection is of
// no more use. Destroying it closes it at once.
class Connection {
  public:
    // Connects to `conninfo` (a URL or a keyword string) with application_name
    // auth-service-backup, client_encoding UTF8 and TCP keep-alives. `usage` when conninfo is not
    // one, else `database` with the fix as hint.
    static Result<Connection> open(std::string_view conninfo, const ConnectionOptions& options,
                                   StopToken stop, Deadline deadline = after(kConnectTimeout));
    Connection(Connection&&) noexcept;
    Connection& operator=(Connection&&) noexcept;
    ~Connection();

    // Runs one statement to ReadyForQuery and returns its last result. An error of the server is
    // `database`.
    Result<PgResult> query(const std::string& sql, Deadline deadline = after(kQueryTimeout));
    // The same with $1, $2, ... as text; not on a replication connection.
    Result<PgResult> query_params(const std::string& sql, std::span<const std::string> params,
                                  Deadline deadline = after(kQueryTimeout));
    // The same when the result does not matter.
    Status execute(const std::string& sql, Deadline deadline = after(kQueryTimeout));

    // The parts of a command that has several results (BASE_BACKUP, START_REPLICATION):
    // `send`, then `next_result` until it gives a null PgResult, which is ReadyForQuery.
    Status send(const std::string& sql, Deadline deadline = after(kQueryTimeout));
    Result<PgResult> next_result(Deadline deadline);
    // After a PGRES_COPY_OUT or PGRES_COPY_BOTH result: the next CopyData message, valid until the
    // next call on this connection; nullopt at CopyDone (or at an error, which next_result tells).
    Result<std::optional<Bytes>> read_copy(Deadline deadline);
    // The same, when nothing need come: `nothing` when `deadline` passes first, and the connection
    // stays usable.
    struct Polled {
        enum class What { message, nothing, ended };
        What what = What::nothing;
        Bytes message = {};
    };
    Result<Polled> poll_copy(Deadline deadline);
    // A message of ours in CopyBoth or CopyIn, and our CopyDone.
    Status write_copy(Bytes message, Deadline deadline);
    Status finish_copy(Deadline deadline);

    // "name" and 'text' as SQL reads them back. The connection must stand.
    [[nodiscard]] std::string quoted_identifier(std::string_view name) const;
    [[nodiscard]] std::string quoted_literal(std::string_view text) const;

    [[nodiscard]] const ConnectionTarget& target() const;
    [[nodiscard]] int server_version() const;  // 150018
    // A parameter that the server reports by itself ("server_version", "in_hot_standby"), or empty.
    [[nodiscard]] std::string reported(const char* name) const;
    // What the server warned of since the last call, primary texts, at most 1000.
    std::vector<std::string> take_warnings();
    // SQLSTATE of the last statement that failed; empty when none did or the connection broke.
    [[nodiscard]] const std::string& last_sqlstate() const;

  private:
    struct State;
    explicit Connection(std::unique_ptr<State> state);
    std::unique_ptr<State> state_;
};

// One cell as text, borrowed from `result`; empty for NULL, which `is_null` tells apart.
[[nodiscard]] std::string_view cell(const PgResult& result, int row, int column);
[[nodiscard]] bool is_null(const PgResult& result, int row, int column);

}  // namespace asb
