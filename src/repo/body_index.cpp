#include "repo/body_index.hpp"

#include "base/text.hpp"
#include "codec/gzip.hpp"
#include "codec/segment.hpp"

namespace asb {
namespace {

constexpr std::string_view kFirstLine = "asb-index 1";
constexpr std::string_view kLastLine = "end";

// Walks over lines that all end in '\n', and counts them for the error text.
class Lines {
  public:
    explicit Lines(std::string_view text) : rest_(text) {}
    // The next line without its '\n'; nullopt when there is no whole line left.
    std::optional<std::string_view> next() {
        const auto end = rest_.find('\n');
        if (end == std::string_view::npos) return std::nullopt;
        ++number_;
        const auto line = rest_.substr(0, end);
        rest_.remove_prefix(end + 1);
        return line;
    }
    [[nodiscard]] bool at_end() const { return rest_.empty(); }
    [[nodiscard]] Error damaged(std::string_view what) const {
        return fail(Code::damaged, "the index is not valid: {} (line {})", what, number_);
    }

  private:
    std::string_view rest_;
    std::size_t number_ = 0;
};

// "<word> <number>"
std::optional<std::uint64_t> number_after(std::string_view word,
                                          std::optional<std::string_view> line) {
    if (!line || !line->starts_with(word) || line->size() <= word.size() ||
        (*line)[word.size()] != ' ')
        return std::nullopt;
    return parse_u64(line->substr(word.size() + 1));
}

Status parse_segments(Lines& lines, std::uint64_t count, BodyIndex& index) {
    constexpr std::string_view kWord = "segment ";
    for (std::uint64_t i = 0; i < count; ++i) {
        const auto line = lines.next();
        if (!line || !line->starts_with(kWord))
            return lines.damaged("a segment's digest is missing");
        auto digest = parse_digest(line->substr(kWord.size()));
        if (!digest) return lines.damaged("a segment's digest is not one");
        index.segments.push_back(*digest);
    }
    return {};
}

Status parse_members(Lines& lines, std::uint64_t count, BodyIndex& index) {
    for (std::uint64_t i = 0; i < count; ++i) {
        const auto size = number_after("member", lines.next());
        if (!size || *size == 0 || *size > kMemberStoredBytesMax)
            return lines.damaged("a member's size is not one");
        index.member_sizes.push_back(static_cast<std::uint32_t>(*size));
    }
    return {};
}

}  // namespace

std::string to_text(const BodyIndex& index) {
    auto text = fmt::format("{}\nbody {}\nsegments {}\nmembers {}\n", kFirstLine, index.body_length,
                            index.segments.size(), index.member_sizes.size());
    for (const auto& digest : index.segments) text += "segment " + to_hex(digest) + "\n";
    for (const auto size : index.member_sizes)
        fmt::format_to(std::back_inserter(text), "member {}\n", size);
    return text.append(kLastLine).append("\n");
}

Result<BodyIndex> parse_body_index(std::string_view text) {
    Lines lines(text);
    const auto first = lines.next();
    if (first != kFirstLine) {
        if (first && first->starts_with("asb-index "))
            return with_hint(lines.damaged("its version is not known"),
                             "read it with a newer auth-service-backup");
        return lines.damaged("its first line is not 'asb-index 1'");
    }
    BodyIndex index;
    const auto length = number_after("body", lines.next());
    if (!length) return lines.damaged("the body's length is missing");
    const auto segments = number_after("segments", lines.next());
    const auto members = number_after("members", lines.next());
    if (!segments || !members) return lines.damaged("a count is missing");
    index.body_length = *length;
    if (*segments != (*length + kSegmentBytes - 1) / kSegmentBytes)
        return lines.damaged("the segments do not add up to the body's length");
    ASB_CHECK(parse_segments(lines, *segments, index));
    ASB_CHECK(parse_members(lines, *members, index));
    if (lines.next() != kLastLine || !lines.at_end())
        return lines.damaged("it does not end where it should");
    return index;
}

}  // namespace asb
