#include "base/text.hpp"
#include "store/remote/base64.hpp"
#include "store/s3/client.hpp"

namespace asb::s3 {
namespace {

// "<base64>" of a whole object, "<base64>-3" of one in three parts.
std::string checksum_of(std::string_view header) {
    const auto dash = header.find('-');
    const auto digest = remote::digest_from_base64(header.substr(0, dash));
    if (!digest) return {};
    if (dash == std::string_view::npos) return fmt::format("sha256:{}", to_hex(*digest));
    return fmt::format("sha256-parts:{}-{}", to_hex(*digest), header.substr(dash + 1));
}

std::string version_of(const HttpHeaders& headers) {
    const auto id = headers.get("x-amz-version-id");
    // "null" is what stands there without versions, and may be another tomorrow.
    return std::string(id.empty() || id == "null" ? headers.get("etag") : id);
}

}  // namespace

HttpHeaders write_headers(const WritePolicy& policy, const remote::WriteOptions& options,
                          Instant store_time) {
    HttpHeaders headers;
    const auto add = [&](std::string_view name, const std::string& value) {
        if (!value.empty()) headers.add(std::string(name), value);
    };
    headers.add("content-type", "application/octet-stream");
    add(kMarkHeader, options.mark);
    add("x-amz-server-side-encryption", policy.encryption);
    add("x-amz-server-side-encryption-aws-kms-key-id", policy.kms_key_id);
    if (options.kind == remote::WriteOptions::Kind::lease) return headers;
    add("x-amz-storage-class", policy.storage_class);
    add("x-amz-object-lock-mode", policy.lock_mode);
    if (!policy.lock_mode.empty())
        add("x-amz-object-lock-retain-until-date",
            to_iso8601(store_time + std::chrono::hours(24 * policy.lock_days)));
    if (policy.legal_hold) add("x-amz-object-lock-legal-hold", "ON");
    return headers;
}

Result<std::optional<remote::Found>> look_at(Channel& channel, const std::string& key,
                                             const std::string& version) {
    Call call{.action = "look at", .permission = "s3:GetObject", .method = "HEAD", .key = key};
    if (!version.empty()) {
        call.query = {{"versionId", version}};
        call.permission = "s3:GetObjectVersion";
    }
    call.headers.add("x-amz-checksum-mode", "ENABLED");
    ASB_TRY(const auto answer, channel.send(call));
    if (answer.reply.status == 404) return std::optional<remote::Found>();
    if (!answer.ok()) return channel.error(call, answer);
    const auto& headers = answer.reply.headers;
    const auto size = parse_u64(headers.get("content-length"));
    if (!size)
        return fail(Code::store, "cannot look at s3://{}/{}: the store does not tell its size",
                    channel.location().bucket, printable(key));
    remote::Found found;
    found.size = *size;
    found.modified = parse_http_date(headers.get("last-modified")).value_or(channel.store_time());
    found.version = version.empty() ? version_of(headers) : version;
    found.checksum = checksum_of(headers.get("x-amz-checksum-sha256"));
    found.mark = headers.get(kMarkHeader);
    return std::optional(std::move(found));
}

Error taken(const Channel& channel, const std::string& key) {
    return with_hint(
        fail(Code::busy, "{} exists already in {}",
             printable(key.substr(channel.location().prefix.size())), channel.location().place()),
        "names are written once: use another, or wait a second for the next");
}

Result<bool> is_ours(Channel& channel, const std::string& key, const std::string& mark) {
    ASB_TRY(const auto found, look_at(channel, key, {}));
    if (!found) return false;
    if (!mark.empty() && found->mark == mark) return true;
    return taken(channel, key);
}

}  // namespace asb::s3
