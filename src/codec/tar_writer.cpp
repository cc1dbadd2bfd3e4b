#include <algorithm>
#include <limits>

#include "base/text.hpp"
#include "codec/tar.hpp"
#include "codec/tar_format.hpp"

namespace asb {
namespace {

using tar::Block;
using tar::Field;

constexpr std::uint64_t kOctal7Max = 07777777;          // fits an 8-byte field with its NUL
constexpr std::uint64_t kOctal11Max = 077777777777;     // fits a 12-byte field: 8 GiB - 1
constexpr std::uint64_t kChecksumDigits = 6;            // then NUL, space
constexpr std::string_view kPaxFolder = "PaxHeaders/";  // where old readers would unpack it
constexpr std::uint32_t kPaxMode = 0600;

void put_text(Block& block, Field field, std::string_view text) {
    const auto count = std::min(text.size(), field.size);
    std::copy_n(as_bytes(text).begin(), count,
                block.begin() + static_cast<std::ptrdiff_t>(field.offset));
}

// Octal digits and a NUL; a number that does not fit is 0 here and stands in a pax record.
void put_number(Block& block, Field field, std::uint64_t number) {
    const auto digits = fmt::format("{:0{}o}", number, field.size - 1);
    put_text(block, field, digits.size() < field.size ? digits : std::string(field.size - 1, '0'));
}

void put_checksum(Block& block) {
    const auto sum = tar::checksum(block);
    put_text(block, tar::kChecksum, fmt::format("{:0{}o}", sum, kChecksumDigits));
    block[tar::kChecksum.offset + kChecksumDigits] = std::byte{0};
    block[tar::kChecksum.offset + kChecksumDigits + 1] = std::byte{' '};
}

bool is_ascii(std::string_view text) {
    return std::all_of(text.begin(), text.end(), [](char c) { return c > 0; });
}

struct SplitName {
    std::string_view prefix;
    std::string_view name;
};

// How ustar holds `name`; nullopt when it cannot (too long, or not ASCII, where readers differ).
std::optional<SplitName> split_name(std::string_view name) {
    if (!is_ascii(name)) return std::nullopt;
    if (name.size() <= tar::kName.size) return SplitName{"", name};
    // The first '/' behind which the rest fits leaves the shortest prefix.
    const auto slash = name.find('/', name.size() - tar::kName.size - 1);
    const bool splits = slash != std::string_view::npos && slash != 0 &&
                        slash <= tar::kPrefix.size && slash + 1 < name.size();
    if (!splits) return std::nullopt;
    return SplitName{name.substr(0, slash), name.substr(slash + 1)};
}

char type_flag(EntryType type) {
    switch (type) {
        case EntryType::folder:
            return tar::kTypeFolder;
        case EntryType::symbolic_link:
            return tar::kTypeSymbolicLink;
        case EntryType::hard_link:
            return tar::kTypeHardLink;
        case EntryType::file:
        case EntryType::other:
            break;
    }
    return tar::kTypeFile;
}

// One entry as it goes into the archive: its ustar block, and the pax records for what that cannot
// hold.
class EncodedEntry {
  public:
    explicit EncodedEntry(const EntryHeader& header) {
        put_text(block_, tar::kMagic, tar::kUstarMagic);
        put_names(header);
        put_numbers(header);
        put_owner(tar::kUserName, "uname", header.user_name);
        put_owner(tar::kGroupName, "gname", header.group_name);
        put_checksum(block_);
    }
    [[nodiscard]] const Block& block() const { return block_; }
    [[nodiscard]] std::string records() const {
        return binary_ ? tar::pax_record("hdrcharset", "BINARY") + records_ : records_;
    }

  private:
    void add_record(std::string_view keyword, std::string_view value) {
        records_ += tar::pax_record(keyword, value);
        binary_ = binary_ || !is_utf8(value);
    }
    void put_names(const EntryHeader& header) {
        const auto name = header.type == EntryType::folder ? header.name + "/" : header.name;
        const auto parts = split_name(name);
        if (!parts) add_record("path", name);
        put_text(block_, tar::kName, parts ? parts->name : name);
        put_text(block_, tar::kPrefix, parts ? parts->prefix : "");
        if (header.link_target.size() > tar::kLinkTarget.size || !is_ascii(header.link_target))
            add_record("linkpath", header.link_target);
        put_text(block_, tar::kLinkTarget, header.link_target);
        block_[tar::kType.offset] = static_cast<std::byte>(type_flag(header.type));
    }
    void put_numbers(const EntryHeader& header) {
        put_number(block_, tar::kMode, header.mode & tar::kModeBits);
        put_or_record(tar::kUid, "uid", header.uid, kOctal7Max);
        put_or_record(tar::kGid, "gid", header.gid, kOctal7Max);
        put_or_record(tar::kSize, "size", header.size, kOctal11Max);
        put_time({header.mtime_seconds, header.mtime_nanoseconds});
        put_number(block_, tar::kDeviceMajor, 0);
        put_number(block_, tar::kDeviceMinor, 0);
    }
    void put_or_record(Field field, std::string_view keyword, std::uint64_t number,
                       std::uint64_t number_max) {
        if (number > number_max) add_record(keyword, std::to_string(number));
        put_number(block_, field, number > number_max ? 0 : number);
    }
    void put_time(tar::PaxTime time) {
        const bool fits =
            time.seconds >= 0 && static_cast<std::uint64_t>(time.seconds) <= kOctal11Max;
        if (!fits || time.nanoseconds != 0) add_record("mtime", tar::pax_time(time));
        put_number(block_, tar::kMtime, fits ? static_cast<std::uint64_t>(time.seconds) : 0);
    }
    void put_owner(Field field, std::string_view keyword, std::string_view name) {
        const bool fits = name.size() < field.size && is_ascii(name);
        if (!fits) add_record(keyword, name);
        put_text(block_, field, fits ? name : "");
    }

    Block block_{};
    std::string records_;
    bool binary_ = false;  // a record holds text that is not UTF-8
};

// The pax header's own header; `number` keeps its name unique.
Block pax_block(std::size_t records_size, std::uint64_t number) {
    Block block{};
    put_text(block, tar::kMagic, tar::kUstarMagic);
    put_text(block, tar::kName, fmt::format("{}{}", kPaxFolder, number));
    block[tar::kType.offset] = static_cast<std::byte>(tar::kTypePax);
    put_number(block, tar::kMode, kPaxMode);
    put_number(block, tar::kUid, 0);
    put_number(block, tar::kGid, 0);
    put_number(block, tar::kSize, records_size);
    put_number(block, tar::kMtime, 0);
    put_number(block, tar::kDeviceMajor, 0);
    put_number(block, tar::kDeviceMinor, 0);
    put_checksum(block);
    return block;
}

Status check_storable(const EntryHeader& header) {
    const auto has_nul = [](std::string_view text) {
        return text.find('\0') != std::string_view::npos;
    };
    if (header.type == EntryType::other)
        return fail(Code::failed, "'{}' is of a type that an archive cannot hold",
                    printable(header.name));
    if (header.name.empty() || has_nul(header.name) || has_nul(header.link_target))
        return fail(Code::failed, "'{}' is not a name that an archive can hold",
                    printable(header.name));
    return {};
}

constexpr Block kZeros{};

}  // namespace

Status TarWriter::emit(Bytes bytes) {
    offset_ += bytes.size();
    return next_.write(bytes);
}

Status TarWriter::begin(const EntryHeader& header) {
    ASB_ASSERT(left_ == 0 && padding_ == 0);
    ASB_ASSERT(header.size == 0 || header.type == EntryType::file);
    ASB_CHECK(check_storable(header));
    const EncodedEntry entry(header);
    if (const auto records = entry.records(); !records.empty()) {
        ASB_CHECK(emit(pax_block(records.size(), offset_ / tar::kBlockBytes)));
        ASB_CHECK(emit(as_bytes(records)));
        ASB_CHECK(emit(Bytes(kZeros).first(tar::padding_of(records.size()))));
    }
    left_ = header.size;
    padding_ = tar::padding_of(header.size);
    return emit(entry.block());
}

Status TarWriter::write(Bytes bytes) {
    ASB_ASSERT(bytes.size() <= left_);
    left_ -= bytes.size();
    return emit(bytes);
}

Status TarWriter::end() {
    ASB_ASSERT(left_ == 0);
    return emit(Bytes(kZeros).first(std::exchange(padding_, 0)));
}

Status TarWriter::finish() {
    ASB_ASSERT(left_ == 0 && padding_ == 0);
    ASB_CHECK(emit(kZeros));
    ASB_CHECK(emit(kZeros));
    return next_.finish();
}

}  // namespace asb
