// Any bytes as the record of how far logs were read, and as the name of a piece of one: what is
// accepted is exactly what would be written, and safe to go on from.

#include "engine/fileset/log_positions.hpp"

namespace {

using namespace asb;
using namespace asb::fileset;

void check(const LogPosition& position) {
    ASB_ASSERT(safe_name(position.name).ok());
    if (!position.link.empty()) {
        ASB_ASSERT(safe_name(position.link).ok());
        return;
    }
    ASB_ASSERT(position.offset <= position.size);
    if (position.offset == 0) return;
    ASB_ASSERT(safe_name(position.from).ok());
    const auto piece = parse_piece_name(piece_name(position.name, position.offset));
    ASB_ASSERT(piece && piece->log == position.name && piece->offset == position.offset);
}

// The file as it is said to have been, and one byte longer.
void look_up(const KnownLogs& known, const LogPosition& position) {
    struct stat info {};
    info.st_dev = position.device;
    info.st_ino = position.inode;
    for (const std::uint64_t more : {0U, 1U}) {
        info.st_size = static_cast<off_t>(position.size + more);
        const auto* found = known.find(position.name, info);
        ASB_ASSERT(found == nullptr || (found->mark && found->size != 0));
    }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view text(reinterpret_cast<const char*>(data), size);
    const auto piece = parse_piece_name(text);
    if (piece) ASB_ASSERT(piece_name(piece->log, piece->offset) == text);
    auto positions = parse_positions(text);
    if (!positions.ok()) {
        ASB_ASSERT(positions.error().code == Code::damaged);
        return 0;
    }
    PositionsText written;
    for (const auto& position : *positions) {
        check(position);
        written.add(position);
    }
    ASB_ASSERT(written.text() == text);
    const auto copies = *positions;
    const KnownLogs known(std::move(*positions));
    for (const auto& position : copies) look_up(known, position);
    return 0;
}
