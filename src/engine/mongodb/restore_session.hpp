#pragma once
// Why this exists: one restore into a MongoDB server, from the first entry of the archive to the
// swap: what arrives is staged beside what is there, and nothing is visible before `publish`.

#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "engine/engine.hpp"
#include "engine/mongodb/bson_frame.hpp"
#include "engine/mongodb/layout.hpp"
#include "engine/mongodb/replay_slice.hpp"
#include "engine/mongodb/restore_scope.hpp"
#include "engine/mongodb/restore_stage.hpp"
#include "engine/mongodb/swap_collections.hpp"

namespace asb::mongodb {

struct MongoRestoreOptions {
    MongoUrl url;
    RestoreScope scope;
    unsigned jobs = 2;
    bool force = false;
    bool drop_old = false;
    bool has_oplog = true;  // the manifest names one: an archive without it is not whole
    Position base_end = 0;  // of it; 0: none
    std::optional<LogStop> stop;
};

// Used from one thread. `open` has looked at the target (restore_entry.cpp) before.
class MongoRestoreSession final : public RestoreSession {
  public:
    static Result<std::unique_ptr<MongoRestoreSession>> open(MongoRestoreOptions options,
                                                             SessionContext context);
    ~MongoRestoreSession() override;
    MongoRestoreSession(const MongoRestoreSession&) = delete;
    MongoRestoreSession& operator=(const MongoRestoreSession&) = delete;

    Status begin(const EntryHeader& header) override;
    Status write(Bytes bytes) override;
    Status end() override;
    Status begin_slice(const LogRange& range) override;
    Status publish() override;
    [[nodiscard]] std::vector<std::string> report() const override { return report_; }
    [[nodiscard]] std::vector<std::string> incomplete() const override { return incomplete_; }

  private:
    // The collection whose entry is open, and what has come of it.
    struct Arrival {
        StagedCollection* collection = nullptr;
        std::uint64_t documents = 0;
    };

    MongoRestoreSession(MongoRestoreOptions options, SessionContext context,
                        MongoConnection connection, std::unique_ptr<RestoreWorkers> workers);
    Status begin_data(const MongoEntry& entry, const std::string& name);
    Status begin_oplog(const std::string& name);
    Status take_entry(Bytes entry);
    Status check_reached();
    Status check_chosen();
    Result<StagedCollection*> kept_collection(const MongoEntry& entry);
    Status add_metadata();
    Status take_document(Bytes document);
    Status enter_home(const std::string& home);
    Status check_counts();
    Status build_all_indexes();
    Result<bool> renames_keep_options();
    Result<SwapJournal> plan_swap(const std::string& home);
    Status plan_old(const std::string& home, SwapJournal& journal);
    void plan_new(const std::string& home, SwapJournal& journal);
    Status swap_all();
    void ignore_stop();
    Status undo(std::vector<CollectionSwap>& swaps, const Error& cause);
    Status merge();
    void clean_up();

    MongoRestoreOptions options_;
    SessionContext context_;
    MongoConnection connection_;
    std::unique_ptr<RestoreWorkers> workers_;
    RestoreCatalog catalog_;
    RestoreStage stage_;
    OplogReplay replay_;
    std::map<std::string, Arrival> arrivals_;  // by folder and stem of their data
    std::set<std::string> homes_;              // where a journal of ours is

    MongoEntry entry_;
    std::string entry_name_;
    bool skipped_ = false;
    std::string text_;  // of a metadata entry
    std::optional<BsonFramer> framer_;
    std::optional<BsonFramer> oplog_framer_;
    bool oplog_begun_ = false;
    std::optional<ReplaySlice> slice_;  // that what comes now is of
    Position reached_ = 0;              // where the log that has been announced ends
    Arrival* arrival_ = nullptr;

    std::vector<std::string> report_;
    std::vector<std::string> incomplete_;
    bool keep_options_ = true;  // of a collection that is renamed, on this server
    bool settled_ = false;      // nothing is left to clean up, or the journal says what to finish
};

}  // namespace asb::mongodb
