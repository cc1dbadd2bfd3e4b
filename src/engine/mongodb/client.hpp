#pragma once
// Why this exists: libmongoc blocks. This connection gives it sockets that wait for the stop token
// too (stoppable_stream.hpp), so that a stop request ends any wait, and turns every error into one
// with a next step.

#include <chrono>
#include <memory>
#include <optional>
#include <string>

#include "base/clock.hpp"
#include "base/stop.hpp"
#include "engine/mongodb/bson_fields.hpp"
#include "engine/mongodb/handles.hpp"
#include "engine/mongodb/mongo_url.hpp"
#include "engine/mongodb/server_error.hpp"

namespace asb {

// The majors that this engine knows: 5.0 is the oldest with hello and stable oplog forms.
inline constexpr int kMongoMajorMin = 5;
inline constexpr int kMongoMajorMax = 8;

// What a server says of itself (`hello`, `buildInfo`).
struct MongoFacts {
    enum class Kind { standalone, primary, secondary, mongos, other };
    Kind kind = Kind::other;
    std::string version;  // "8.0.4"
    int version_major = 0;
    std::string set_name;  // empty: not in a replica set
    std::string me;        // "db1:27017" as the set knows it; empty on a standalone
    OpTime last_optime;    // newest write; not set on a standalone
    std::int64_t last_term = -1;
    OpTime majority_optime;  // newest write that no rollback can undo
    std::int64_t majority_term = -1;
    Instant local_time{};
    Instant last_write_time{};
    Instant majority_write_time{};
    [[nodiscard]] bool has_oplog() const { return !set_name.empty() && kind != Kind::mongos; }
};

// "primary", as messages and manifests have it.
std::string_view kind_name(MongoFacts::Kind kind);

// One client, one thread at a time. A stop request ends any wait with `interrupted`. Destroying it
// closes it.
class MongoConnection {
  public:
    // Connects, authenticates and proves both with a ping. `database` with the fix as hint.
    // Commands and reads go to a member that `prefs` allows: the URL's readPreference, else the
    // primary.
    static Result<MongoConnection> open(const MongoUrl& url, const StopToken& stop);
    MongoConnection(MongoConnection&&) noexcept;
    MongoConnection& operator=(MongoConnection&&) noexcept;
    ~MongoConnection();

    // Runs `command` on `database` and returns the reply; ok: 0 and a write error are errors.
    // `name_space` and `action` are for the error's text; empty: the database, the command's name.
    Result<Bson> run_command(const std::string& database, const bson_t& command,
                             std::string_view name_space = {}, std::string_view action = {});
    Result<MongoFacts> facts();

    // For libmongoc calls of one's own: borrowed; pass what they report to `error_of`.
    [[nodiscard]] mongoc_client_t* client() const;
    [[nodiscard]] MongoCollection collection(const std::string& database,
                                             const std::string& name) const;
    [[nodiscard]] Error error_of(const bson_error_t& error, std::string_view action,
                                 std::string_view name_space) const;
    // The error of a cursor that has ended, or success.
    [[nodiscard]] Status cursor_status(const mongoc_cursor_t* cursor, std::string_view action,
                                       std::string_view name_space) const;
    [[nodiscard]] const MongoUrl& url() const;
    [[nodiscard]] const StopToken& stop() const;

  private:
    struct State;
    explicit MongoConnection(std::unique_ptr<State> state);
    std::unique_ptr<State> state_;
};

// `database` unless the version is one that this engine knows.
Status check_mongo_version(const MongoFacts& facts);

}  // namespace asb
