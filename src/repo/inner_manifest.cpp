#include "repo/inner_manifest.hpp"

#include "base/json.hpp"
#include "base/text.hpp"

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

}  // namespace

void EntryDigest::begin(std::string_view name) {
    const bool of_data_directory =
        name.starts_with("postgresql/base/") || name.starts_with("postgresql/tablespaces/");
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
