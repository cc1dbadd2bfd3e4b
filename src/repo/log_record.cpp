#include "repo/log_record.hpp"

#include <fmt/format.h>

#include "base/fail_point.hpp"
#include "base/text.hpp"
#include "codec/digest.hpp"
#include "io/file.hpp"
#include "repo/json_fields.hpp"
#include "repo/log_names.hpp"
#include "repo/manifest.hpp"

namespace asb {
namespace {

constexpr std::string_view kRecordMacContext = "asb-log-record-v1";

Json to_json(const LogRecord& record) {
    Json document = {{"version", kLogRecordVersion},
                     {"type", "log-record"},
                     {"id", record.log_id},
                     {"engine", record.engine},
                     {"identity", record.identity},
                     {"created_at", to_iso8601(record.created_at)},
                     {"authenticated", record.encryption.has_value()}};
    if (record.encryption) {
        const auto& encryption = *record.encryption;
        document["encryption"] = {{"kdf", "pbkdf2-hmac-sha256"},
                                  {"iterations", encryption.key.iterations},
                                  {"key_provider", encryption.key.provider},
                                  {"key_id", encryption.key.key_id},
                                  {"salt", to_hex(encryption.salt)},
                                  {"key_check", to_hex(encryption.key_check)}};
    }
    return document;
}

Status parse_encryption(const Json& document, std::string_view what, LogRecord& record) {
    Fields outer(document, what);
    const bool authenticated = outer.boolean("authenticated");
    if (authenticated != outer.has("encryption") || authenticated != outer.has("mac"))
        outer.bad("authenticated");
    ASB_CHECK(outer.status());
    if (!authenticated) return {};
    static_cast<void>(outer.hex<32>("mac"));
    const Json object = outer.object("encryption");
    ASB_CHECK(outer.status());
    Fields fields(object, what);
    if (fields.text("kdf") != "pbkdf2-hmac-sha256") fields.bad("kdf");
    const auto iterations = fields.number("iterations");
    if (iterations == 0 || iterations > 10'000'000) fields.bad("iterations");
    auto& encryption = record.encryption.emplace();
    encryption.key = {.provider = fields.text("key_provider"),
                      .key_id = fields.text("key_id"),
                      .iterations = static_cast<std::uint32_t>(iterations)};
    encryption.salt = fields.hex<kSaltBytes>("salt");
    encryption.key_check = fields.hex<16>("key_check");
    return fields.status();
}

struct ReadRecord {
    LogRecord record;
    Json document;
};

Result<ReadRecord> parse(std::string_view text, std::string_view what) {
    ASB_TRY(auto document, parse_json(text, what));
    if (!document.is_object() || fmt::format("{}\n", canonical(document)) != text)
        return fail(Code::damaged, "{} is not in canonical form", what);
    ReadRecord read{.record = {}, .document = std::move(document)};
    Fields fields(read.document, what);
    if (fields.number("version") != kLogRecordVersion) fields.bad("version");
    if (fields.text("type") != "log-record") fields.bad("type");
    read.record.log_id = fields.text("id");
    read.record.engine = fields.text("engine");
    read.record.identity = fields.text("identity");
    read.record.created_at = fields.instant("created_at");
    ASB_CHECK(fields.status());
    ASB_CHECK(parse_encryption(read.document, what, read.record));
    return read;
}

// The keys, when they are the ones that wrote the record.
Result<BodyKeys> authenticated_keys(const ReadRecord& read, std::string_view what,
                                    KeyProvider* provider) {
    const auto& encryption = *read.record.encryption;
    if (provider == nullptr)
        return with_hint(fail(Code::wrong_key, "{} is encrypted and no key is set", what),
                         "set BACKUP_ENCRYPTION_KEY or BACKUP_ENCRYPTION_KEY_FILE");
    ASB_TRY(const auto passphrase, provider->open(encryption.key));
    auto keys = derive_body_keys(passphrase.text, encryption.salt, passphrase.iterations);
    if (!equal_in_constant_time(key_check(keys, read.record.log_id), encryption.key_check))
        return with_hint(
            fail(Code::wrong_key, "the key does not open {}", what),
            fmt::format("set BACKUP_ENCRYPTION_KEY (or BACKUP_ENCRYPTION_KEY_FILE) to the key that "
                        "was in use at {}",
                        to_readable(read.record.created_at)));
    const auto mac = parse_digest(read.document["mac"].get<std::string>());
    if (!mac || !equal_in_constant_time(*mac, mac_of(read.document, keys, kRecordMacContext)))
        return with_hint(fail(Code::damaged, "{} was changed after it was written", what),
                         "use another copy of it");
    return keys;
}

Result<std::string> to_published(LogRecord record, KeyProvider* provider) {
    record.created_at = now();
    if (provider == nullptr) return canonical(to_json(record)) + "\n";
    ASB_TRY(const auto fresh, provider->fresh());
    auto& encryption = record.encryption.emplace();
    encryption.key = fresh.reference;
    random_bytes(encryption.salt);
    const auto keys =
        derive_body_keys(fresh.passphrase.text, encryption.salt, fresh.passphrase.iterations);
    encryption.key_check = key_check(keys, record.log_id);
    Json document = to_json(record);
    document["mac"] = to_hex(mac_of(document, keys, kRecordMacContext));
    return canonical(document) + "\n";
}

Status check_same(const LogRecord& found, const LogRecord& wanted, bool encrypted) {
    if (found.engine != wanted.engine || found.identity != wanted.identity)
        return with_hint(fail(Code::refused, "the log {} in the repository is that of {} {}",
                              wanted.log_id, printable(found.engine), printable(found.identity)),
                         "stream each database into a repository of its own (BACKUP_DIR)");
    if (found.encryption.has_value() == encrypted) return {};
    return with_hint(
        fail(Code::refused, "the log {} was begun {} encryption", wanted.log_id,
             found.encryption ? "with" : "without"),
        fmt::format("set ENCRYPTION_ENABLED={}, or name a new repository in BACKUP_DIR",
                    found.encryption ? "true" : "false"));
}

}  // namespace

Result<LogRecord> parse_log_record(std::string_view text, std::string_view what) {
    ASB_TRY(auto read, parse(text, what));
    return std::move(read.record);
}

Result<OpenedLogRecord> open_log_record(StoreReader& store, std::string_view log_id,
                                        KeyProvider* provider) {
    const auto key = log_record_key(log_id);
    ASB_TRY(const auto text, store.get(key, kLogRecordBytesMax));
    ASB_TRY(auto read, parse(text, key.text()));
    if (read.record.log_id != log_id)
        return fail(Code::damaged, "{} is the record of the log {}", key.text(),
                    printable(read.record.log_id));
    OpenedLogRecord opened{.record = std::move(read.record), .key = std::nullopt};
    if (!opened.record.encryption) return opened;
    read.record = opened.record;
    ASB_TRY(const auto keys, authenticated_keys(read, key.text(), provider));
    opened.key = derive_log_key(keys, log_id);
    return opened;
}

Result<OpenedLogRecord> ensure_log_record(StoreReader& reader, StoreAppender& appender,
                                          const LogRecord& wanted, KeyProvider* provider) {
    auto opened = open_log_record(reader, wanted.log_id, provider);
    if (!opened && opened.error().code == Code::not_found) {
        const auto key = log_record_key(wanted.log_id);
        if (const int error = fail_point("log.record"))
            return errno_error(error, "cannot write", key.text(), Code::store);
        ASB_TRY(const auto text, to_published(wanted, provider));
        const auto put = appender.put(key, as_bytes(text));
        if (!put.ok() && put.error().code != Code::busy) return put.error();
        opened = open_log_record(reader, wanted.log_id, provider);
    }
    if (!opened) {
        // Without a key the record may still say that it needs one and is not to have one.
        if (opened.error().code != Code::wrong_key || provider != nullptr) return opened;
        return with_hint(fail(Code::refused, "the log {} was begun with encryption", wanted.log_id),
                         "set ENCRYPTION_ENABLED=true, or name a new repository in BACKUP_DIR");
    }
    ASB_CHECK(check_same(opened->record, wanted, provider != nullptr));
    return opened;
}

}  // namespace asb
