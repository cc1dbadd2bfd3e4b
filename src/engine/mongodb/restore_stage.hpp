#pragma once
// Why this exists: the staging area on the target server: collections beside the old ones, under
// names that nobody else uses, filled by several connections at once.

#include <atomic>
#include <memory>
#include <string>

#include "engine/mongodb/oplog_replay.hpp"
#include "engine/mongodb/restore_catalog.hpp"
#include "engine/mongodb/restore_workers.hpp"

namespace asb::mongodb {

// Used by one thread; its writes run on the workers' threads. `connection` and `workers` outlive
// it.
class RestoreStage final : public StagedDocuments, public StagedDefinitions {
  public:
    RestoreStage(MongoConnection& connection, RestoreWorkers& workers)
        : connection_(connection), workers_(workers) {}

    // Appends one document of the archive to its collection, in batches.
    Status append(const StagedCollection& collection, Bytes document);
    // Sends what is collected by append; `settle` waits for it.
    Status flush_appended();
    // How many documents of the archive replaced one with the same _id.
    [[nodiscard]] std::uint64_t doubled() const { return doubled_.load(); }

    Status create(const StagedCollection& collection) override;
    Status drop(const StagedCollection& collection) override;
    Status empty(const StagedCollection& collection) override;
    Status modify(const StagedCollection& collection, BsonView fields) override;
    Status convert_to_capped(const StagedCollection& collection, std::int64_t bytes) override;

    Status fetch(const StagedCollection& collection, const std::string& ids,
                 const Take& take) override;
    Status erase(const StagedCollection& collection, std::vector<std::string> ids) override;
    Status store(const StagedCollection& collection, std::vector<std::string> documents) override;
    Status insert(const StagedCollection& collection, std::vector<std::string> documents) override;
    Status settle() override { return workers_.settle(); }

  private:
    Status insert_large(const StagedCollection& collection, Bytes document);
    MongoConnection& connection_;
    RestoreWorkers& workers_;
    const StagedCollection* appended_to_ = nullptr;
    std::string appended_;
    std::size_t appended_documents_ = 0;
    std::atomic<std::uint64_t> doubled_{0};
};

}  // namespace asb::mongodb
