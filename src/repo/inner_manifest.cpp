#include "repo/inner_manifest.hpp"

#include <optional>

#include "base/json.hpp"
#include "base/text.hpp"
#include "codec/tar_format.hpp"

namespace asb {
namespace {

constexpr std::string_view kHead = "{\"version\":1,\"entries\":[";
constexpr std::string_view kTail = "\n]}\n";

std::string_view type_name(EntryType type) {
    switch (type) {
        case EntryType::file:
            return "file";
        case EntryType::folder:
            return "folder";
        case EntryType::symbolic_link:
            return "symbolic_link";
        case EntryType::hard_link:
            return "hard_link";
        case EntryType::other:
            return "other";
    }
    return "other";
}

// "\n{...}" for the first entry, ",\n{...}" for the others.
std::string line(const InnerEntry& entry, bool first) {
    Json object = {{"type", type_name(entry.type)}};
    if (is_utf8(entry.name))
        object["name"] = entry.name;
    else
        object["name_hex"] = to_hex(as_bytes(entry.name));
    if (entry.type == EntryType::file) {
        object["offset"] = entry.offset;
        object["size"] = entry.size;
        object["digest"] = entry.digest;
    }
    return (first ? "\n" : ",\n") + canonical(object);
}

std::optional<EntryType> parse_type(const Json& object) {
    const auto type = object.find("type");
    if (type == object.end()) return std::nullopt;
    for (const auto known : {EntryType::file, EntryType::folder, EntryType::symbolic_link,
                             EntryType::hard_link, EntryType::other})
        if (*type == type_name(known)) return known;
    return std::nullopt;
}

std::optional<std::string> parse_name(const Json& object) {
    if (const auto name = object.find("name"); name != object.end() && name->is_string())
        return name->get<std::string>();
    const auto hex = object.find("name_hex");
    if (hex == object.end() || !hex->is_string()) return std::nullopt;
    const auto bytes = parse_hex(hex->get<std::string>());
    if (!bytes) return std::nullopt;
    return std::string(as_text(*bytes));
}

bool parse_place(const Json& object, InnerEntry& entry) {
    const auto offset = object.find("offset");
    const auto size = object.find("size");
    const auto digest = object.find("digest");
    if (offset == object.end() || !offset->is_number_unsigned() || size == object.end() ||
        !size->is_number_unsigned() || digest == object.end() || !digest->is_string())
        return false;
    entry.offset = offset->get<std::uint64_t>();
    entry.size = size->get<std::uint64_t>();
    entry.digest = digest->get<std::string>();
    return true;
}

// One line without what separates it from its neighbours.
std::optional<InnerEntry> parse_entry(std::string_view text) {
    const auto object = parse_json(text, "the entry");
    if (!object || !object->is_object()) return std::nullopt;
    auto name = parse_name(*object);
    const auto type = parse_type(*object);
    if (!name || !type || !safe_name(*name)) return std::nullopt;
    InnerEntry entry;
    entry.name = std::move(*name);
    entry.type = *type;
    if (entry.type == EntryType::file && !parse_place(*object, entry)) return std::nullopt;
    if (fmt::format("\n{}", text) != line(entry, true)) return std::nullopt;
    return entry;
}

// Whether the data of `entry` can stand after `before` (where the last data ended; a header comes
// between), and before `end`.
bool fits(const InnerEntry& entry, std::uint64_t before, std::uint64_t end) {
    if (entry.type != EntryType::file) return true;
    return entry.offset % tar::kBlockBytes == 0 && entry.offset > before && entry.offset <= end &&
           entry.size <= end - entry.offset && data_end(entry) <= end;
}

}  // namespace

std::uint64_t data_end(const InnerEntry& entry) {
    return entry.offset + entry.size + tar::padding_of(entry.size);
}

Result<std::vector<InnerEntry>> parse_inner_manifest(std::string_view text, std::uint64_t end) {
    const Error damaged = fail(Code::damaged, "the inner manifest is not a list of entries");
    if (!text.starts_with(kHead) || !text.ends_with(kTail) ||
        text.size() < kHead.size() + kTail.size())
        return damaged;
    text.remove_prefix(kHead.size());
    text.remove_suffix(kTail.size());
    std::vector<InnerEntry> entries;
    std::uint64_t before = 0;
    while (!text.empty()) {
        // Every entry stands on a line of its own, after "\n" or ",\n".
        const std::string_view separator = entries.empty() ? "\n" : ",\n";
        if (!text.starts_with(separator)) return damaged;
        text.remove_prefix(separator.size());
        auto line = text.substr(0, text.find('\n'));
        if (line.size() != text.size()) line.remove_suffix(line.empty() ? 0 : 1);  // the comma
        auto entry = parse_entry(line);
        if (!entry || !fits(*entry, before, end))
            return fail(Code::damaged, "entry {} of the inner manifest is not valid",
                        entries.size() + 1);
        if (entry->type == EntryType::file) before = data_end(*entry);
        text.remove_prefix(line.size());
        entries.push_back(std::move(*entry));
    }
    return entries;
}

void EntryDigest::begin(std::string_view name) {
    const bool of_data_directory = name.starts_with("postgresql/base/") ||
                                   name.starts_with("postgresql/tablespaces/") ||
                                   name.starts_with("postgresql/wal-ranges/");
    cheap_ = of_data_directory && name != "postgresql/base/backup_manifest";
    crc_ = 0;
}

void EntryDigest::update(Bytes bytes) {
    if (cheap_)
        crc_ = crc32c(crc_, bytes);
    else
        sha256_.update(bytes);
}

std::string EntryDigest::finish() {
    return cheap_ ? fmt::format("crc32c:{:08x}", crc_) : "sha256:" + to_hex(sha256_.finish());
}

void InnerManifestText::add(const InnerEntry& entry) {
    if (count_ == 0) text_ = kHead;
    text_ += line(entry, count_ == 0);
    ++count_;
}

std::string InnerManifestText::finish() {
    if (count_ == 0) text_ = kHead;
    text_ += kTail;
    return std::move(text_);
}

void EntryTally::add(const InnerEntry& entry) {
    if (count_ == 0) hash_.update(as_bytes(kHead));
    hash_.update(as_bytes(line(entry, count_ == 0)));
    ++count_;
}

Digest EntryTally::finish() {
    if (count_ == 0) hash_.update(as_bytes(kHead));
    hash_.update(as_bytes(kTail));
    return hash_.finish();
}

}  // namespace asb
