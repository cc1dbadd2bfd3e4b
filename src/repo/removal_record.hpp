#pragma once
// Why this exists: each manifest names the one before it, so that a list from which backups were
// taken away shows. What the product itself removes by policy must not look like that: before
// anything goes, a record of it is written, `removed/<stamp>-<random>.json`, which stays for ever.
// Records carry each other's digests as manifests do, so that taking one away shows as well.
//
// They prove that a list is whole, not who shortened it: whoever can write to the repository can
// write a record (docs/retention.md).

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.hpp"
#include "codec/digest.hpp"
#include "repo/catalog.hpp"
#include "store/store.hpp"

namespace asb {

inline constexpr std::string_view kRemovalPrefix = "removed/";
inline constexpr int kRemovalVersion = 1;
// Backups of one record, which is then about 300 KiB long; more of them become several records.
inline constexpr std::size_t kRemovalsMax = 1000;
inline constexpr std::size_t kRemovalBytesMax = 512 * kKiB;
inline constexpr std::size_t kRemovalTextBytesMax = 1024;  // of `by` and of `policy`
// Records that nobody names yet: as many runs as could be at it at the same time.
inline constexpr std::size_t kRemovalHeadsMax = 64;

// What is remembered of a backup that goes.
struct RemovedBackup {
    std::string name;
    std::optional<Digest> digest;              // of its manifest; absent: it could not be read
    std::optional<BackupType> type;            // likewise
    std::optional<PreviousManifest> previous;  // that it named: the chain goes on through it
};
RemovedBackup removed_backup(const CatalogEntry& entry);

struct RemovalRecord {
    std::string key;  // of its object
    Digest digest{};  // of its text
    Instant at{};
    std::string by;      // host
    std::string policy;  // why, for people
    std::vector<RemovedBackup> backups;
    // The records that no other one named when this one was written: nearly always one.
    std::vector<PreviousManifest> previous;  // their names are keys
};

// What is below removed/.
struct RemovalRecords {
    std::vector<RemovalRecord> records;  // by key
    std::vector<std::string> damaged;    // what is wrong with one that cannot be read
};

// Why, where and when backups go.
struct RemovalCause {
    Instant at{};
    std::string by;      // host
    std::string policy;  // for people; both are cut to what fits
};

struct PendingRecord {
    ObjectKey key;
    std::string text;
};
// The records to write before `backups` go, in this order. None for no backups.
std::vector<PendingRecord> make_removal_records(const std::vector<RemovedBackup>& backups,
                                                const RemovalRecords& known,
                                                const RemovalCause& cause);

// Shape, version, canonical form and bounds; `damaged` otherwise. `key` is the object's.
Result<RemovalRecord> parse_removal_record(std::string_view text, std::string_view key);

// All records. One that cannot be read is told as damaged; only a store that fails is an error.
Result<RemovalRecords> load_removal_records(StoreReader& store);

}  // namespace asb
