#include "engine/mongodb/dump_cursor.hpp"

#include <algorithm>

namespace asb {
namespace {

struct SessionDeleter {
    void operator()(mongoc_client_session_t* session) const {
        mongoc_client_session_destroy(session);
    }
};
using Session = std::unique_ptr<mongoc_client_session_t, SessionDeleter>;

// A reply that libmongoc fills in place: a batch is up to 16 MiB, and a copy of it would be too.
class Reply {
  public:
    Reply() { bson_init(&document_); }
    ~Reply() { bson_destroy(&document_); }
    Reply(const Reply&) = delete;
    Reply& operator=(const Reply&) = delete;
    // Empty again, for a call that fills an uninitialised document.
    bson_t* reset() {
        bson_destroy(&document_);
        return &document_;
    }
    [[nodiscard]] const bson_t& get() const { return document_; }

  private:
    bson_t document_{};
};

}  // namespace

// One a reader; bson_t asks for 128-byte places.
struct DumpCursor::State {  // NOLINT(clang-analyzer-optin.performance.Padding)
    MongoConnection& connection;
    std::string database;
    std::string collection;
    Bson command;
    std::binary_semaphore* large;

    bool holds_large = false;
    Session session = {};
    Reply reply = {};
    BsonField batch{};
    bool in_batch = false;
    bool started = false;
    std::int64_t cursor_id = 0;
    std::uint64_t documents = 0;
    std::uint64_t bytes = 0;

    [[nodiscard]] std::int64_t batch_documents() const;
    [[nodiscard]] std::string name_space() const { return database + "." + collection; }
    Status run(const bson_t& wanted, std::string_view action);
    Status open_batch(const char* path);
    Status start();
    Status get_more();
    [[nodiscard]] Error broken() const;
    void kill();
    void end_batch();
};

std::int64_t DumpCursor::State::batch_documents() const {
    constexpr std::uint64_t kDocumentsMax = 100'000;
    if (documents == 0) return kFirstBatchDocuments;
    return static_cast<std::int64_t>(
        std::clamp<std::uint64_t>(kBatchBytes * documents / bytes, 1, kDocumentsMax));
}

// Without a session (an old standalone server) the commands go as they are.
Status DumpCursor::State::run(const bson_t& wanted, std::string_view action) {
    ASB_CHECK(connection.stop().check());
    BsonBuilder options;
    bson_error_t error{};
    if (session != nullptr) {
        Bson appended = options.take();
        if (!mongoc_client_session_append(session.get(), appended.get(), &error))
            return connection.error_of(error, action, name_space());
        const bool done =
            mongoc_client_command_with_opts(connection.client(), database.c_str(), &wanted,
                                            mongoc_client_get_read_prefs(connection.client()),
                                            appended.get(), reply.reset(), &error);
        if (!done) return connection.error_of(error, action, name_space());
        return {};
    }
    const bool done = mongoc_client_command_simple(
        connection.client(), database.c_str(), &wanted,
        mongoc_client_get_read_prefs(connection.client()), reply.reset(), &error);
    if (!done) return connection.error_of(error, action, name_space());
    return {};
}

Status DumpCursor::State::open_batch(const char* path) {
    const auto id = number_at(reply.get(), "cursor.id");
    const auto found = find_field(reply.get(), path);
    if (!id || !found || !BSON_ITER_HOLDS_ARRAY(&found->at))
        return fail(Code::damaged, "the reply to a read of {} holds no cursor", name_space());
    cursor_id = *id;
    in_batch = bson_iter_recurse(&found->at, &batch.at);
    if (!in_batch) return broken();
    return {};
}

Status DumpCursor::State::start() {
    started = true;
    bson_error_t error{};
    session.reset(mongoc_client_start_session(connection.client(), nullptr, &error));
    ASB_CHECK(run(*command, "find"));
    return open_batch("cursor.firstBatch");
}

Status DumpCursor::State::get_more() {
    if (large != nullptr && bytes / std::max<std::uint64_t>(documents, 1) > kBatchBytes) {
        large->acquire();
        holds_large = true;
    }
    Bson more = [&] {
        BsonBuilder builder;
        bson_t* document = builder.take().release();
        bson_append_int64(document, "getMore", -1, cursor_id);
        return Bson(document);
    }();
    bson_append_utf8(more.get(), "collection", -1, collection.c_str(), -1);
    bson_append_int32(more.get(), "batchSize", -1, static_cast<std::int32_t>(batch_documents()));
    const auto ran = run(*more, "getMore");
    if (!ran.ok()) {
        cursor_id = 0;  // the server has dropped it, or cannot be asked any more
        return ran.error();
    }
    return open_batch("cursor.nextBatch");
}

Error DumpCursor::State::broken() const {
    return with_hint(fail(Code::damaged,
                          "the server sent a document of {} whose frame is broken (document {} of "
                          "this read)",
                          name_space(), documents + 1),
                     "validate the collection on the server: db.runCommand({validate: '" +
                         collection + "', full: true})");
}

// The answer is freed before another reader may have one.
void DumpCursor::State::end_batch() {
    in_batch = false;
    bson_init(reply.reset());
    if (holds_large) large->release();
    holds_large = false;
}

void DumpCursor::State::kill() {
    if (cursor_id == 0 || connection.stop().requested()) return;
    BsonBuilder ids;
    bson_t* list = ids.take().release();
    bson_append_int64(list, "0", -1, cursor_id);
    const Bson owner(list);
    // Nothing depends on it: the server drops an idle cursor by itself.
    [[maybe_unused]] const auto killed =
        run(BsonBuilder().text("killCursors", collection).array("cursors", *owner).get(),
            "killCursors");
}

DumpCursor::DumpCursor(MongoConnection& connection, std::string database, std::string collection,
                       Bson command, std::binary_semaphore* large)
    : state_(new State{.connection = connection,
                       .database = std::move(database),
                       .collection = std::move(collection),
                       .command = std::move(command),
                       .large = large}) {}

DumpCursor::~DumpCursor() {
    state_->kill();
    state_->end_batch();
}

Result<std::optional<Bytes>> DumpCursor::next() {
    State& state = *state_;
    if (!state.started) ASB_CHECK(state.start());
    for (;;) {
        if (state.in_batch && bson_iter_next(&state.batch.at)) {
            if (!BSON_ITER_HOLDS_DOCUMENT(&state.batch.at)) return state.broken();
            std::uint32_t size = 0;
            const std::uint8_t* data = nullptr;
            bson_iter_document(&state.batch.at, &size, &data);
            const Bytes bytes{reinterpret_cast<const std::byte*>(data), size};
            if (data == nullptr || !check_frame(bytes).ok()) return state.broken();
            ++state.documents;
            state.bytes += size;
            return std::optional(bytes);
        }
        // err_off is where the iterator met bytes that are no BSON; 0 at a clean end.
        if (state.in_batch && state.batch.at.err_off != 0) return state.broken();
        state.end_batch();
        if (state.cursor_id == 0) return std::optional<Bytes>();
        ASB_CHECK(state.get_more());
    }
}

}  // namespace asb
