#include "repo/manifest.hpp"

#include <algorithm>

#include "base/text.hpp"
#include "codec/gzip.hpp"
#include "codec/segment.hpp"
#include "repo/json_fields.hpp"
#include "repo/manifest_log.hpp"
#include "repo/names.hpp"

namespace asb {
namespace {

constexpr std::string_view kMacContext = "asb-manifest-v1";
constexpr std::string_view kKeyCheckContext = "kcv";
constexpr const char* kOwnDigest = "manifest_sha256";

Json encryption_to_json(const ManifestEncryption& encryption) {
    return {{"cipher", "aes-256-cbc"},
            {"kdf", "pbkdf2-hmac-sha256"},
            {"iterations", encryption.key.iterations},
            {"key_provider", encryption.key.provider},
            {"key_id", encryption.key.key_id},
            {"salt", to_hex(encryption.salt)},
            {"key_check", to_hex(encryption.key_check)}};
}

Json to_json(const Manifest& manifest) {
    Json document = {{"version", kManifestVersion},
                     {"id", manifest.id},
                     {"name", manifest.name},
                     {"type", to_text(manifest.type)},
                     {"started_at", to_iso8601(manifest.started_at)},
                     {"finished_at", to_iso8601(manifest.finished_at)},
                     {"tool_version", manifest.tool_version},
                     {"hostname", manifest.hostname},
                     {"engines", manifest.engines},
                     {"compression", manifest.compressed ? "gzip-members" : "none"},
                     {"member_bytes", kMemberPlainBytes},
                     {"segment_bytes", kSegmentBytes},
                     {"body_length", manifest.body_length},
                     {"plain_bytes", manifest.plain_bytes},
                     {"entry_count", manifest.entry_count},
                     {"index_sha256", to_hex(manifest.index_digest)},
                     {"incomplete", manifest.incomplete},
                     {"incomplete_count", manifest.incomplete_count},
                     {"authenticated", manifest.encryption.has_value()}};
    if (manifest.inner_manifest_offset)
        document["inner_manifest_offset"] = *manifest.inner_manifest_offset;
    if (manifest.encryption) document["encryption"] = encryption_to_json(*manifest.encryption);
    if (manifest.previous)
        document["previous"] = {{"name", manifest.previous->name},
                                {"sha256", to_hex(manifest.previous->digest)}};
    if (manifest.parent)
        document["parent"] = {{"id", manifest.parent->id}, {"name", manifest.parent->name}};
    if (manifest.log) document["log"] = to_json(*manifest.log);
    return document;
}

// Of everything but the mac and this digest itself. It proves nothing about who wrote the manifest;
// it tells damage from a wrong key, and shows damage where there is no key.
Digest own_digest(const Json& document) {
    Json rest = document;
    rest.erase("mac");
    rest.erase(kOwnDigest);
    return sha256(as_bytes(canonical(rest)));
}

Status check_own_digest(const Json& document, std::string_view what) {
    const auto stored = document.find(kOwnDigest);
    if (stored != document.end() && *stored == to_hex(own_digest(document))) return {};
    return with_hint(fail(Code::damaged, "{} does not match its own digest", what),
                     "use another copy of this backup, or another backup (restore --list)");
}

Digest mac_of(const Json& document, const BodyKeys& keys) {
    Json unsigned_document = document;
    unsigned_document.erase("mac");
    return hmac_sha256(keys.mac_key,
                       as_bytes(fmt::format("{}{}", kMacContext, canonical(unsigned_document))));
}

Result<std::optional<ManifestEncryption>> parse_encryption(const Json& document,
                                                           std::string_view what) {
    Fields outer(document, what);
    const bool authenticated = outer.boolean("authenticated");
    if (authenticated != outer.has("encryption") || authenticated != outer.has("mac"))
        outer.bad("authenticated");
    ASB_CHECK(outer.status());
    if (!authenticated) return std::optional<ManifestEncryption>();

    const Json object = outer.object("encryption");
    Fields fields(object, what);
    ManifestEncryption encryption;
    if (fields.text("cipher") != "aes-256-cbc") fields.bad("cipher");
    if (fields.text("kdf") != "pbkdf2-hmac-sha256") fields.bad("kdf");
    const auto iterations = fields.number("iterations");
    if (iterations == 0 || iterations > 10'000'000) fields.bad("iterations");
    encryption.key = {.provider = fields.text("key_provider"),
                      .key_id = fields.text("key_id"),
                      .iterations = static_cast<std::uint32_t>(iterations)};
    encryption.salt = fields.hex<kSaltBytes>("salt");
    encryption.key_check = fields.hex<16>("key_check");
    ASB_CHECK(fields.status());
    return std::optional(encryption);
}

Status check_version(const Json& document, std::string_view what) {
    if (!document.is_object() || !document.contains("version") ||
        !document["version"].is_number_unsigned())
        return fail(Code::damaged, "{} is not a manifest of this product", what);
    const auto version = document["version"].get<std::uint64_t>();
    if (version == static_cast<std::uint64_t>(kManifestVersion)) return {};
    return with_hint(
        fail(Code::damaged, "{} has format version {}; this program reads version {}", what,
             version, kManifestVersion),
        "restore it with the version of auth-service-backup that wrote it, or a newer one");
}

Status parse_previous(Fields& fields, const Json& document, std::string_view what,
                      Manifest& manifest) {
    if (!fields.has("previous")) return {};
    const Json& object = document["previous"];
    if (!object.is_object())
        return fail(Code::damaged, "{} is not a valid manifest: 'previous'", what);
    Fields previous(object, what);
    manifest.previous = PreviousManifest{previous.text("name"), previous.hex<32>("sha256")};
    return previous.status();
}

// Only an incremental backup has a parent, and it has one and a log.
Status parse_chain(Fields& fields, Manifest& manifest, std::string_view what) {
    if (fields.has("log")) {
        ASB_TRY(manifest.log, parse_manifest_log(fields.object("log"), what));
    }
    const bool incremental = manifest.type == BackupType::incremental;
    if (incremental != fields.has("parent") || (incremental && !manifest.log))
        return fail(Code::damaged, "{} is not a valid manifest: 'parent'", what);
    if (!incremental) return {};
    const Json object = fields.object("parent");
    ASB_CHECK(fields.status());
    Fields parent(object, what);
    manifest.parent = ParentBackup{.id = parent.text("id"), .name = parent.text("name")};
    if (!is_backup_name(manifest.parent->name)) parent.bad("name");
    return parent.status();
}

}  // namespace

std::string_view to_text(BackupType type) {
    switch (type) {
        case BackupType::full:
            return "full";
        case BackupType::config:
            return "config";
        case BackupType::incremental:
            break;
    }
    return "incremental";
}

std::optional<BackupType> parse_backup_type(std::string_view text) {
    for (const auto type : {BackupType::full, BackupType::config, BackupType::incremental})
        if (text == to_text(type)) return type;
    return std::nullopt;
}

Result<std::string> to_published(const Manifest& manifest, const BodyKeys* keys) {
    ASB_ASSERT((keys != nullptr) == manifest.encryption.has_value());
    Json document = to_json(manifest);
    document[kOwnDigest] = to_hex(own_digest(document));
    if (keys != nullptr) document["mac"] = to_hex(mac_of(document, *keys));
    auto text = canonical(document) + "\n";
    if (text.size() > kManifestBytesMax)
        return fail(Code::failed, "the manifest of {} is {} bytes long; at most {} are allowed",
                    manifest.name, text.size(), kManifestBytesMax);
    return text;
}

Result<ReadManifest> parse_manifest(std::string_view text, std::string_view what) {
    if (text.size() > kManifestBytesMax)
        return fail(Code::damaged, "{} is longer than a manifest may be", what);
    ASB_TRY(auto document, parse_json(text, what));
    ASB_CHECK(check_version(document, what));
    if (canonical(document) + "\n" != text)
        return fail(Code::damaged, "{} is not in canonical form", what);
    ASB_CHECK(check_own_digest(document, what));

    ReadManifest read{.manifest = {}, .document = std::move(document)};
    Manifest& manifest = read.manifest;
    Fields fields(read.document, what);
    manifest.id = fields.text("id");
    manifest.name = fields.text("name");
    if (!is_backup_name(manifest.name)) fields.bad("name");
    const auto type = parse_backup_type(fields.text("type"));
    if (!type) fields.bad("type");
    manifest.type = type.value_or(BackupType::full);
    manifest.started_at = fields.instant("started_at");
    manifest.finished_at = fields.instant("finished_at");
    manifest.tool_version = fields.text("tool_version");
    manifest.hostname = fields.text("hostname");
    manifest.engines = fields.object("engines");
    const auto compression = fields.text("compression");
    if (compression != "gzip-members" && compression != "none") fields.bad("compression");
    manifest.compressed = compression == "gzip-members";
    if (fields.number("member_bytes") != kMemberPlainBytes) fields.bad("member_bytes");
    if (fields.number("segment_bytes") != kSegmentBytes) fields.bad("segment_bytes");
    manifest.body_length = fields.number("body_length");
    manifest.plain_bytes = fields.number("plain_bytes");
    manifest.entry_count = fields.number("entry_count");
    if (fields.has("inner_manifest_offset"))
        manifest.inner_manifest_offset = fields.number("inner_manifest_offset");
    manifest.index_digest = fields.hex<32>("index_sha256");
    manifest.incomplete = fields.texts("incomplete");
    manifest.incomplete_count = fields.number("incomplete_count");
    ASB_CHECK(parse_previous(fields, read.document, what, manifest));
    ASB_CHECK(parse_chain(fields, manifest, what));
    ASB_CHECK(fields.status());
    ASB_TRY(manifest.encryption, parse_encryption(read.document, what));
    return read;
}

std::array<std::byte, 16> key_check(const BodyKeys& keys, std::string_view id) {
    const auto full =
        hmac_sha256(keys.mac_key, as_bytes(fmt::format("{}{}", kKeyCheckContext, id)));
    std::array<std::byte, 16> first{};
    std::copy_n(full.begin(), first.size(), first.begin());
    return first;
}

Status authenticate(const ReadManifest& read, const BodyKeys& keys) {
    const Manifest& manifest = read.manifest;
    ASB_ASSERT(manifest.encryption.has_value());
    if (!equal_in_constant_time(key_check(keys, manifest.id), manifest.encryption->key_check))
        return with_hint(fail(Code::wrong_key, "the key does not open {}", manifest.name),
                         "set BACKUP_ENCRYPTION_KEY (or BACKUP_ENCRYPTION_KEY_FILE) to the key "
                         "that was in use at " +
                             to_readable(manifest.started_at));
    const auto mac = parse_digest(
        read.document["mac"].is_string() ? read.document["mac"].get<std::string>() : "");
    if (!mac || !equal_in_constant_time(mac.value(), mac_of(read.document, keys)))
        return with_hint(fail(Code::damaged, "the manifest of {} was changed after it was written",
                              manifest.name),
                         "use another copy of this backup, or another backup (restore --list)");
    return {};
}

}  // namespace asb
