#include "codec/range.hpp"

#include <algorithm>

namespace asb {

std::vector<std::size_t> units_of(const std::vector<ByteRange>& ranges, std::uint64_t unit_bytes) {
    std::vector<std::size_t> units;
    for (const auto& range : ranges) {
        if (range.begin == range.end) continue;
        auto unit = range.begin / unit_bytes;
        if (!units.empty()) unit = std::max<std::uint64_t>(unit, units.back() + 1);
        for (; unit * unit_bytes < range.end; ++unit) units.push_back(unit);
    }
    return units;
}

Status RangeSource::refill() {
    if (in_.empty()) {
        ASB_TRY(in_, source_.next());
    }
    if (in_.empty() || (unit_left_ == 0 && unit_ == units_.size()))
        return fail(Code::damaged, "the stored data ends before the part that is wanted");
    if (unit_left_ != 0) return {};
    position_ = units_[unit_++] * unit_bytes_;
    unit_left_ = unit_bytes_;
    return {};
}

void RangeSource::advance(std::uint64_t count) {
    in_ = in_.subspan(count);
    position_ += count;
    unit_left_ -= count;
}

Result<Bytes> RangeSource::next() {
    while (range_ < ranges_.size()) {
        const auto& range = ranges_[range_];
        if (range.begin == range.end) {
            ++range_;
            continue;
        }
        ASB_CHECK(refill());
        const auto in_unit = std::min<std::uint64_t>(in_.size(), unit_left_);
        if (position_ < range.begin) {
            advance(std::min(in_unit, range.begin - position_));
            continue;
        }
        const auto bytes = in_.first(std::min(in_unit, range.end - position_));
        advance(bytes.size());
        if (position_ == range.end) ++range_;
        return bytes;
    }
    return Bytes{};
}

}  // namespace asb
