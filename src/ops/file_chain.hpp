#pragma once
// Why this exists: the logs of an incremental backup are pieces; the files come back out of the
// full backup and all incremental ones up to it, read one after the other. Of each only what
// belongs to the files is read.

#include "ops/opened.hpp"
#include "ops/restore_parts.hpp"
#include "repo/catalog.hpp"

namespace asb {

// The backups that files come from, oldest first; the last one is the one that was named.
struct FileChain {
    std::vector<OpenArchive> older;     // before the named one
    const OpenArchive* last = nullptr;  // borrowed
    // Why the chain does not begin with a full backup; empty: it does.
    std::string broken;

    [[nodiscard]] std::size_t size() const { return older.size() + 1; }
    [[nodiscard]] const OpenArchive& at(std::size_t index) const {
        return index < older.size() ? older[index] : *last;
    }
};

// Follows the parents of `last` as far as they are there, whole and open with our key. A chain that
// is not whole is no error; being told to stop is.
Result<FileChain> open_file_chain(const OpsContext& context, StoreReader& store,
                                  const OpenArchive& last);

// What of a chain is read for `part`, the engine of the files.
struct ChainReading {
    std::vector<Reading> links;  // as FileChain::at
    std::uint64_t stored_bytes = 0;
    std::uint64_t plain_bytes = 0;
};
// Sets the request's data_bytes. `not_found` when the chain is broken and something other than logs
// was asked for, which only full backups have; `usage` with --only, since a name means another file
// in each of the backups.
Result<ChainReading> choose_chain_reading(const OpsContext& context, const FileChain& chain,
                                          Part& part);

// Pushes the entries of the whole chain into `session` (RestoreSession::begin_link between two).
// `store` is the one that has all of it, for errors.
Status read_chain_into(const OpsContext& context, const StoreReader& store, const FileChain& chain,
                       const ChainReading& reading, RestoreSession& session);

// The newest incremental backup in the chain of `base` that began at or before `time`, or, without
// a time, whose log ends at or before `at`; `base` when there is none. (A plan to an instant may
// end before an idle stretch of the log, while the logs of the application went on.)
std::string newest_link(const Catalog& catalog, const std::string& base, std::uint64_t at,
                        std::optional<CommitTime> time);

// For a restore whose session has the entries of the full backup `base` already: pushes what the
// incremental backups from there up to `newest` add to the logs. Nothing when no chain leads from
// the one to the other: then the files are as they were in `base`.
Status add_links(const OpsContext& context, StoreReader& store, const std::string& base,
                 const std::string& newest, const Part& part, RestoreSession& session);

// The full backup at the beginning of the chain of the backup `name`; nullptr when something is
// missing on the way.
const CatalogEntry* chain_base(const Catalog& catalog, std::string_view name);

// A small entry of a stored backup, for an incremental one that goes on from it
// (SessionContext::parent_entry); nullopt when it has none of that name.
Result<std::optional<std::string>> read_parent_entry(const OpsContext& context, StoreReader& store,
                                                     const ParentBackup& parent,
                                                     std::string_view entry);

}  // namespace asb
