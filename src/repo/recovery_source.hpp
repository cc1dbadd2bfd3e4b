#pragma once
// Why this exists: a server that recovers fetches its log itself, through a command that runs as
// that server's user, long after the restore has ended. All that the command needs stands in one
// file: where the log lies, and the keys of just those objects.

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "codec/kdf.hpp"
#include "engine/log.hpp"
#include "repo/log_key.hpp"
#include "repo/recovery_plan.hpp"

namespace asb {

// A stretch of the log, and the backup or the log object that holds it.
struct SourceSpan {
    LogRange range;
    std::string backup;  // one of the two
    std::string object;
};

struct RecoverySource {
    // What every call needs: small.
    struct Head {
        std::string engine;
        Json facts = Json::object();      // of the base's manifest, of that engine
        std::vector<LogRange> cover;      // what can be fetched, merged
        std::vector<LogBranch> branches;  // every one that is known of the log
    };
    Head head;
    // What reading the log needs besides.
    std::string repository;  // the store's location; a path is absolute
    // The options of the store's driver that are not at their defaults, credentials too: the
    // command runs without the settings of whoever restores.
    std::map<std::string, std::string> store_settings;
    std::vector<SourceSpan> spans;
    std::map<std::string, BodyKeys> keys;  // of encrypted backups, by name
    std::optional<LogKey> log_key;         // of encrypted log objects

    // Null: not known, as of a backup (a log) that is not encrypted.
    [[nodiscard]] const BodyKeys* keys_of(const std::string& backup) const;
    [[nodiscard]] const LogKey* log_key_or_null() const { return log_key ? &*log_key : nullptr; }
};

// The backups among `spans` from `first` on, each once.
std::vector<std::string> backups_of(const std::vector<SourceSpan>& spans, std::size_t first = 0);

// A bound for whoever reads one from a file: a million spans.
constexpr std::size_t kRecoverySourceBytesMax = 1 * kGiB;
// Two lines of JSON, the head first. Holds keys.
Secret to_text(const RecoverySource& source);
// `damaged` when it is not what to_text gives; of parse_recovery_head, only the first line.
Result<RecoverySource::Head> parse_recovery_head(std::string_view text);
Result<RecoverySource> parse_recovery_source(std::string_view text);

// The spans of a plan, and what they cover. Without keys.
RecoverySource recovery_source(const LogHistory& history, const RecoveryPlan& plan);

}  // namespace asb
