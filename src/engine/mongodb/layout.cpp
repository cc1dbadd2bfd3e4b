#include "engine/mongodb/layout.hpp"

#include <fmt/format.h>
#include <openssl/evp.h>

#include <algorithm>
#include <array>

#include "base/bytes.hpp"

namespace asb {
namespace {

// mongodump's numbers (mongo-tools, mongodump/prepare.go, outputPath): 255 bytes a file name less
// the longest ending, and what is kept of a longer one.
constexpr std::size_t kStemBytesMax = 238;
constexpr std::size_t kStemBytesKept = 208;
constexpr std::string_view kShortened = "%24";  // between the two
constexpr std::size_t kPartDigits = 6;
constexpr std::string_view kDataEnding = ".bson";
constexpr std::string_view kMetadataEnding = ".metadata.json";

bool is_plain(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '_' || c == '.' || c == '~';
}

std::string query_escape(std::string_view text) {
    std::string escaped;
    for (const char c : text) {
        if (is_plain(c))
            escaped.push_back(c);
        else if (c == ' ')
            escaped.push_back('+');
        else
            escaped += fmt::format("%{:02X}", static_cast<unsigned char>(c));
    }
    return escaped;
}

// The SHA-1 of `text` in base64url without padding, 27 characters: a name, not a safeguard.
std::string name_digest(std::string_view text) {
    constexpr std::string_view kLetters =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    std::array<unsigned char, 21> digest{};  // 20 bytes, and a zero that fills the last group
    ASB_ASSERT(EVP_Digest(text.data(), text.size(), digest.data(), nullptr, EVP_sha1(), nullptr) ==
               1);
    std::string encoded;
    for (std::size_t i = 0; i < digest.size(); i += 3) {
        const unsigned group = digest[i] * 65536U + digest[i + 1] * 256U + digest[i + 2];
        for (const unsigned shift : {18U, 12U, 6U, 0U})
            encoded.push_back(kLetters[(group >> shift) & 63U]);
    }
    encoded.pop_back();
    return encoded;
}

std::optional<std::uint32_t> parse_part(std::string_view digits) {
    const bool all =
        !digits.empty() && std::ranges::all_of(digits, [](char c) { return c >= '0' && c <= '9'; });
    if (!all || digits.size() < kPartDigits || digits.size() > 9) return std::nullopt;
    if (digits.size() > kPartDigits && digits.front() == '0') return std::nullopt;
    std::uint32_t part = 0;
    for (const char c : digits) part = part * 10 + static_cast<std::uint32_t>(c - '0');
    return part == 0 ? std::nullopt : std::optional(part);
}

// Takes ".bson" or ".bson.000001" off the end of `file`; false when it has neither.
bool take_data_ending(std::string_view& file, std::optional<std::uint32_t>& part) {
    if (!file.ends_with(kDataEnding)) {
        const auto dot = file.rfind('.');
        if (dot == std::string_view::npos) return false;
        part = parse_part(file.substr(dot + 1));
        if (!part) return false;
        file = file.substr(0, dot);
    }
    if (!file.ends_with(kDataEnding)) return false;
    file.remove_suffix(kDataEnding.size());
    return true;
}

std::string with_part(std::string name, std::optional<std::uint32_t> part) {
    if (part) name += fmt::format(".{:06}", *part);
    return name;
}

int hex_value(char c) {
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    return -1;
}

}  // namespace

std::string collection_stem(std::string_view collection) {
    if (collection.starts_with(kAdminCopyPrefix)) return std::string(collection);
    std::string escaped = query_escape(collection);
    if (escaped.size() <= kStemBytesMax) return escaped;
    return fmt::format("{}{}{}", escaped.substr(0, kStemBytesKept), kShortened,
                       name_digest(collection));
}

std::string metadata_entry(std::string_view database, std::string_view collection) {
    return fmt::format("{}{}/{}{}", kMongoPrefix, database, collection_stem(collection),
                       kMetadataEnding);
}

std::string data_entry(std::string_view database, std::string_view collection,
                       std::optional<std::uint32_t> part) {
    return with_part(
        fmt::format("{}{}/{}{}", kMongoPrefix, database, collection_stem(collection), kDataEnding),
        part);
}

std::string oplog_entry(std::optional<std::uint32_t> part) {
    return with_part(std::string(kOplogEntry), part);
}

std::string oplog_before_entry(std::optional<std::uint32_t> part) {
    return with_part(std::string(kOplogBeforeEntry), part);
}

bool is_oplog(MongoEntry::Kind kind) {
    return kind == MongoEntry::Kind::oplog_before || kind == MongoEntry::Kind::oplog;
}

std::optional<MongoEntry> parse_mongo_entry(std::string_view name) {
    if (name == kPreludeEntry) return MongoEntry{.kind = MongoEntry::Kind::prelude};
    if (!name.starts_with(kMongoPrefix)) return std::nullopt;
    name.remove_prefix(kMongoPrefix.size());
    MongoEntry entry;
    const auto slash = name.find('/');
    std::string_view file = name.substr(slash == std::string_view::npos ? 0 : slash + 1);
    if (file.find('/') != std::string_view::npos) return std::nullopt;
    if (slash == std::string_view::npos) {
        if (!take_data_ending(file, entry.part)) return std::nullopt;
        if (file != "oplog" && file != "oplog-before") return std::nullopt;
        entry.kind = file == "oplog" ? MongoEntry::Kind::oplog : MongoEntry::Kind::oplog_before;
        return entry;
    }
    entry.database = name.substr(0, slash);
    if (file.ends_with(kMetadataEnding)) {
        entry.kind = MongoEntry::Kind::metadata;
        file.remove_suffix(kMetadataEnding.size());
    } else if (!take_data_ending(file, entry.part)) {
        return std::nullopt;
    }
    entry.stem = file;
    if (entry.stem.empty() || entry.database.empty()) return std::nullopt;
    return entry;
}

std::optional<std::string> unescape_stem(std::string_view stem) {
    if (stem.starts_with(kAdminCopyPrefix)) return std::string(stem);
    if (stem.size() == kStemBytesMax && stem.substr(kStemBytesKept).starts_with(kShortened))
        return std::nullopt;
    std::string name;
    for (std::size_t i = 0; i < stem.size(); ++i) {
        if (stem[i] == '%') {
            if (i + 2 >= stem.size()) return std::nullopt;
            const int high = hex_value(stem[i + 1]);
            const int low = hex_value(stem[i + 2]);
            if (high < 0 || low < 0) return std::nullopt;
            name.push_back(static_cast<char>(high * 16 + low));
            i += 2;
        } else {
            name.push_back(stem[i] == '+' ? ' ' : stem[i]);
        }
    }
    // What nobody writes gives no name either.
    if (collection_stem(name) != stem) return std::nullopt;
    return name;
}

bool is_skipped_collection(std::string_view database, std::string_view collection) {
    constexpr std::array<std::string_view, 7> kConfigKept = {
        "chunks", "collections", "databases", "settings", "shards", "tags", "version"};
    if (database == "local") return true;
    if (database == "admin" && collection == "system.keys") return true;
    if (database == "config")
        return std::ranges::find(kConfigKept, collection) == kConfigKept.end();
    if (database != "admin" && collection.starts_with("system.") && collection != "system.js")
        return true;
    return collection.find('$') != std::string_view::npos;
}

}  // namespace asb
