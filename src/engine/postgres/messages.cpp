#include "engine/postgres/messages.hpp"

namespace asb {
namespace {

constexpr std::size_t kWalHeaderBytes = 1 + 8 + 8 + 8;  // 'w', start, end, server's clock
constexpr std::size_t kKeepaliveBytes = 1 + 8 + 8 + 1;  // 'k', end, server's clock, reply now
constexpr std::size_t kProgressBytes = 1 + 8;
// PostgreSQL counts microseconds from 2000-01-01 00:00 UTC, which is this many after 1970.
constexpr std::int64_t kEpochMicroseconds = 946'684'800'000'000;

std::uint64_t load_u64(Bytes bytes, std::size_t offset) {
    std::uint64_t value = 0;
    for (std::size_t i = 0; i < 8; ++i)
        value = value << 8 | std::to_integer<std::uint64_t>(bytes[offset + i]);
    return value;
}

void store_u64(std::byte* out, std::uint64_t value) {
    for (std::size_t i = 0; i < 8; ++i) out[i] = static_cast<std::byte>(value >> (56 - 8 * i));
}

CommitTime server_time(Bytes bytes, std::size_t offset) {
    const auto since_2000 = static_cast<std::int64_t>(load_u64(bytes, offset));
    return CommitTime(std::chrono::microseconds(since_2000 + kEpochMicroseconds));
}

Error malformed(std::string_view what, Bytes message) {
    return fail(Code::database, "the server sent a malformed {} message ({} bytes)", what,
                message.size());
}

char tag(Bytes message) {
    return message.empty() ? '\0' : std::to_integer<char>(message[0]);
}

// 'n', then two strings, each ended by a zero byte, and nothing after.
Result<BackupMessage> parse_archive_begins(Bytes message) {
    const std::string_view text = as_text(message.subspan(1));
    const std::size_t first = text.find('\0');
    if (first == std::string_view::npos) return malformed("archive", message);
    const std::string_view rest = text.substr(first + 1);
    const std::size_t second = rest.find('\0');
    if (second == std::string_view::npos || second + 1 != rest.size() || first == 0)
        return malformed("archive", message);
    return BackupMessage(ArchiveBegins{text.substr(0, first), rest.substr(0, second)});
}

}  // namespace

Result<BackupMessage> parse_backup_message(Bytes message) {
    switch (tag(message)) {
        case 'd':
            return BackupMessage(ArchiveData{message.subspan(1)});
        case 'n':
            return parse_archive_begins(message);
        case 'p':
            if (message.size() != kProgressBytes) return malformed("progress", message);
            return BackupMessage(BackupProgress{load_u64(message, 1)});
        case 'm':
            if (message.size() != 1) return malformed("manifest", message);
            return BackupMessage(ManifestBegins{});
        default:
            return malformed("base backup", message);
    }
}

Result<ReplicationMessage> parse_replication_message(Bytes message) {
    switch (tag(message)) {
        case 'w':
            if (message.size() < kWalHeaderBytes) return malformed("WAL", message);
            return ReplicationMessage(WalData{Lsn{load_u64(message, 1)}, Lsn{load_u64(message, 9)},
                                              message.subspan(kWalHeaderBytes),
                                              server_time(message, 17)});
        case 'k':
            if (message.size() != kKeepaliveBytes) return malformed("keepalive", message);
            return ReplicationMessage(Keepalive{
                Lsn{load_u64(message, 1)}, message[17] != std::byte{0}, server_time(message, 9)});
        default:
            return malformed("replication", message);
    }
}

std::array<std::byte, kStatusUpdateBytes> status_update(Lsn received, Lsn kept, Instant at,
                                                        Reply reply) {
    const auto since_1970 =
        std::chrono::duration_cast<std::chrono::microseconds>(at.time_since_epoch());
    std::array<std::byte, kStatusUpdateBytes> message{};
    message[0] = std::byte{'r'};
    store_u64(&message[1], received.value);  // written
    store_u64(&message[9], kept.value);      // flushed
    store_u64(&message[17], 0);              // applied: never
    store_u64(&message[25], static_cast<std::uint64_t>(since_1970.count() - kEpochMicroseconds));
    message[33] = static_cast<std::byte>(reply);
    return message;
}

}  // namespace asb
