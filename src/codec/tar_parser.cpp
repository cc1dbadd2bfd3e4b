#include <algorithm>
#include <limits>

#include "base/text.hpp"
#include "codec/tar.hpp"
#include "codec/tar_format.hpp"

namespace asb {
namespace {

using tar::Field;

std::string_view field_text(Bytes block, Field field) {
    return as_text(block.subspan(field.offset, field.size));
}

// Up to the first NUL, or all of the field.
std::string field_string(Bytes block, Field field) {
    const auto text = field_text(block, field);
    return std::string(text.substr(0, text.find('\0')));
}

// GNU's base-256: big-endian two's complement, the first byte's top bit set as its mark.
std::optional<std::int64_t> parse_base256(std::string_view text) {
    const auto lead = static_cast<unsigned char>(text[0]);
    const bool negative = (lead & 0x40U) != 0;
    std::uint64_t value = negative ? ~std::uint64_t{0} : 0;
    const unsigned sign_byte = negative ? 0xFF : 0;
    for (std::size_t i = 0; i < text.size(); ++i) {
        unsigned byte = static_cast<unsigned char>(text[i]);
        if (i == 0) byte = negative ? byte : byte & 0x3FU;
        if (text.size() - i > sizeof value && byte != sign_byte) return std::nullopt;
        value = value << 8U | byte;
    }
    const auto number = static_cast<std::int64_t>(value);
    // The smallest number has no decimal form that fits back.
    const bool fits =
        (number < 0) == negative && number != std::numeric_limits<std::int64_t>::min();
    return fits ? std::optional(number) : std::nullopt;
}

// Spaces, octal digits, then spaces or NULs; an empty field is 0.
std::optional<std::int64_t> parse_octal(std::string_view text) {
    constexpr std::string_view kBlank{" \0", 2};
    text.remove_prefix(std::min(text.find_first_not_of(' '), text.size()));
    std::int64_t value = 0;  // at most 12 digits of 3 bits
    while (!text.empty() && text[0] >= '0' && text[0] <= '7') {
        value = value * 8 + (text[0] - '0');
        text.remove_prefix(1);
    }
    if (text.find_first_not_of(kBlank) != std::string_view::npos) return std::nullopt;
    return value;
}

std::optional<std::int64_t> parse_field(Bytes block, Field field) {
    const auto text = field_text(block, field);
    return (static_cast<unsigned char>(text[0]) & 0x80U) != 0 ? parse_base256(text)
                                                              : parse_octal(text);
}

EntryType entry_type(char flag) {
    switch (flag) {
        case tar::kTypeFile:
        case tar::kTypeFileOld:
        case tar::kTypeContiguousFile:
            return EntryType::file;
        case tar::kTypeHardLink:
            return EntryType::hard_link;
        case tar::kTypeSymbolicLink:
            return EntryType::symbolic_link;
        case tar::kTypeFolder:
            return EntryType::folder;
        default:
            return EntryType::other;
    }
}

bool is_extended(char flag) {
    return flag == tar::kTypePax || flag == tar::kTypePaxGlobal || flag == tar::kTypeGnuLongName ||
           flag == tar::kTypeGnuLongTarget;
}

bool is_zero(Bytes bytes) {
    return std::all_of(bytes.begin(), bytes.end(),
                       [](std::byte byte) { return byte == std::byte{0}; });
}

std::string block_name(Bytes block) {
    auto name = field_string(block, tar::kName);
    // GNU's own format keeps other things where POSIX has the prefix.
    if (field_text(block, tar::kMagic) != tar::kUstarMagic) return name;
    const auto prefix = field_string(block, tar::kPrefix);
    return prefix.empty() ? name : prefix + "/" + name;
}

}  // namespace

struct TarParser::State {
    enum class Phase { header, extended, data, skip, padding, ended };

    explicit State(EntrySink& entries) : sink(entries) {}

    EntrySink& sink;
    Phase phase = Phase::header;
    std::uint64_t offset = 0;          // of the next byte to be looked at
    std::uint64_t unit = 0;            // where the header being judged begins, for errors
    std::uint64_t left = 0;            // bytes of this phase still to come
    std::uint64_t padding = 0;         // of the data or extended header being read
    Buffer partial{tar::kBlockBytes};  // a header of which only a part was fed yet
    std::string extended;
    char extended_flag = 0;
    tar::PaxRecords global;
    tar::PaxRecords local;  // for the next entry only; GNU's long names too
    int zero_blocks = 0;

    template <typename... Args>
    [[nodiscard]] Error damaged(fmt::format_string<Args...> format, Args&&... args) const {
        return fail(Code::damaged, "the tar stream is damaged at byte {}: {}", unit,
                    fmt::format(format, std::forward<Args>(args)...));
    }

    Result<std::size_t> consume(Bytes bytes);
    Result<std::size_t> consume_header(Bytes bytes);
    Result<std::size_t> consume_extended(Bytes bytes);
    Result<std::size_t> consume_data(Bytes bytes);
    Result<std::size_t> consume_padding(Bytes bytes);
    Result<std::size_t> consume_end(Bytes bytes);

    Status on_block(Bytes block);
    Status on_zero_block();
    Status begin_extended(Bytes block);
    Status end_extended();
    Status begin_entry(Bytes block);
    Status end_data();

    [[nodiscard]] const std::string* record(std::string_view keyword) const;
    Result<std::uint64_t> number(Bytes block, Field field, std::string_view keyword) const;
    Status read_time(Bytes block, EntryHeader& header) const;
    Result<EntryHeader> read_header(Bytes block) const;
};

Result<std::size_t> TarParser::State::consume(Bytes bytes) {
    switch (phase) {
        case Phase::header:
            return consume_header(bytes);
        case Phase::extended:
            return consume_extended(bytes);
        case Phase::data:
        case Phase::skip:
            return consume_data(bytes);
        case Phase::padding:
            return consume_padding(bytes);
        case Phase::ended:
            break;
    }
    return consume_end(bytes);
}

Result<std::size_t> TarParser::State::consume_header(Bytes bytes) {
    if (partial.empty() && bytes.size() >= tar::kBlockBytes) {
        offset += tar::kBlockBytes;
        ASB_CHECK(on_block(bytes.first(tar::kBlockBytes)));
        return tar::kBlockBytes;
    }
    const auto count = partial.append(bytes);
    offset += count;
    if (partial.room() != 0) return count;
    ASB_CHECK(on_block(partial.view()));
    partial.clear();
    return count;
}

Result<std::size_t> TarParser::State::consume_extended(Bytes bytes) {
    const auto part = bytes.first(std::min<std::uint64_t>(bytes.size(), left));
    extended += as_text(part);
    offset += part.size();
    left -= part.size();
    if (left == 0) ASB_CHECK(end_extended());
    return part.size();
}

Result<std::size_t> TarParser::State::consume_data(Bytes bytes) {
    const auto part = bytes.first(std::min<std::uint64_t>(bytes.size(), left));
    if (phase == Phase::data) ASB_CHECK(sink.write(part));
    offset += part.size();
    left -= part.size();
    if (left == 0) ASB_CHECK(end_data());
    return part.size();
}

Result<std::size_t> TarParser::State::consume_padding(Bytes bytes) {
    const auto count = std::min<std::uint64_t>(bytes.size(), left);
    offset += count;
    left -= count;
    if (left == 0) phase = Phase::header;
    return count;
}

// GNU tar fills its last record up with zeros.
Result<std::size_t> TarParser::State::consume_end(Bytes bytes) {
    unit = offset;
    if (!is_zero(bytes)) return damaged("data follows the end of the archive");
    offset += bytes.size();
    return bytes.size();
}

Status TarParser::State::on_block(Bytes block) {
    unit = offset - tar::kBlockBytes;
    if (is_zero(block)) return on_zero_block();
    if (zero_blocks != 0) return damaged("data follows a zero block");
    const auto sum = parse_octal(field_text(block, tar::kChecksum));
    if (!sum || *sum != std::int64_t{tar::checksum(block)})
        return damaged("the header has a wrong checksum");
    const char flag = field_text(block, tar::kType)[0];
    return is_extended(flag) ? begin_extended(block) : begin_entry(block);
}

Status TarParser::State::on_zero_block() {
    if (!local.empty()) return damaged("an extended header has no entry behind it");
    if (++zero_blocks == 2) phase = Phase::ended;
    return {};
}

Status TarParser::State::begin_extended(Bytes block) {
    const auto size = parse_field(block, tar::kSize);
    if (!size || *size < 0 || static_cast<std::uint64_t>(*size) > kExtendedHeaderBytesMax)
        return damaged("an extended header of more than {} bytes", kExtendedHeaderBytesMax);
    extended_flag = field_text(block, tar::kType)[0];
    extended.clear();
    left = static_cast<std::uint64_t>(*size);
    padding = tar::padding_of(left);
    phase = Phase::extended;
    return left == 0 ? end_extended() : Status{};
}

Status TarParser::State::end_extended() {
    unit = offset - extended.size();
    left = padding;
    phase = left == 0 ? Phase::header : Phase::padding;
    if (extended_flag == tar::kTypeGnuLongName || extended_flag == tar::kTypeGnuLongTarget) {
        const auto* keyword = extended_flag == tar::kTypeGnuLongName ? "path" : "linkpath";
        local[keyword] = extended.substr(0, extended.find('\0'));
        return {};
    }
    auto& records = extended_flag == tar::kTypePax ? local : global;
    if (auto parsed = tar::parse_pax(extended, records); !parsed.ok())
        return damaged("{}", parsed.error().fact);
    return {};
}

Status TarParser::State::begin_entry(Bytes block) {
    ASB_TRY(const auto header, read_header(block));
    // What a folder's or a link's size field says is not data that follows (pax, "size").
    ASB_TRY(const auto stored_size, number(block, tar::kSize, "size"));
    const bool has_data = header.type == EntryType::file || header.type == EntryType::other;
    left = has_data ? stored_size : 0;
    padding = tar::padding_of(left);
    phase = header.type == EntryType::file ? Phase::data : Phase::skip;
    local.clear();
    ASB_CHECK(sink.begin(header));
    return left == 0 ? end_data() : Status{};
}

Status TarParser::State::end_data() {
    left = padding;
    phase = left == 0 ? Phase::header : Phase::padding;
    return sink.end();
}

// The pax record for the entry at hand; null when there is none or it is empty.
const std::string* TarParser::State::record(std::string_view keyword) const {
    for (const auto* records : {&local, &global}) {
        const auto found = records->find(keyword);
        if (found != records->end()) return found->second.empty() ? nullptr : &found->second;
    }
    return nullptr;
}

Result<std::uint64_t> TarParser::State::number(Bytes block, Field field,
                                               std::string_view keyword) const {
    const auto* text = record(keyword);
    if (text != nullptr) {
        const auto value = parse_u64(*text);
        if (!value || *value > std::uint64_t{std::numeric_limits<std::int64_t>::max()})
            return damaged("the {} '{}' is not a number", keyword, printable(*text));
        return *value;
    }
    const auto value = parse_field(block, field);
    if (!value || *value < 0) return damaged("the {} is not a number", keyword);
    return static_cast<std::uint64_t>(*value);
}

Status TarParser::State::read_time(Bytes block, EntryHeader& header) const {
    tar::PaxTime time;
    if (const auto* text = record("mtime"); text != nullptr) {
        const auto parsed = tar::parse_pax_time(*text);
        if (!parsed.ok()) return damaged("{}", parsed.error().fact);
        time = parsed.value();
    } else {
        const auto seconds = parse_field(block, tar::kMtime);
        if (!seconds) return damaged("the mtime is not a number");
        time.seconds = *seconds;
    }
    header.mtime_seconds = time.seconds;
    header.mtime_nanoseconds = time.nanoseconds;
    return {};
}

Result<EntryHeader> TarParser::State::read_header(Bytes block) const {
    const auto text = [&](std::string_view keyword, const std::string& otherwise) {
        const auto* value = record(keyword);
        return value != nullptr ? *value : otherwise;
    };
    EntryHeader header;
    header.name = text("path", block_name(block));
    header.link_target = text("linkpath", field_string(block, tar::kLinkTarget));
    if ((header.name + header.link_target).find('\0') != std::string::npos)
        return damaged("a name holds a NUL byte");
    header.type = local.count(tar::kPaxSparse) != 0 ? EntryType::other
                                                    : entry_type(field_text(block, tar::kType)[0]);
    // Tar before POSIX marked a folder by the '/' alone.
    if (header.type == EntryType::file && header.name.ends_with('/'))
        header.type = EntryType::folder;
    if (header.type == EntryType::folder) header.name.erase(header.name.find_last_not_of('/') + 1);
    if (header.type == EntryType::file) {
        ASB_TRY(header.size, number(block, tar::kSize, "size"));
    }
    const auto mode = parse_field(block, tar::kMode);
    if (!mode) return damaged("the mode is not a number");
    header.mode = static_cast<std::uint32_t>(*mode) & tar::kModeBits;
    ASB_TRY(header.uid, number(block, tar::kUid, "uid"));
    ASB_TRY(header.gid, number(block, tar::kGid, "gid"));
    header.user_name = text("uname", field_string(block, tar::kUserName));
    header.group_name = text("gname", field_string(block, tar::kGroupName));
    ASB_CHECK(read_time(block, header));
    return header;
}

TarParser::TarParser(EntrySink& sink) : state_(std::make_unique<State>(sink)) {}

TarParser::~TarParser() = default;

Status TarParser::feed(Bytes bytes) {
    while (!bytes.empty()) {
        ASB_TRY(const auto count, state_->consume(bytes));
        bytes = bytes.subspan(count);
    }
    return {};
}

std::uint64_t TarParser::offset() const {
    return state_->offset;
}

Status TarParser::finish() {
    if (state_->phase == State::Phase::ended) return {};
    return fail(Code::damaged, "the tar stream ends at byte {}, before the end of the archive",
                state_->offset);
}

}  // namespace asb
