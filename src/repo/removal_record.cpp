#include "repo/removal_record.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <set>

#include "base/text.hpp"
#include "repo/json_fields.hpp"
#include "repo/names.hpp"

namespace asb {
namespace {

constexpr std::string_view kSuffix = ".json";
constexpr std::size_t kRandomBytes = 8;

// As much of it as fits, in whole characters.
std::string cut(std::string_view text) {
    auto readable = printable(text);
    if (readable.size() > kRemovalTextBytesMax) {
        readable.resize(kRemovalTextBytesMax);
        while (!is_utf8(readable)) readable.pop_back();
    }
    return readable;
}

bool is_bounded_text(std::string_view text) {
    return text.size() <= kRemovalTextBytesMax && is_utf8(text);
}

ObjectKey random_key(Instant at) {
    std::array<std::byte, kRandomBytes> bytes{};
    random_bytes(bytes);
    return ObjectKey::known(
        fmt::format("{}{}-{}{}", kRemovalPrefix, to_stamp(at), to_hex(bytes), kSuffix));
}

bool is_record_key(std::string_view key) {
    return key.starts_with(kRemovalPrefix) && key.ends_with(kSuffix) && ObjectKey::is_valid(key);
}

Json to_json(const PreviousManifest& previous) {
    return {{"name", previous.name}, {"sha256", to_hex(previous.digest)}};
}

Json to_json(const RemovedBackup& backup) {
    Json object = {{"name", backup.name}};
    if (backup.digest) object["sha256"] = to_hex(*backup.digest);
    if (backup.type) object["type"] = to_text(*backup.type);
    if (backup.previous) object["previous"] = to_json(*backup.previous);
    return object;
}

std::string to_text(const RemovalRecord& record) {
    Json document = {
        {"version", kRemovalVersion}, {"at", to_iso8601(record.at)}, {"by", record.by},
        {"policy", record.policy},    {"removed", Json::array()},    {"previous", Json::array()}};
    for (const auto& backup : record.backups) document["removed"].push_back(to_json(backup));
    for (const auto& previous : record.previous) document["previous"].push_back(to_json(previous));
    return canonical(document) + "\n";
}

Result<PreviousManifest> parse_previous(const Json& object, std::string_view what) {
    Fields fields(object, what);
    PreviousManifest previous{.name = fields.text("name"), .digest = fields.hex<32>("sha256")};
    ASB_CHECK(fields.status());
    return previous;
}

Result<RemovedBackup> parse_backup(const Json& object, std::string_view what) {
    Fields fields(object, what);
    RemovedBackup backup;
    backup.name = fields.text("name");
    if (!is_backup_name(backup.name)) fields.bad("name");
    if (fields.has("sha256")) backup.digest = fields.hex<32>("sha256");
    if (fields.has("type")) {
        backup.type = parse_backup_type(fields.text("type"));
        if (!backup.type) fields.bad("type");
    }
    ASB_CHECK(fields.status());
    if (fields.has("previous")) {
        ASB_TRY(backup.previous, parse_previous(object["previous"], what));
        if (!is_backup_name(backup.previous->name)) fields.bad("previous");
    }
    ASB_CHECK(fields.status());
    return backup;
}

template <typename T>
Status parse_all(Fields& fields, const char* key, std::size_t count_max, std::string_view what,
                 Result<T> (*parse)(const Json&, std::string_view), std::vector<T>& out) {
    const Json list = fields.array(key);
    if (list.size() > count_max) fields.bad(key);
    ASB_CHECK(fields.status());
    out.reserve(list.size());
    for (const auto& item : list) {
        if (!item.is_object()) fields.bad(key);
        ASB_CHECK(fields.status());
        ASB_TRY(auto value, parse(item, what));
        out.push_back(std::move(value));
    }
    return {};
}

Result<RemovalRecord> parse_fields(const Json& document, std::string_view what) {
    Fields fields(document, what);
    RemovalRecord record;
    record.key = std::string(what);
    record.at = fields.instant("at");
    record.by = fields.text("by");
    record.policy = fields.text("policy");
    if (!is_bounded_text(record.by)) fields.bad("by");
    if (!is_bounded_text(record.policy)) fields.bad("policy");
    ASB_CHECK(parse_all(fields, "removed", kRemovalsMax, what, parse_backup, record.backups));
    ASB_CHECK(
        parse_all(fields, "previous", kRemovalHeadsMax, what, parse_previous, record.previous));
    for (const auto& previous : record.previous)
        if (!is_record_key(previous.name)) fields.bad("previous");
    ASB_CHECK(fields.status());
    return record;
}

// The newest ones that no other one names.
std::vector<PreviousManifest> heads_of(const std::vector<RemovalRecord>& records) {
    std::set<std::string_view> named;
    for (const auto& record : records)
        for (const auto& previous : record.previous) named.insert(previous.name);
    std::vector<PreviousManifest> heads;
    for (auto record = records.rbegin(); record != records.rend(); ++record)
        if (!named.contains(record->key) && heads.size() < kRemovalHeadsMax)
            heads.push_back({.name = record->key, .digest = record->digest});
    return heads;
}

}  // namespace

RemovedBackup removed_backup(const CatalogEntry& entry) {
    RemovedBackup backup{.name = entry.name, .digest = {}, .type = {}, .previous = {}};
    if (entry.digest != Digest{}) backup.digest = entry.digest;
    // A manifest that was read has an id.
    if (entry.manifest.id.empty()) return backup;
    backup.type = entry.manifest.type;
    if (entry.manifest.previous && is_backup_name(entry.manifest.previous->name))
        backup.previous = entry.manifest.previous;
    return backup;
}

std::vector<PendingRecord> make_removal_records(const std::vector<RemovedBackup>& backups,
                                                const RemovalRecords& known,
                                                const RemovalCause& cause) {
    std::vector<PendingRecord> pending;
    auto previous = heads_of(known.records);
    for (std::size_t first = 0; first < backups.size(); first += kRemovalsMax) {
        const auto begin = backups.begin() + static_cast<std::ptrdiff_t>(first);
        const auto count = std::min(kRemovalsMax, backups.size() - first);
        const RemovalRecord record{.key = {},
                                   .digest = {},
                                   .at = cause.at,
                                   .by = cut(cause.by),
                                   .policy = cut(cause.policy),
                                   .backups = {begin, begin + static_cast<std::ptrdiff_t>(count)},
                                   .previous = std::move(previous)};
        pending.push_back({.key = random_key(cause.at), .text = to_text(record)});
        const auto& last = pending.back();
        previous = {{.name = last.key.text(), .digest = sha256(as_bytes(last.text))}};
    }
    return pending;
}

Result<RemovalRecord> parse_removal_record(std::string_view text, std::string_view key) {
    if (text.size() > kRemovalBytesMax)
        return fail(Code::damaged, "{} is longer than a record of removal may be", key);
    ASB_TRY(const auto document, parse_json(text, key));
    if (!document.is_object() || document.value("version", Json()) != kRemovalVersion)
        return fail(Code::damaged, "{} is not a record of removal that this program can read", key);
    ASB_TRY(auto record, parse_fields(document, key));
    if (to_text(record) != text) return fail(Code::damaged, "{} is not in canonical form", key);
    record.digest = sha256(as_bytes(text));
    return record;
}

Result<RemovalRecords> load_removal_records(StoreReader& store) {
    ASB_TRY(const auto objects, store.list(kRemovalPrefix));
    RemovalRecords all;
    for (const auto& object : objects) {
        const auto text = store.get(object.key, kRemovalBytesMax);
        if (!text && text.error().code != Code::damaged && text.error().code != Code::not_found)
            return text.error();
        auto record = text ? parse_removal_record(*text, object.key.text())
                           : Result<RemovalRecord>(text.error());
        if (record)
            all.records.push_back(std::move(*record));
        else
            all.damaged.push_back(record.error().fact);
    }
    return all;
}

}  // namespace asb
