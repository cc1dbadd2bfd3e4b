#pragma once
// Why this exists: `log/<log id>/log.json` says whose log it is and how its key is had from the
// operator's passphrase. It is made by the first stream of a log, once.

#include <optional>

#include "base/clock.hpp"
#include "keys/key_provider.hpp"
#include "repo/log_key.hpp"

namespace asb {

inline constexpr int kLogRecordVersion = 1;
inline constexpr std::size_t kLogRecordBytesMax = 4 * kKiB;

struct LogEncryption {
    KeyReference key;
    Salt salt{};
    std::array<std::byte, 16> key_check{};  // as a manifest's, of the log's id
};

struct LogRecord {
    std::string log_id;
    std::string engine;    // "postgresql"
    std::string identity;  // LogFacts::identity
    Instant created_at{};
    std::optional<LogEncryption> encryption;  // absent: the log's objects are not encrypted
};

struct OpenedLogRecord {
    LogRecord record;
    std::optional<LogKey> key;  // of a log that is encrypted
    [[nodiscard]] const LogKey* key_or_null() const { return key ? &*key : nullptr; }
};

// Shape and bounds; `damaged` otherwise. Proves nothing about who wrote it.
Result<LogRecord> parse_log_record(std::string_view text, std::string_view what);

// Reads the record of a log. `not_found` when there is none, `wrong_key` when `provider`'s key is
// not the one (`provider` null: no key is set), `damaged` when it was changed. Stretching a weak
// passphrase takes about a second.
Result<OpenedLogRecord> open_log_record(StoreReader& store, std::string_view log_id,
                                        KeyProvider* provider);

// The same, and makes the record when there is none: encrypted when `provider` is not null. Two at
// once: one writes, both read that. `refused` when there is one that is encrypted and this one is
// not to be, or the other way round, or when it is another database's.
Result<OpenedLogRecord> ensure_log_record(StoreReader& reader, StoreAppender& appender,
                                          const LogRecord& wanted, KeyProvider* provider);

}  // namespace asb
