#include "repo/pieces.hpp"

#include <algorithm>

#include "base/text.hpp"
#include "codec/cbc.hpp"
#include "codec/gzip.hpp"
#include "codec/segment.hpp"
#include "repo/body_reader.hpp"

namespace asb {
namespace {

// Ranges closer than this are read as one: entering CBC takes a block before and whole blocks at
// both ends, and these may not overlap.
constexpr std::uint64_t kGapMin = 4 * kCbcBlockBytes;

std::uint64_t rounded_up(std::uint64_t value, std::uint64_t unit) {
    return (value + unit - 1) / unit;
}

Error index_contradicts(const OpenArchive& archive, std::string_view what) {
    return fail(Code::damaged, "the index of {} contradicts its manifest: {}",
                archive.read.manifest.name, what);
}

// Where each member begins in the stream before encryption; one more for its end.
Result<std::vector<std::uint64_t>> member_offsets(const OpenArchive& archive) {
    const Manifest& manifest = archive.read.manifest;
    const auto count = rounded_up(manifest.plain_bytes, kMemberPlainBytes);
    if (manifest.compressed && archive.index.member_sizes.size() != count)
        return index_contradicts(archive, "the number of members");
    if (!manifest.compressed && manifest.plain_bytes > manifest.body_length)
        return index_contradicts(archive, "the length of the body");
    std::vector<std::uint64_t> offsets = {0};
    for (std::uint64_t i = 0; i < count; ++i)
        offsets.push_back(manifest.compressed
                              ? offsets.back() + archive.index.member_sizes[i]
                              : std::min((i + 1) * kMemberPlainBytes, manifest.plain_bytes));
    const auto padded = (offsets.back() / kCbcBlockBytes + 1) * kCbcBlockBytes;
    const auto body = archive.keys ? kCbcHeaderBytes + padded : offsets.back();
    if (body != archive.index.body_length || body != manifest.body_length)
        return index_contradicts(archive, "the length of the body");
    if (archive.index.segments.size() != rounded_up(body, kSegmentBytes))
        return index_contradicts(archive, "the number of segments");
    return offsets;
}

Status check_ranges(const OpenArchive& archive, const std::vector<ByteRange>& plain) {
    std::uint64_t before = 0;
    for (const auto& range : plain) {
        if (range.begin < before || range.end <= range.begin ||
            range.end > archive.read.manifest.plain_bytes)
            return fail(Code::damaged, "{} has no bytes {}-{}", archive.read.manifest.name,
                        range.begin, range.end);
        before = range.end;
    }
    return {};
}

// The members, with those between two that lie too close to be entered apart.
std::vector<std::size_t> members_of(const std::vector<ByteRange>& plain,
                                    const std::vector<std::uint64_t>& offsets) {
    std::vector<std::size_t> members;
    for (const auto member : units_of(plain, kMemberPlainBytes)) {
        if (!members.empty() && offsets[member] - offsets[members.back() + 1] < kGapMin)
            while (members.back() + 1 < member) members.push_back(members.back() + 1);
        members.push_back(member);
    }
    return members;
}

std::vector<ByteRange> stored_ranges(const std::vector<std::size_t>& members,
                                     const std::vector<std::uint64_t>& offsets) {
    std::vector<ByteRange> ranges;
    for (const auto member : members) {
        const ByteRange range{offsets[member], offsets[member + 1]};
        if (!ranges.empty() && ranges.back().end == range.begin)
            ranges.back().end = range.end;
        else
            ranges.push_back(range);
    }
    return ranges;
}

std::vector<ByteRange> body_ranges(const OpenArchive& archive,
                                   const std::vector<ByteRange>& stored) {
    if (!archive.keys) return stored;
    std::vector<ByteRange> ranges;
    ranges.reserve(stored.size());
    for (const auto& range : stored) ranges.push_back(cipher_range(range));
    return ranges;
}

std::vector<std::uint32_t> sizes_of(const OpenArchive& archive,
                                    const std::vector<std::size_t>& members) {
    std::vector<std::uint32_t> sizes;
    sizes.reserve(members.size());
    for (const auto member : members) sizes.push_back(archive.index.member_sizes[member]);
    return sizes;
}

}  // namespace

Result<BodyPieces> pieces_of(const OpenArchive& archive, std::vector<ByteRange> plain) {
    ASB_CHECK(check_ranges(archive, plain));
    ASB_TRY(const auto offsets, member_offsets(archive));
    BodyPieces pieces;
    pieces.plain = std::move(plain);
    pieces.members = members_of(pieces.plain, offsets);
    pieces.stored = stored_ranges(pieces.members, offsets);
    pieces.segments = units_of(body_ranges(archive, pieces.stored), kSegmentBytes);
    const Manifest& manifest = archive.read.manifest;
    for (const auto segment : pieces.segments)
        pieces.stored_bytes +=
            std::min<std::uint64_t>(kSegmentBytes, manifest.body_length - segment * kSegmentBytes);
    for (const auto member : pieces.members)
        pieces.plain_bytes += std::min<std::uint64_t>(
            kMemberPlainBytes, manifest.plain_bytes - member * kMemberPlainBytes);
    return pieces;
}

// Declared from the stored end to the plain end: each stage is destroyed before the one it reads
// from.
struct PieceSource::State {
    State(const OpenArchive& archive, const BodyPieces& pieces, std::size_t threads)
        : segments(body_reader(archive), archive.index.body_length, archive.index.segments,
                   pieces.segments, threads),
          body(segments, kSegmentBytes, pieces.segments, body_ranges(archive, pieces.stored)),
          last(&body) {
        if (archive.keys) last = &decrypt.emplace(*last, *archive.keys, pieces.stored);
        if (archive.read.manifest.compressed)
            last = &inflate.emplace(*last, sizes_of(archive, pieces.members), threads);
        plain.emplace(*last, kMemberPlainBytes, pieces.members, pieces.plain);
    }

    SegmentSource segments;
    RangeSource body;
    std::optional<CbcRangeSource> decrypt;
    std::optional<GzipMemberSource> inflate;
    ByteSource* last;
    std::optional<RangeSource> plain;
};

PieceSource::PieceSource(const OpenArchive& archive, const BodyPieces& pieces, std::size_t threads)
    : state_(std::make_unique<State>(archive, pieces, threads)) {}

PieceSource::~PieceSource() = default;

Result<Bytes> PieceSource::next() {
    return state_->plain->next();
}

Status check_pieces(const OpenArchive& archive, const BodyPieces& pieces,
                    const ReadOptions& options) {
    SegmentSource segments(body_reader(archive), archive.index.body_length, archive.index.segments,
                           pieces.segments, options.threads);
    while (true) {
        ASB_CHECK(options.stop.check());
        ASB_TRY(const Bytes bytes, segments.next());
        if (bytes.empty()) return {};
    }
}

}  // namespace asb
