#pragma once
// Why this exists: what the server puts into CopyData messages, parsed without libpq, so that it
// can be fuzzed. Numbers: PostgreSQL 15 manual, 55.4 "Streaming Replication Protocol" (BASE_BACKUP,
// START_REPLICATION); all big-endian.

#include <array>
#include <cstdint>
#include <string_view>
#include <variant>

#include "base/bytes.hpp"
#include "base/clock.hpp"
#include "engine/log.hpp"
#include "engine/postgres/lsn.hpp"

namespace asb {

// BASE_BACKUP. Views borrow from the parsed message.
struct ArchiveBegins {
    std::string_view name;             // "base.tar", "16384.tar"
    std::string_view tablespace_path;  // empty for base.tar
};
struct ArchiveData {
    Bytes bytes;
};
struct BackupProgress {
    std::uint64_t bytes_done = 0;  // over all tablespaces
};
struct ManifestBegins {};
using BackupMessage = std::variant<ArchiveBegins, ArchiveData, BackupProgress, ManifestBegins>;

// `database` when `message` is none of them or has a wrong length.
Result<BackupMessage> parse_backup_message(Bytes message);

// START_REPLICATION.
struct WalData {
    Lsn start;
    Lsn server_end;
    Bytes bytes;
    CommitTime server_time{};  // the server's clock when it sent this
};
struct Keepalive {
    Lsn server_end;  // what the server has sent
    bool reply_requested = false;
    CommitTime server_time{};
};
using ReplicationMessage = std::variant<WalData, Keepalive>;

Result<ReplicationMessage> parse_replication_message(Bytes message);

// The standby status update ('r') that says that everything before `received` has arrived, and that
// everything before `kept` is durable. `at` is our clock.
inline constexpr std::size_t kStatusUpdateBytes = 34;
enum class Reply { not_needed, wanted };  // a keepalive as the answer
std::array<std::byte, kStatusUpdateBytes> status_update(Lsn received, Lsn kept, Instant at,
                                                        Reply reply = Reply::not_needed);

}  // namespace asb
