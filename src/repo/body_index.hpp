#pragma once
// Why this exists: what a reader needs besides the manifest to check and read a body in parallel:
// the digest of each segment and the stored size of each gzip member. A text, so that `split` and
// `sha256sum` can check a body without this program.

#include <string>
#include <vector>

#include "codec/digest.hpp"

namespace asb {

struct BodyIndex {
    std::uint64_t body_length = 0;
    std::vector<Digest> segments;  // SHA-256 of each kSegmentBytes of the stored body, in order
    std::vector<std::uint32_t>
        member_sizes;  // of the gzip stream before encryption; empty when not compressed
};

// The most that a reader accepts: a body of about 16 TiB.
inline constexpr std::size_t kIndexBytesMax = 256 * kMiB;

// docs/FORMAT.md, "Index": permanent.
std::string to_text(const BodyIndex& index);
// `damaged` with the line number for anything that to_text would not have written, wrong counts
// included.
Result<BodyIndex> parse_body_index(std::string_view text);

}  // namespace asb
