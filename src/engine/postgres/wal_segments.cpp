#include "engine/postgres/wal_segments.hpp"

#include <algorithm>
#include <vector>

#include "engine/postgres/rehoming_sink.hpp"

namespace asb {
namespace {

constexpr std::size_t kZerosBytes = 64 * kKiB;  // written at a time

}  // namespace

std::uint64_t WalSegments::left_in_segment() const {
    return range_.segment_bytes - position_.value % range_.segment_bytes;
}

Status WalSegments::begin_segment() {
    open_ = true;
    return sink_.begin(
        make_header_(fmt::format("{}/{}", kWalFolder,
                                 wal_file_name(range_.timeline, position_, range_.segment_bytes)),
                     range_.segment_bytes));
}

// `bytes` lies within one segment.
Status WalSegments::write(Bytes bytes) {
    if (!open_) ASB_CHECK(begin_segment());
    ASB_CHECK(sink_.write(bytes));
    position_.value += bytes.size();
    if (position_.value % range_.segment_bytes != 0) return {};
    open_ = false;
    return sink_.end();
}

Status WalSegments::take(const WalData& wal) {
    if (wal.start != position_)
        return fail(Code::database, "the server sent WAL at {} where {} was next",
                    to_text(wal.start), to_text(position_));
    Bytes bytes = wal.bytes;
    while (!bytes.empty() && !complete()) {
        const std::uint64_t wanted =
            std::min(left_in_segment(), range_.end.value - position_.value);
        const std::size_t count = std::min<std::uint64_t>(wanted, bytes.size());
        ASB_CHECK(write(bytes.first(count)));
        bytes = bytes.subspan(count);
    }
    return {};
}

Status WalSegments::finish() {
    ASB_ASSERT(complete());
    const std::vector<std::byte> zeros(open_ ? kZerosBytes : 0);
    while (open_)
        ASB_CHECK(
            write(Bytes(zeros).first(std::min<std::uint64_t>(left_in_segment(), kZerosBytes))));
    return {};
}

}  // namespace asb
