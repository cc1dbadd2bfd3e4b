#include "engine/mongodb/client.hpp"

#include "base/text.hpp"
#include "engine/mongodb/stoppable_stream.hpp"

namespace asb {
namespace {

std::string first_key(const bson_t& command) {
    bson_iter_t field;
    if (!bson_iter_init(&field, &command) || !bson_iter_next(&field)) return "command";
    return bson_iter_key(&field);
}

MongoFacts::Kind kind_of(const bson_t& hello) {
    using Kind = MongoFacts::Kind;
    if (text_at(hello, "msg") == "isdbgrid") return Kind::mongos;
    if (!text_at(hello, "setName")) return Kind::standalone;
    if (flag_at(hello, "isWritablePrimary").value_or(false)) return Kind::primary;
    if (flag_at(hello, "secondary").value_or(false)) return Kind::secondary;
    return Kind::other;
}

std::optional<Instant> instant_at(const bson_t& document, const char* path) {
    const auto field = find_field(document, path);
    if (!field || !BSON_ITER_HOLDS_DATE_TIME(&field->at)) return std::nullopt;
    return Instant(std::chrono::milliseconds(bson_iter_date_time(&field->at)));
}

MongoFacts facts_of(const bson_t& hello, const bson_t& build) {
    MongoFacts facts;
    facts.kind = kind_of(hello);
    facts.set_name = text_at(hello, "setName").value_or("");
    facts.me = text_at(hello, "me").value_or("");
    facts.last_optime = optime_at(hello, "lastWrite.opTime.ts").value_or(OpTime{});
    facts.last_term = number_at(hello, "lastWrite.opTime.t").value_or(-1);
    facts.majority_optime = optime_at(hello, "lastWrite.majorityOpTime.ts").value_or(OpTime{});
    facts.majority_term = number_at(hello, "lastWrite.majorityOpTime.t").value_or(-1);
    facts.local_time = instant_at(hello, "localTime").value_or(now());
    facts.last_write_time = instant_at(hello, "lastWrite.lastWriteDate").value_or(facts.local_time);
    facts.majority_write_time =
        instant_at(hello, "lastWrite.majorityWriteDate").value_or(facts.last_write_time);
    facts.version = text_at(build, "version").value_or("");
    facts.version_major = static_cast<int>(number_at(build, "versionArray.0").value_or(0));
    return facts;
}

}  // namespace

std::string_view kind_name(MongoFacts::Kind kind) {
    using Kind = MongoFacts::Kind;
    switch (kind) {
        case Kind::standalone:
            return "standalone";
        case Kind::primary:
            return "primary";
        case Kind::secondary:
            return "secondary";
        case Kind::mongos:
            return "mongos";
        case Kind::other:
            break;
    }
    return "other";
}

struct MongoConnection::State {
    MongoUrl url;
    StopToken stop;
    MongoSite site;
    MongoClient client;  // after `stop`, which its streams borrow
};

MongoConnection::MongoConnection(std::unique_ptr<State> state) : state_(std::move(state)) {}
MongoConnection::MongoConnection(MongoConnection&&) noexcept = default;
MongoConnection& MongoConnection::operator=(MongoConnection&&) noexcept = default;
MongoConnection::~MongoConnection() = default;

namespace {

// The set that a server of the URL says it is of, when it answers without the set's name.
std::optional<std::string> actual_set(const MongoUrl& url, const StopToken& stop) {
    for (const std::string& host : url.hosts()) {
        const auto asked = url.without_set(host);
        if (!asked.ok()) continue;
        auto connection = MongoConnection::open(*asked, stop);
        if (!connection.ok()) continue;
        const auto facts = connection->facts();
        if (facts.ok()) return facts->set_name;
    }
    return std::nullopt;
}

// A wrong replicaSet looks to libmongoc like no server at all; this tells the two apart.
Error explain(Error error, const MongoUrl& url, const StopToken& stop) {
    const std::string wanted = url.replica_set();
    if (wanted.empty() || !error.fact.starts_with("cannot reach")) return error;
    const auto actual = actual_set(url, stop);
    if (!actual || *actual == wanted) return error;
    const std::string belongs = actual->empty()
                                    ? std::string("is of no replica set")
                                    : fmt::format("is of the set '{}'", printable(*actual));
    return with_hint(fail(Code::database, "the database at {} {}, not '{}' as DATABASE_URL says",
                          url.address(), belongs, printable(wanted)),
                     actual->empty()
                         ? std::string("leave out replicaSet in DATABASE_URL")
                         : fmt::format("write replicaSet={} in DATABASE_URL", printable(*actual)));
}

}  // namespace

Result<MongoConnection> MongoConnection::open(const MongoUrl& url, const StopToken& stop) {
    start_mongoc();
    ASB_CHECK(stop.check());
    auto state = std::make_unique<State>(
        State{url, stop, {.address = url.address(), .user = url.user()}, nullptr});
    bson_error_t error{};
    state->client.reset(mongoc_client_new_from_uri_with_error(url.get(), &error));
    if (state->client == nullptr) return mongo_error(error, state->site, "connect", "admin");
    mongoc_client_set_error_api(state->client.get(), MONGOC_ERROR_API_VERSION_2);
    wait_for_stop_too(state->client.get(), state->stop);
    MongoConnection connection(std::move(state));
    const auto answered = connection.run_command("admin", BsonBuilder().number("ping", 1).get());
    if (answered.ok()) return connection;
    if (answered.error().code == Code::interrupted) return answered.error();
    return explain(answered.error(), url, stop);
}

Result<Bson> MongoConnection::run_command(const std::string& database, const bson_t& command,
                                          std::string_view name_space, std::string_view action) {
    ASB_CHECK(state_->stop.check());
    bson_t reply;
    bson_error_t error{};
    const mongoc_read_prefs_t* prefs = mongoc_client_get_read_prefs(client());
    const bool done =
        mongoc_client_command_simple(client(), database.c_str(), &command, prefs, &reply, &error);
    Bson owned(bson_copy(&reply));
    bson_destroy(&reply);
    if (!done)
        return error_of(error, action.empty() ? first_key(command) : std::string(action),
                        name_space.empty() ? database : name_space);
    return owned;
}

Result<MongoFacts> MongoConnection::facts() {
    ASB_TRY(const Bson hello, run_command("admin", BsonBuilder().number("hello", 1).get()));
    ASB_TRY(const Bson build, run_command("admin", BsonBuilder().number("buildInfo", 1).get()));
    return facts_of(*hello, *build);
}

mongoc_client_t* MongoConnection::client() const {
    return state_->client.get();
}

MongoCollection MongoConnection::collection(const std::string& database,
                                            const std::string& name) const {
    return MongoCollection(mongoc_client_get_collection(client(), database.c_str(), name.c_str()));
}

Error MongoConnection::error_of(const bson_error_t& error, std::string_view action,
                                std::string_view name_space) const {
    if (const auto stopped = state_->stop.check(); !stopped.ok()) return stopped.error();
    return mongo_error(error, state_->site, action, name_space);
}

Status MongoConnection::cursor_status(const mongoc_cursor_t* cursor, std::string_view action,
                                      std::string_view name_space) const {
    ASB_CHECK(state_->stop.check());
    bson_error_t error{};
    // libmongoc's function takes no const pointer, but changes nothing.
    if (!mongoc_cursor_error(const_cast<mongoc_cursor_t*>(cursor), &error)) return {};
    return error_of(error, action, name_space);
}

const MongoUrl& MongoConnection::url() const {
    return state_->url;
}

const StopToken& MongoConnection::stop() const {
    return state_->stop;
}

Status check_mongo_version(const MongoFacts& facts) {
    if (facts.version_major >= kMongoMajorMin && facts.version_major <= kMongoMajorMax) return {};
    return with_hint(fail(Code::database, "MongoDB {} is not supported ({}.0 to {}.x are)",
                          printable(facts.version), kMongoMajorMin, kMongoMajorMax),
                     facts.version_major < kMongoMajorMin
                         ? "upgrade the server"
                         : "use a newer release of auth-service-backup");
}

}  // namespace asb
