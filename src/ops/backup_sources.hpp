#pragma once
// Why this exists: what a backup reads, and, of an incremental one, where it goes on from; and the
// decision to take a full one instead when nothing goes on from there.

#include "ops/context.hpp"
#include "ops/sources.hpp"
#include "repo/catalog.hpp"
#include "store/store.hpp"

namespace asb {

struct BackupSource {
    std::unique_ptr<Engine> engine;
    std::unique_ptr<BackupSession> session;
};

// Open sessions, and what kind of backup they make.
struct BackupSources {
    BackupType type = BackupType::full;
    std::vector<BackupSource> open;
    std::vector<LogTail> tails;    // of an incremental backup: what it may go on from
    std::vector<LogTail> locked;   // KeyedTails::locked: nothing goes on from there any more
    std::string key_gap;           // why nothing can go on, when it is for the key; else empty
    std::string promoted_because;  // a full one instead of an incremental one; else empty

    // Of an incremental backup: why it cannot be made; empty: no session has found a gap.
    [[nodiscard]] std::string gap() const;
    // The backup that a slice of this log goes on from.
    [[nodiscard]] std::optional<ParentBackup> parent_of(std::string_view log_id) const;
};

// Where the repository's logs of one engine end. A log goes on under one key only: a chain that two
// keys are needed for could be opened with neither.
struct KeyedTails {
    std::vector<LogTail> open;    // what the settings' key opens, or nobody needs a key for
    std::vector<LogTail> locked;  // of another key
};
Result<KeyedTails> keyed_tails(const OpsContext& context, StoreReader& store,
                               const Catalog& catalog, std::string_view engine);

// What of the log makes an incremental backup a full one.
struct Promotion {
    bool allowed = true;
};

// Opens the sources of `type`. An incremental one whose log does not go on becomes a full one, with
// a warning, or, where that is not allowed, `incomplete` naming why. `store` is the repository.
Result<BackupSources> open_backup_sources(const OpsContext& context, BackupType type,
                                          const Promotion& promotion, StoreReader& store);
// A full one instead, after a session found the gap while it was copying.
Result<BackupSources> promote(const OpsContext& context, const BackupSources& incremental,
                              const Promotion& promotion, StoreReader& store);

}  // namespace asb
