#pragma once
// Why this exists: one write for each operation of the oplog would cost a round trip each. Between
// two commands of the oplog the operations are collected by document, applied in memory, and the
// final state of each document is written once.

#include <functional>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "engine/mongodb/oplog_entry.hpp"
#include "engine/mongodb/restore_catalog.hpp"

namespace asb::mongodb {

// Where staged documents are: the target server, or a test's memory.
class StagedDocuments {
  public:
    virtual ~StagedDocuments() = default;
    using Take = std::function<Status(Bytes document)>;
    // `ids` is a BSON array of _ids; calls `take` for each document that is there, in any order.
    virtual Status fetch(const StagedCollection& collection, const std::string& ids,
                         const Take& take) = 0;
    // Deletes by _id ({_id: ...} each), then replaces or inserts whole documents by their _id. May
    // return before it is done; `settle` waits. The order within a call is kept where the
    // collection is `ordered`.
    virtual Status erase(const StagedCollection& collection, std::vector<std::string> ids) = 0;
    virtual Status store(const StagedCollection& collection,
                         std::vector<std::string> documents) = 0;
    // As `store`, for documents that are hardly ever there already; of a collection that is not
    // ordered.
    virtual Status insert(const StagedCollection& collection,
                          std::vector<std::string> documents) = 0;
    virtual Status settle() = 0;
};

// Not thread-safe. Memory: kWindowBytesMax of operations and the batches on their way.
class OplogWindow {
  public:
    static constexpr std::uint64_t kWindowBytesMax = 16 * kMiB;
    static constexpr std::size_t kWindowDocumentsMax = 20'000;

    explicit OplogWindow(StagedDocuments& documents) : documents_(documents) {}

    // i, u or d on a staged collection. Writes out what is collected when the window is full.
    Status take(StagedCollection& collection, const OplogEntry& entry);
    // From now on what is inserted is not there yet.
    void expect_new() { inserts_are_new_ = true; }
    // Writes out everything and waits until it is there.
    Status flush();
    // A collection has gone: what was missing in it no longer matters.
    void forget(const StagedCollection& collection);
    // Updates of documents that were not there and that no later entry deleted or inserted, as
    // "auth.users _id ...": with any of them the backup is torn.
    [[nodiscard]] std::vector<std::string> missing() const;

  private:
    struct Pending {
        enum class State { updates, whole, deleted };
        State state = State::updates;
        std::string id;                    // {_id: ...}
        std::string document;              // whole
        std::vector<std::string> updates;  // in order, of a document that is yet to be read
        bool inserted = false;             // whole, and made by an insert
        std::uint64_t number = 0;          // order of the first operation that made it whole
    };
    using Collected = std::map<std::string, Pending>;  // by id_key

    Status update(StagedCollection& collection, const std::string& key, Pending& pending,
                  BsonView change);
    Status flush(StagedCollection& collection, Collected& collected);
    Status flush_kept(StagedCollection& collection, Collected& collected);
    Status read_updated(StagedCollection& collection, Collected& collected);
    Status write(StagedCollection& collection, Collected& collected);
    Status write_in_order(StagedCollection& collection, Collected& collected);
    Status fetch(StagedCollection& collection, Collected& collected, Pending::State state,
                 const std::function<Status(Pending&, BsonView)>& take);
    static Result<std::string> updated(BsonView document, const Pending& pending);
    void note_missing(const StagedCollection& collection, const std::string& key);

    StagedDocuments& documents_;
    std::map<StagedCollection*, Collected> collected_;
    std::map<const StagedCollection*, std::set<std::string>> missing_;
    std::uint64_t bytes_ = 0;
    std::size_t count_ = 0;
    std::uint64_t number_ = 0;
    bool inserts_are_new_ = false;
};

}  // namespace asb::mongodb
