#include "engine/postgres/connection.hpp"

#include <poll.h>

#include <algorithm>
#include <cerrno>

#include "base/text.hpp"
#include "engine/postgres/server_error.hpp"

namespace asb {
namespace {

using std::chrono::milliseconds;

constexpr std::size_t kWarningsMax = 1000;  // one a broken file; the rest says nothing new
// Under TLS, decrypted bytes may wait inside the library, where poll(2) cannot see them; so no wait
// is longer than this before libpq is asked again.
constexpr milliseconds kTlsPollSlice{20};
constexpr milliseconds kPollSlice{60'000};
milliseconds until(Deadline deadline) {
    const auto left = deadline - std::chrono::steady_clock::now();
    return std::max(milliseconds(0), std::chrono::ceil<milliseconds>(left));
}

// Waits until the socket is ready for `events`, `wait` has passed or a stop is requested. Returns
// the events that came.
Result<short> wait_for(int socket, short events, const StopToken& stop, milliseconds wait) {
    ASB_CHECK(stop.check());
    pollfd sockets[2] = {{socket, events, 0}, {stop.poll_fd(), POLLIN, 0}};
    const int ready = ::poll(sockets, 2, static_cast<int>(wait.count()));
    if (ready < 0 && errno != EINTR)
        return fail(Code::failed, "cannot wait for the database: errno {}", errno);
    if (ready > 0 && sockets[1].revents != 0) ASB_CHECK(stop.check());
    return ready > 0 ? sockets[0].revents : short{0};
}

// The same, at most `slice`; when nothing came by `deadline`, that is an error.
Result<short> wait_socket(int socket, short events, const StopToken& stop, Deadline deadline,
                          milliseconds slice, const ConnectionTarget& target) {
    const milliseconds left = until(deadline);
    ASB_TRY(const short came, wait_for(socket, events, stop, std::min(left, slice)));
    if (came == 0 && left.count() == 0) {
        Error error =
            fail(Code::database, "no answer from the database at {} in time", target.address());
        error.retryable = true;
        return with_hint(std::move(error),
                         "look at the server's load and log, and at the network "
                         "between here and there");
    }
    return came;
}

// The words that PQconnectStartParams gets: the operator's own, the caller's, and ours.
Result<ConninfoWords> connection_words(std::string_view conninfo,
                                       const ConnectionOptions& options) {
    ASB_TRY(ConninfoWords words, parse_conninfo(conninfo));
    for (const auto& [keyword, value] : options.overrides) set_word(words, keyword, value);
    set_default_word(words, "application_name", "auth-service-backup");
    set_word(words, "client_encoding", "UTF8");
    // A dead peer is noticed after about a minute (30 s idle, three probes 10 s apart) instead of
    // Linux' two hours.
    set_default_word(words, "keepalives_idle", "30");
    set_default_word(words, "keepalives_interval", "10");
    set_default_word(words, "keepalives_count", "3");
    if (options.mode == ConnectionOptions::Mode::replication) {
        set_word(words, "replication", "true");
        set_word(
            words, "options",
            word(words, "options")
                .append(fmt::format(" -c wal_sender_timeout={}", options.sender_timeout.count())));
    }
    return words;
}

PgConn start_connecting(const ConninfoWords& words) {
    std::vector<const char*> keywords;
    std::vector<const char*> values;
    for (const auto& [keyword, value] : words) {
        keywords.push_back(keyword.c_str());
        values.push_back(value.c_str());
    }
    keywords.push_back(nullptr);
    values.push_back(nullptr);
    return PgConn(PQconnectStartParams(keywords.data(), values.data(), 0));
}

std::string or_empty(const char* text) {
    return text == nullptr ? std::string() : text;
}

ConnectionTarget describe(PGconn* connection, bool replication) {
    ConnectionTarget target{.host = or_empty(PQhost(connection)),
                            .port = or_empty(PQport(connection)),
                            .user = or_empty(PQuser(connection)),
                            .database = or_empty(PQdb(connection)),
                            .tls = PQsslInUse(connection) != 0,
                            .replication = replication};
    target.unix_socket = target.host.starts_with('/') || target.host.starts_with('@');
    return target;
}

Deadline connect_deadline(const ConninfoWords& words, Deadline deadline) {
    const auto seconds = parse_u64(word(words, "connect_timeout"));
    if (!seconds || *seconds == 0) return deadline;
    return after(std::chrono::seconds(std::min<std::uint64_t>(*seconds, 3600)));
}

Status finish_connecting(PGconn* connection, bool replication, const StopToken& stop,
                         Deadline deadline) {
    PostgresPollingStatusType state = PGRES_POLLING_WRITING;
    while (state != PGRES_POLLING_OK) {
        if (state == PGRES_POLLING_FAILED || PQstatus(connection) == CONNECTION_BAD)
            return connection_error(describe(connection, replication), PQerrorMessage(connection));
        const short events = state == PGRES_POLLING_READING ? POLLIN : POLLOUT;
        ASB_TRY(const short came, wait_socket(PQsocket(connection), events, stop, deadline,
                                              kPollSlice, describe(connection, replication)));
        if (came != 0) state = PQconnectPoll(connection);
    }
    return {};
}

}  // namespace

std::string ConnectionTarget::address() const {
    if (host.empty()) return "port " + port;
    return unix_socket ? fmt::format("{} (port {})", host, port) : fmt::format("{}:{}", host, port);
}

std::string ConnectionTarget::replication_line() const {
    return fmt::format("connected to {} as {} for replication ({})", address(), user,
                       unix_socket ? "unix socket"
                       : tls       ? "TLS"
                                   : "no TLS");
}

struct Connection::State {
    PgConn connection;
    ConnectionTarget target;
    StopToken stop;
    PgText copied;  // what the last read_copy gave out
    std::vector<std::string> warnings;
    std::string sqlstate;

    [[nodiscard]] Error broken() const {
        return server_error(target, "", PQerrorMessage(connection.get()));
    }
    [[nodiscard]] milliseconds slice() const {
        const bool encrypted = target.tls || PQgssEncInUse(connection.get()) != 0;
        return encrypted ? kTlsPollSlice : kPollSlice;
    }
    [[nodiscard]] Result<short> wait(short events, Deadline deadline) const {
        return wait_socket(PQsocket(connection.get()), events, stop, deadline, slice(), target);
    }
    // Waits for the server to say something and reads it.
    [[nodiscard]] Status receive(Deadline deadline) const {
        ASB_CHECK(wait(POLLIN, deadline));
        if (PQconsumeInput(connection.get()) == 0) return broken();
        return {};
    }
    [[nodiscard]] Status flush(Deadline deadline) const {
        for (;;) {
            const int left = PQflush(connection.get());
            if (left == 0) return {};
            if (left < 0) return broken();
            ASB_TRY(const short came, wait(POLLIN | POLLOUT, deadline));
            if ((came & POLLIN) != 0 && PQconsumeInput(connection.get()) == 0) return broken();
        }
    }
    Result<PgResult> finish_query(Deadline deadline, Connection& self);
};

namespace {

bool is_error(const PgResult& result) {
    const ExecStatusType status = PQresultStatus(result.get());
    return status == PGRES_FATAL_ERROR || status == PGRES_BAD_RESPONSE;
}

Error error_of(const ConnectionTarget& target, const PgResult& result) {
    const char* primary = PQresultErrorField(result.get(), PG_DIAG_MESSAGE_PRIMARY);
    return server_error(target, or_empty(PQresultErrorField(result.get(), PG_DIAG_SQLSTATE)),
                        primary != nullptr ? primary : PQresultErrorMessage(result.get()));
}

void keep_warning(void* argument, const PGresult* result) {
    auto& warnings = *static_cast<std::vector<std::string>*>(argument);
    if (or_empty(PQresultErrorField(result, PG_DIAG_SEVERITY_NONLOCALIZED)) == "WARNING" &&
        warnings.size() < kWarningsMax)
        warnings.push_back(or_empty(PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY)));
}

}  // namespace

Connection::Connection(std::unique_ptr<State> state) : state_(std::move(state)) {}
Connection::Connection(Connection&&) noexcept = default;
Connection& Connection::operator=(Connection&&) noexcept = default;
Connection::~Connection() = default;

Result<Connection> Connection::open(std::string_view conninfo, const ConnectionOptions& options,
                                    StopToken stop, Deadline deadline) {
    ASB_CHECK(stop.check());
    ASB_TRY(const ConninfoWords words, connection_words(conninfo, options));
    const bool replication = options.mode == ConnectionOptions::Mode::replication;
    auto state = std::make_unique<State>();
    state->stop = std::move(stop);
    state->connection = start_connecting(words);
    PGconn* raw = state->connection.get();
    if (raw == nullptr) return fail(Code::failed, "no memory for a database connection");
    // The only way to learn the SQLSTATE of a refused connection: the text of the error.
    PQsetErrorVerbosity(raw, PQERRORS_VERBOSE);
    PQsetNoticeReceiver(raw, keep_warning, &state->warnings);
    ASB_CHECK(finish_connecting(raw, replication, state->stop, connect_deadline(words, deadline)));
    PQsetErrorVerbosity(raw, PQERRORS_DEFAULT);
    if (PQsetnonblocking(raw, 1) != 0) return state->broken();
    state->target = describe(raw, replication);
    Connection connection(std::move(state));
    if (options.check_version)
        ASB_CHECK(check_server_version(connection.server_version(),
                                       connection.reported("server_version")));
    return connection;
}

Status Connection::send(const std::string& sql, Deadline deadline) {
    ASB_CHECK(state_->stop.check());
    if (PQsendQuery(state_->connection.get(), sql.c_str()) == 0) return state_->broken();
    return state_->flush(deadline);
}

Result<PgResult> Connection::next_result(Deadline deadline) {
    while (PQisBusy(state_->connection.get()) != 0) ASB_CHECK(state_->receive(deadline));
    PgResult result(PQgetResult(state_->connection.get()));
    if (result == nullptr || !is_error(result)) return result;
    state_->sqlstate = or_empty(PQresultErrorField(result.get(), PG_DIAG_SQLSTATE));
    return error_of(state_->target, result);
}

// Reads every result to ReadyForQuery, so that the connection can be used again after an error.
Result<PgResult> Connection::State::finish_query(Deadline deadline, Connection& self) {
    PgResult last;
    std::optional<Error> first_error;
    for (;;) {
        auto result = self.next_result(deadline);
        if (!result.ok()) {
            if (first_error || PQstatus(connection.get()) == CONNECTION_BAD ||
                result.error().code == Code::interrupted || result.error().retryable)
                return first_error.value_or(result.error());
            first_error = std::move(result.error());
            continue;
        }
        if (result.value() == nullptr) break;
        last = std::move(result).value();
    }
    if (first_error) return *std::move(first_error);
    if (last == nullptr) return fail(Code::database, "the database answered with no result");
    return last;
}

Result<PgResult> Connection::query(const std::string& sql, Deadline deadline) {
    ASB_CHECK(send(sql, deadline));
    return state_->finish_query(deadline, *this);
}

Result<PgResult> Connection::query_params(const std::string& sql,
                                          std::span<const std::string> params, Deadline deadline) {
    ASB_CHECK(state_->stop.check());
    std::vector<const char*> values;
    values.reserve(params.size());
    for (const std::string& param : params) values.push_back(param.c_str());
    if (PQsendQueryParams(state_->connection.get(), sql.c_str(), static_cast<int>(params.size()),
                          nullptr, values.data(), nullptr, nullptr, 0) == 0)
        return state_->broken();
    ASB_CHECK(state_->flush(deadline));
    return state_->finish_query(deadline, *this);
}

Status Connection::execute(const std::string& sql, Deadline deadline) {
    ASB_CHECK(query(sql, deadline));
    return {};
}

Result<std::optional<Bytes>> Connection::read_copy(Deadline deadline) {
    PGconn* raw = state_->connection.get();
    state_->copied.reset();
    for (;;) {
        char* message = nullptr;
        const int length = PQgetCopyData(raw, &message, 1);
        if (length > 0) {
            state_->copied.reset(message);
            return std::optional(std::as_bytes(std::span(message, static_cast<size_t>(length))));
        }
        if (length == -1) return std::optional<Bytes>();
        if (length < 0) return state_->broken();
        ASB_CHECK(state_->receive(deadline));
    }
}

Result<Connection::Polled> Connection::poll_copy(Deadline deadline) {
    PGconn* raw = state_->connection.get();
    state_->copied.reset();
    for (bool late = false;;) {
        char* message = nullptr;
        const int length = PQgetCopyData(raw, &message, 1);
        if (length > 0) {
            state_->copied.reset(message);
            return Polled{Polled::What::message,
                          std::as_bytes(std::span(message, static_cast<size_t>(length)))};
        }
        if (length == -1) return Polled{Polled::What::ended};
        if (length < 0) return state_->broken();
        if (late) return Polled{};
        const milliseconds left = until(deadline);
        ASB_TRY(const short came,
                wait_for(PQsocket(raw), POLLIN, state_->stop, std::min(left, state_->slice())));
        late = came == 0 && left.count() == 0;
        // Whatever came: under TLS, bytes may wait inside the library.
        if (PQconsumeInput(raw) == 0) return state_->broken();
    }
}

Status Connection::write_copy(Bytes message, Deadline deadline) {
    const std::string_view text = as_text(message);
    for (;;) {
        const int taken =
            PQputCopyData(state_->connection.get(), text.data(), static_cast<int>(text.size()));
        if (taken < 0) return state_->broken();
        ASB_CHECK(state_->flush(deadline));
        if (taken == 1) return {};
    }
}

Status Connection::finish_copy(Deadline deadline) {
    for (;;) {
        const int taken = PQputCopyEnd(state_->connection.get(), nullptr);
        if (taken < 0) return state_->broken();
        ASB_CHECK(state_->flush(deadline));
        if (taken == 1) return {};
    }
}

std::string Connection::quoted_identifier(std::string_view name) const {
    const PgText quoted(PQescapeIdentifier(state_->connection.get(), name.data(), name.size()));
    return or_empty(quoted.get());
}

std::string Connection::quoted_literal(std::string_view text) const {
    const PgText quoted(PQescapeLiteral(state_->connection.get(), text.data(), text.size()));
    return or_empty(quoted.get());
}

const ConnectionTarget& Connection::target() const {
    return state_->target;
}

int Connection::server_version() const {
    return PQserverVersion(state_->connection.get());
}

std::string Connection::reported(const char* name) const {
    return or_empty(PQparameterStatus(state_->connection.get(), name));
}

std::vector<std::string> Connection::take_warnings() {
    return std::exchange(state_->warnings, {});
}

const std::string& Connection::last_sqlstate() const {
    return state_->sqlstate;
}

std::string_view cell(const PgResult& result, int row, int column) {
    return {PQgetvalue(result.get(), row, column),
            static_cast<std::size_t>(PQgetlength(result.get(), row, column))};
}

bool is_null(const PgResult& result, int row, int column) {
    return PQgetisnull(result.get(), row, column) != 0;
}

}  // namespace asb
