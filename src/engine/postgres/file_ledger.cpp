#include "engine/postgres/file_ledger.hpp"

#include <algorithm>

#include "base/text.hpp"

namespace asb {
namespace {

Error damaged(std::string_view path, std::string_view why) {
    return with_hint(fail(Code::damaged, "{} {}", printable(path), why),
                     "nothing was published; run the backup again, and look at the server's log "
                     "and disks if it comes back");
}

// The manifest spells a CRC-32C as its four bytes in the memory of the server, low byte first on
// every platform that PostgreSQL is packaged for but s390x.
std::string spell(std::uint32_t crc) {
    return fmt::format("{:02x}{:02x}{:02x}{:02x}", crc & 0xff, crc >> 8 & 0xff, crc >> 16 & 0xff,
                       crc >> 24);
}

Status compare_file(const FileLedger::Entry& arrived, const ServerManifest::File& expected) {
    if (arrived.size != expected.size)
        return damaged(arrived.path, fmt::format("arrived with {} bytes, the server's manifest "
                                                 "says {}",
                                                 arrived.size, expected.size));
    if (expected.checksum_algorithm != "CRC32C")
        return damaged(arrived.path, "has no CRC32C in the server's manifest");
    if (spell(arrived.crc32c) != expected.checksum)
        return damaged(arrived.path, "arrived with other contents than the server's manifest says");
    return {};
}

template <typename List>
Status sort_unique(List& list, std::string_view twice) {
    std::ranges::sort(list, {}, [](const auto& item) -> const std::string& { return item.path; });
    const auto repeated = std::ranges::adjacent_find(
        list, [](const auto& a, const auto& b) { return a.path == b.path; });
    if (repeated != list.end()) return damaged(repeated->path, twice);
    return {};
}

}  // namespace

Status FileLedger::compare(ServerManifest& manifest) {
    ASB_CHECK(sort_unique(entries_, "arrived twice"));
    ASB_CHECK(sort_unique(manifest.files, "stands twice in the server's manifest"));
    auto expected = manifest.files.begin();
    for (const Entry& arrived : entries_) {
        if (expected != manifest.files.end() && expected->path < arrived.path)
            return damaged(expected->path, "stands in the server's manifest but did not arrive");
        if (expected == manifest.files.end() || expected->path != arrived.path)
            return damaged(arrived.path, "arrived but does not stand in the server's manifest");
        ASB_CHECK(compare_file(arrived, *expected));
        ++expected;
    }
    if (expected != manifest.files.end())
        return damaged(expected->path, "stands in the server's manifest but did not arrive");
    return {};
}

}  // namespace asb
