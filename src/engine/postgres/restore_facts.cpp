#include "engine/postgres/restore_facts.hpp"

#include "base/text.hpp"
#include "engine/postgres/data_directory_staging.hpp"

namespace asb::postgres {

Result<BackupIdentity> read_identity(const Json& facts) {
    const auto number = facts.find("version_num");
    if (number == facts.end() || !number->is_number_integer())
        return fail(Code::damaged, "the manifest does not say which PostgreSQL wrote the backup");
    BackupIdentity identity;
    identity.major = number->get<int>() / 10000;
    const auto text = [&](const char* key) {
        const auto found = facts.find(key);
        return found != facts.end() && found->is_string() ? found->get<std::string>() : "";
    };
    identity.version = text("version");
    identity.end_lsn = text("end_lsn");
    identity.logical = text("method") == "logical";
    const auto dump_major = facts.find("pg_dump_major");
    identity.dump_major = dump_major != facts.end() && dump_major->is_number_integer()
                              ? dump_major->get<int>()
                              : identity.major;
    return identity;
}

Result<std::uint64_t> wal_segment_bytes(const Json& facts) {
    const auto found = facts.find("wal_segment_bytes");
    const auto bytes = found != facts.end() && found->is_number_unsigned()
                           ? found->get<std::uint64_t>()
                           : std::uint64_t{0};
    if (bytes >= kMiB && bytes <= kGiB && (bytes & (bytes - 1)) == 0) return bytes;
    return fail(Code::damaged, "the manifest does not say how large the WAL segments are");
}

Status check_space(const std::string& path, std::uint64_t bytes, const char* hint) {
    ASB_TRY(const auto free, free_space(existing_ancestor(path)));
    if (free >= bytes) return {};
    return with_hint(fail(Code::space, "restoring needs {} at {}, which has {} free",
                          human_bytes(bytes), path, human_bytes(free)),
                     hint);
}

}  // namespace asb::postgres
