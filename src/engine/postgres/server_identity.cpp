#include "engine/postgres/server_identity.hpp"

#include <unistd.h>

#include "base/text.hpp"
#include "codec/digest.hpp"

namespace asb {
namespace {

// Segments are a power of two from 1 MiB to 1 GiB (initdb --wal-segsize).
constexpr std::uint64_t kSegmentBytesMin = 1 * kMiB;
constexpr std::uint64_t kSegmentBytesMax = 1 * kGiB;

Result<std::string> show(Connection& connection, const std::string& setting) {
    ASB_TRY(const PgResult result, connection.query("SHOW " + setting));
    if (PQntuples(result.get()) != 1)
        return fail(Code::database, "the server does not show {}", setting);
    return std::string(cell(result, 0, 0));
}

Result<std::uint64_t> segment_bytes(Connection& connection) {
    ASB_TRY(const std::string text, show(connection, "wal_segment_size"));
    ASB_TRY(const std::uint64_t bytes, parse_setting_bytes(text));
    if (bytes < kSegmentBytesMin || bytes > kSegmentBytesMax || (bytes & (bytes - 1)) != 0)
        return fail(Code::database, "the server says that its WAL segments are {}", text);
    return bytes;
}

// Columns by position, parsed as text: the types differ between versions.
Status read_system(Connection& connection, ServerIdentity& identity) {
    ASB_TRY(const PgResult system, connection.query("IDENTIFY_SYSTEM"));
    const auto timeline = parse_u64(cell(system, 0, 1));
    if (PQntuples(system.get()) != 1 || !parse_u64(cell(system, 0, 0)) || !timeline ||
        *timeline == 0 || *timeline > 0xffffffffU)
        return fail(Code::database, "the server's answer to IDENTIFY_SYSTEM is not as documented");
    identity.system_identifier = cell(system, 0, 0);
    identity.timeline = static_cast<std::uint32_t>(*timeline);
    ASB_TRY(identity.log_end, parse_lsn(cell(system, 0, 2)));
    return {};
}

// At most 63 characters of a-z, 0-9 and '_', as slot names must be.
std::string slot_name() {
    std::array<std::byte, 8> random{};
    random_bytes(random);
    return fmt::format("auth_service_backup_tmp_{}_{}", ::getpid(), to_hex(Bytes(random)));
}

}  // namespace

Result<std::uint64_t> parse_setting_bytes(std::string_view text) {
    constexpr std::pair<std::string_view, std::uint64_t> kUnits[] = {
        {"kB", kKiB}, {"MB", kMiB}, {"GB", kGiB}, {"B", 1}};
    for (const auto& [unit, bytes] : kUnits) {
        if (!text.ends_with(unit)) continue;
        const auto number = parse_u64(text.substr(0, text.size() - unit.size()));
        if (number && *number <= UINT64_MAX / bytes) return *number * bytes;
    }
    return fail(Code::database, "\"{}\" is not a size", printable(text));
}

Result<ServerIdentity> identify_server(Connection& connection) {
    ServerIdentity identity;
    const std::string version = connection.reported("server_version");
    identity.version = version.substr(0, version.find(' '));
    identity.version_number = connection.server_version();
    ASB_CHECK(read_system(connection, identity));
    ASB_TRY(identity.wal_segment_bytes, segment_bytes(connection));
    identity.in_recovery = connection.reported("in_hot_standby") == "on";
    ASB_TRY(const std::string checksums, show(connection, "data_checksums"));
    identity.page_checksums = checksums == "on";
    return identity;
}

Result<std::string> create_temporary_slot(Connection& connection) {
    std::string name = slot_name();
    ASB_CHECK(connection.execute(
        fmt::format("CREATE_REPLICATION_SLOT {} TEMPORARY PHYSICAL (RESERVE_WAL)", name)));
    return name;
}

Status probe_slot(Connection& connection) {
    const std::string name = slot_name();
    ASB_CHECK(
        connection.execute(fmt::format("CREATE_REPLICATION_SLOT {} TEMPORARY PHYSICAL", name)));
    return connection.execute(fmt::format("DROP_REPLICATION_SLOT {}", name));
}

}  // namespace asb
