#include "repo/log_object.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "base/fail_point.hpp"
#include "codec/cbc.hpp"
#include "io/file.hpp"
#include "repo/log_json.hpp"

namespace asb {
namespace {

constexpr std::string_view kObjectMacContext = "asb-log-v1";
constexpr std::string_view kHint =
    "use another copy of this object; without it, the log has a gap there";

Error damaged(std::string_view what, std::string_view problem) {
    return with_hint(fail(Code::damaged, "{} is damaged: {}", what, problem), std::string(kHint));
}

// The end of a path of bytes, and the beginning of one.
class StringSink final : public ByteSink {
  public:
    explicit StringSink(std::string& out) : out_(out) {}
    Status write(Bytes bytes) override {
        out_ += as_text(bytes);
        return {};
    }
    Status finish() override { return {}; }

  private:
    std::string& out_;
};

class BytesSource final : public ByteSource {
  public:
    explicit BytesSource(Bytes bytes) : bytes_(bytes) {}
    Result<Bytes> next() override { return std::exchange(bytes_, {}); }

  private:
    Bytes bytes_;
};

BodyKeys object_keys(const LogKey& key, const ObjectKey& object, const Salt& salt) {
    return derive_body_keys(log_object_passphrase(key, object), salt, kLogObjectIterations);
}

// A clock that stood before 1970 is written as 1970, as in names.
std::uint64_t to_number(CommitTime time) {
    return static_cast<std::uint64_t>(std::max<std::int64_t>(0, time.time_since_epoch().count()));
}

Json to_json(const LogObjectHeader& header) {
    Json document = {{"version", kLogObjectVersion},
                     {"type", "log"},
                     {"log", header.log_id},
                     {"engine", header.engine},
                     {"identity", header.identity},
                     {"line", line_text(header.range.line)},
                     {"start", point_text(header.range.start)},
                     {"end", point_text(header.range.end)},
                     {"commits", header.times.commits},
                     {"newest_commit_us", to_number(header.times.newest_commit)},
                     {"covered_until_us", to_number(header.times.covered_until)},
                     {"last_record", point_text(header.last_record)},
                     {"tail", header.tail},
                     {"branches", Json::array()},
                     {"compression", header.compressed ? "gzip" : "none"},
                     {"members", header.members},
                     {"plain_bytes", header.plain_bytes},
                     {"body_length", header.body_length},
                     {"body_sha256", to_hex(header.body_digest)},
                     {"authenticated", header.salt.has_value()}};
    const auto count = std::min(header.branches.size(), kLogHeaderBranchesMax);
    for (auto i = header.branches.size() - count; i < header.branches.size(); ++i)
        document["branches"].push_back(to_json(header.branches[i]));
    if (header.salt)
        document["encryption"] = {{"cipher", "aes-256-cbc"},
                                  {"kdf", "pbkdf2-hmac-sha256"},
                                  {"iterations", kLogObjectIterations},
                                  {"salt", to_hex(*header.salt)}};
    return document;
}

LogObject name_of(const LogObjectHeader& header, std::uint32_t day) {
    LogObject name{.range = header.range,
                   .newest_commit = std::nullopt,
                   .covered_until = header.times.covered_until,
                   .day = day,
                   .compressed = header.compressed,
                   .encrypted = header.salt.has_value()};
    if (header.times.commits != 0) name.newest_commit = header.times.newest_commit;
    return name;
}

std::string encrypted(const std::string& plain, const BodyKeys& keys, const Salt& salt) {
    std::string out;
    out.reserve(plain.size() + kCbcHeaderBytes + kCbcBlockBytes);
    StringSink end(out);
    CbcEncryptSink cipher(end, keys, salt);
    ASB_ASSERT(cipher.write(as_bytes(plain)).ok() && cipher.finish().ok());
    return out;
}

Result<std::string> decrypted(Bytes body, const BodyKeys& keys) {
    std::string out;
    out.reserve(body.size());
    BytesSource source(body);
    CbcDecryptSource plain(source, keys);
    for (;;) {
        ASB_TRY(const auto bytes, plain.next());
        if (bytes.empty()) return out;
        out += as_text(bytes);
    }
}

Result<std::string> inflated(Bytes body, const LogObjectHeader& header, std::string_view what) {
    std::string out;
    out.reserve(header.plain_bytes);
    Buffer member(kMemberPlainBytes);
    for (const auto size : header.members) {
        if (size > body.size()) return damaged(what, "its gzip members are longer than its body");
        ASB_CHECK(inflate_member(body.first(size), member));
        out += as_text(member.view());
        body = body.subspan(size);
    }
    if (!body.empty()) return damaged(what, "something follows its last gzip member");
    return out;
}

Status check_key(const ReadLogHeader& read, const LogKey* key, const ObjectKey& object) {
    const bool authenticated = read.header.salt.has_value();
    if (key == nullptr && authenticated)
        return with_hint(fail(Code::wrong_key, "{} is encrypted and no key is set", object.text()),
                         "set BACKUP_ENCRYPTION_KEY or BACKUP_ENCRYPTION_KEY_FILE");
    if (key != nullptr && !authenticated)
        return damaged(object.text(), "it is not encrypted, but its log is");
    return {};
}

Status authenticate(const ReadLogHeader& read, const BodyKeys& keys, std::string_view what) {
    const auto mac = parse_digest(read.document["mac"].get<std::string>());
    if (mac && equal_in_constant_time(*mac, mac_of(read.document, keys, kObjectMacContext)))
        return {};
    return damaged(what, "its header was changed after it was written, or the key is another one");
}

Result<std::string> plain_of(std::string_view body, const ReadLogHeader& read, const BodyKeys* keys,
                             std::string_view what) {
    const LogObjectHeader& header = read.header;
    if (sha256(as_bytes(body)) != header.body_digest)
        return damaged(what, "its body does not match its digest");
    std::string stored;
    if (keys != nullptr) {
        ASB_TRY(stored, decrypted(as_bytes(body), *keys));
        body = stored;
    }
    std::string plain(header.compressed ? std::string_view() : body);
    if (header.compressed) {
        ASB_TRY(plain, inflated(as_bytes(body), header, what));
    }
    if (plain.size() != header.plain_bytes)
        return damaged(what, "it does not hold as many bytes as its header says");
    return plain;
}

Status check_name(const ReadLogHeader& read, const ObjectKey& key) {
    const auto name = parse_log_name(key.text());
    ASB_ASSERT(name && name->kind == LogName::Kind::object);
    const auto& header = read.header;
    const bool same = header.log_id == name->log_id &&
                      log_object_key(name->log_id, name_of(header, name->object.day)) == key;
    return same ? Status() : damaged(key.text(), "its name is not that of what it holds");
}

Status check_length(const ReadLogHeader& read, std::uint64_t size, const ObjectKey& key) {
    if (read.bytes + read.header.body_length == size) return {};
    return damaged(key.text(), fmt::format("it is {} bytes long, its header says {}", size,
                                           read.bytes + read.header.body_length));
}

Result<ReadLogHeader> header_of(std::string_view beginning, std::uint64_t size,
                                const ObjectKey& key) {
    const auto newline = beginning.find('\n');
    if (newline == std::string_view::npos) return damaged(key.text(), "it has no header");
    ASB_TRY(auto read, parse_log_header(beginning.substr(0, newline), key.text()));
    ASB_CHECK(check_name(read, key));
    ASB_CHECK(check_length(read, size, key));
    return read;
}

}  // namespace

class LogBody::Collector final : public ByteSink {
  public:
    Status write(Bytes bytes) override {
        out += as_text(bytes);
        return {};
    }
    Status finish() override { return {}; }
    std::string out;
};

LogBody::LogBody(bool compressed)
    : compressed_(compressed), collector_(std::make_unique<Collector>()) {}

LogBody::~LogBody() = default;

Status LogBody::write(Bytes bytes) {
    plain_bytes_ += bytes.size();
    if (!compressed_) return collector_->write(bytes);
    if (gzip_ == nullptr)
        gzip_ =
            std::make_unique<GzipMemberSink>(*collector_, GzipMemberSink::Options{.threads = 1});
    return gzip_->write(bytes);
}

Result<LogBody::Finished> LogBody::finish() {
    if (compressed_ && gzip_ == nullptr) ASB_CHECK(write({}));
    Finished finished{
        .bytes = {}, .members = {}, .plain_bytes = plain_bytes_, .compressed = compressed_};
    if (gzip_ != nullptr) {
        ASB_CHECK(gzip_->finish());
        finished.members = gzip_->member_sizes();
        gzip_.reset();
    }
    finished.bytes = std::move(collector_->out);
    return finished;
}

Result<SealedLogObject> seal_log_object(LogObjectHeader header, LogBody::Finished body,
                                        const LogKey* key, std::uint32_t day) {
    header.compressed = body.compressed;
    header.members = std::move(body.members);
    header.plain_bytes = body.plain_bytes;
    if (key != nullptr) random_bytes(header.salt.emplace());
    const auto name = name_of(header, day);
    SealedLogObject object{.key = log_object_key(header.log_id, name),
                           .name = name,
                           .header = {},
                           .body = std::move(body.bytes)};
    std::optional<BodyKeys> keys;
    if (key != nullptr) {
        keys = object_keys(*key, object.key, *header.salt);
        object.body = encrypted(object.body, *keys, *header.salt);
    }
    header.body_length = object.body.size();
    header.body_digest = sha256(as_bytes(object.body));
    Json document = to_json(header);
    if (keys) document["mac"] = to_hex(mac_of(document, *keys, kObjectMacContext));
    object.header = canonical(document) + "\n";
    if (object.header.size() > kLogHeaderBytesMax)
        return fail(Code::failed, "the header of {} is {} bytes long; at most {} are allowed",
                    object.key.text(), object.header.size(), kLogHeaderBytesMax);
    return object;
}

Status put_log_object(StoreAppender& store, const SealedLogObject& object) {
    if (const int error = fail_point("log.put"))
        return errno_error(error, "cannot write", object.key.text(), Code::store);
    ASB_TRY(const auto writer, store.create(object.key));
    ASB_CHECK(writer->append(as_bytes(object.header)));
    if (!object.body.empty()) ASB_CHECK(writer->append(as_bytes(object.body)));
    return writer->commit();
}

Result<ReadLogHeader> read_log_header(StoreReader& store, const ObjectKey& key) {
    ASB_TRY(const auto object, store.open(key));
    std::string beginning(std::min<std::uint64_t>(object->size(), kLogHeaderBytesMax), '\0');
    ASB_CHECK(object->read_at(0, std::as_writable_bytes(std::span(beginning))));
    return header_of(beginning, object->size(), key);
}

Result<OpenedLogObject> open_log_object(StoreReader& store, const ObjectKey& key,
                                        const LogKey* log_key) {
    ASB_TRY(const auto text, store.get(key, kLogStoredBytesMax + kLogHeaderBytesMax));
    ASB_TRY(const auto read,
            header_of(std::string_view(text).substr(0, kLogHeaderBytesMax), text.size(), key));
    ASB_CHECK(check_key(read, log_key, key));
    std::optional<BodyKeys> keys;
    if (log_key != nullptr) {
        keys = object_keys(*log_key, key, *read.header.salt);
        ASB_CHECK(authenticate(read, *keys, key.text()));
    }
    OpenedLogObject opened{.header = read.header, .plain = {}};
    ASB_TRY(opened.plain, plain_of(std::string_view(text).substr(read.bytes), read,
                                   keys ? &*keys : nullptr, key.text()));
    return opened;
}

}  // namespace asb
