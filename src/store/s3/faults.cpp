#include "store/s3/faults.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <initializer_list>

#include "base/text.hpp"
#include "net/retry.hpp"

namespace asb::s3 {
namespace {

bool is_one_of(std::string_view code, std::initializer_list<std::string_view> codes) {
    return std::find(codes.begin(), codes.end(), code) != codes.end();
}

bool has(std::string_view text, std::string_view word) {
    return text.find(word) != std::string_view::npos;
}

// No room: MinIO's codes, Ceph's and that of other servers with quotas.
bool is_full(std::string_view code) {
    return is_one_of(code, {"XMinioStorageFull", "XMinioAdminBucketQuotaExceeded", "QuotaExceeded",
                            "InsufficientStorage", "StorageFull"});
}

bool is_passing_code(std::string_view code) {
    return is_one_of(code, {"SlowDown", "SlowDownRead", "SlowDownWrite", "RequestTimeout",
                            "InternalError", "ServiceUnavailable", "OperationAborted",
                            "ConditionalRequestConflict", "Throttling", "TooManyRequests"});
}

// "s3://bucket/prefix/key", or the bucket.
std::string target_of(const Asked& asked) {
    if (asked.call.key.empty()) return asked.location.place();
    return fmt::format("s3://{}/{}", asked.location.bucket, printable(asked.call.key));
}

// Of the thing that a permission is needed on, as policies write it.
std::string resource_of(const Asked& asked) {
    const bool of_objects = asked.call.method == "POST";  // many are deleted at once
    if (asked.call.key.empty() && !of_objects)
        return fmt::format("arn:aws:s3:::{}", asked.location.bucket);
    return fmt::format("arn:aws:s3:::{}/{}*", asked.location.bucket, asked.location.prefix);
}

std::string denied_hint(const Asked& asked, const Answer& answer) {
    if (has(answer.error.message, "kms") || has(answer.error.message, "KMS"))
        return fmt::format(
            "allow kms:GenerateDataKey and kms:Decrypt on the key of "
            "S3_SSE_KMS_KEY_ID to {}",
            asked.credentials_from);
    return fmt::format("allow {} on {} to {}, and look for a bucket policy that denies it",
                       asked.call.permission, resource_of(asked), asked.credentials_from);
}

std::string hint_for_keys(std::string_view code, const Asked& asked) {
    if (code == "InvalidAccessKeyId")
        return fmt::format(
            "the store does not know the access key of {}: correct it, or "
            "S3_ENDPOINT_URL",
            asked.credentials_from);
    if (code == "SignatureDoesNotMatch")
        return fmt::format(
            "the secret of {} does not belong to its access key, or a proxy changes "
            "requests on their way",
            asked.credentials_from);
    if (is_one_of(code, {"ExpiredToken", "InvalidToken", "InvalidTokenId", "InvalidClientTokenId",
                         "TokenRefreshRequired"}))
        return fmt::format("renew the session of {}", asked.credentials_from);
    return {};
}

std::string hint_for_settings(std::string_view code, const Answer& answer) {
    const std::string_view message = answer.error.message;
    if (code == "InvalidStorageClass")
        return "set S3_STORAGE_CLASS to one that this store has, or leave it empty";
    if (code.substr(0, 4) == "KMS." || has(code, "KMS"))
        return "look at S3_SSE_KMS_KEY_ID: the key must exist in the bucket's region, be enabled "
               "and allow this user";
    if (answer.reply.status != 403 && has(message, "ncryption"))
        return "look at S3_SERVER_SIDE_ENCRYPTION: this store, or this bucket, cannot do that";
    if (has(message, "Object Lock") || has(message, "ObjectLock"))
        return "the bucket has no object lock: make one with `aws s3api create-bucket "
               "--object-lock-enabled-for-bucket`, or set S3_OBJECT_LOCK_MODE=none and "
               "S3_LEGAL_HOLD=false";
    return {};
}

std::string hint_for_object(std::string_view code) {
    if (code == "InvalidObjectState")
        return "the object is in an archive class: restore it first with `aws s3api "
               "restore-object`, then try again";
    if (code == "EntityTooLarge") return "the store takes no object of that size";
    if (code == "RequestTimeTooSkewed") return "set this machine's clock";
    if (code == "NoSuchUpload")
        return "the store has forgotten the unfinished upload (a life-cycle rule, or another "
               "run's sweep): try again";
    return {};
}

std::string hint_of(const Asked& asked, const Answer& answer) {
    const std::string_view code = answer.error.code;
    if (code.empty() && !answer.reply.body.empty())
        return "that is not S3's answer: look at S3_ENDPOINT_URL, and at proxies or log-in pages "
               "between here and there";
    if (code == "NoSuchBucket")
        return fmt::format("create it: aws s3 mb s3://{}, or correct S3_BUCKET",
                           asked.location.bucket);
    if (is_full(code)) return "make room in the store, or raise its quota";
    for (auto hint :
         {hint_for_keys(code, asked), hint_for_settings(code, answer), hint_for_object(code)})
        if (!hint.empty()) return hint;
    if (answer.reply.status == 401 || answer.reply.status == 403) return denied_hint(asked, answer);
    if (!region_told(answer).empty())
        return fmt::format("set AWS_REGION={}", printable(region_told(answer)));
    if (is_passing(answer)) return "the store is busy or has a fault: try again later";
    if (is_unsupported(answer)) return "this store does not have what the settings ask for";
    return "the store refuses what S3 takes: look at S3_ENDPOINT_URL, or show its operator this "
           "message";
}

Code code_of(const Answer& answer) {
    if (is_full(answer.error.code) || answer.reply.status == 507) return Code::space;
    if (is_lock(answer.error.code, answer.error.message)) return Code::refused;
    return Code::store;
}

std::string_view request_id(const Answer& answer) {
    const auto header = answer.reply.headers.get("x-amz-request-id");
    return header.empty() ? std::string_view(answer.error.request_id) : header;
}

// "bucket.s3.eu-west-1.amazonaws.com" and "bucket.s3-eu-west-1.amazonaws.com" -> "eu-west-1".
std::string region_of_endpoint(std::string_view endpoint) {
    const auto domain = endpoint.find(".amazonaws.com");
    if (domain == std::string_view::npos) return {};
    const auto host = endpoint.substr(0, domain);
    const auto at = host.rfind("s3");
    if (at == std::string_view::npos || at + 3 > host.size()) return {};
    return std::string(host.substr(at + 3));
}

bool is_region_name(std::string_view text) {
    constexpr std::size_t kLengthMax = 40;
    return !text.empty() && text.size() <= kLengthMax &&
           std::all_of(text.begin(), text.end(), [](char c) {
               return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-';
           });
}

}  // namespace

Answer answer_of(const Call& call, HttpReply reply) {
    Answer answer{.reply = std::move(reply)};
    const bool says_no = answer.reply.status < 200 || answer.reply.status >= 300;
    if (!says_no && call.method != "POST") return answer;
    if (auto error = parse_error(answer.reply.body)) answer.error = std::move(*error);
    return answer;
}

bool is_passing(const Answer& answer) {
    if (answer.ok() || is_full(answer.error.code)) return false;
    return is_passing_status(answer.reply.status) || is_passing_code(answer.error.code);
}

bool may_be_done(const Answer& answer) {
    const int status = answer.reply.status;
    return status == 500 || status == 502 || status == 504 || answer.error.code == "InternalError";
}

bool is_bad_transfer(const Answer& answer) {
    return is_one_of(answer.error.code,
                     {"BadDigest", "XAmzContentSHA256Mismatch", "XAmzContentChecksumMismatch",
                      "IncompleteBody", "InvalidDigest"});
}

bool is_expired(const Answer& answer) {
    return is_one_of(answer.error.code,
                     {"ExpiredToken", "InvalidToken", "InvalidTokenId", "InvalidClientTokenId",
                      "TokenRefreshRequired", "ExpiredTokenException"});
}

bool is_skewed(const Answer& answer) {
    return is_one_of(answer.error.code, {"RequestTimeTooSkewed", "RequestExpired"});
}

std::string region_told(const Answer& answer) {
    const int status = answer.reply.status;
    const bool is_move = status == 301 || status == 307 || status == 400 || status == 403;
    if (answer.ok() || !is_move) return {};
    for (const std::string& region :
         {std::string(answer.reply.headers.get("x-amz-bucket-region")), answer.error.region,
          region_of_endpoint(answer.error.endpoint)})
        if (is_region_name(region)) return region;
    return {};
}

bool is_lock(std::string_view code, std::string_view message) {
    return is_one_of(code, {"ObjectLocked", "ObjectUnderRetention"}) ||
           has(message, "object protected by object lock") || has(message, "WORM protected");
}

bool is_unsupported(const Answer& answer) {
    return answer.reply.status == 501 ||
           is_one_of(answer.error.code, {"NotImplemented", "MethodNotAllowed"});
}

bool is_foreign(const Call& call, const Answer& answer) {
    const bool has_no_body = call.method == "PUT" || call.method == "DELETE";
    return has_no_body && answer.ok() && !answer.reply.body.empty() &&
           answer.reply.headers.get("etag").empty();
}

Error error_of(const Asked& asked, const Answer& answer) {
    auto error = fail(code_of(answer), "cannot {} {}: ", asked.call.action, target_of(asked));
    if (answer.error.code.empty())
        error.fact += fmt::format("the store answered {}", answer.reply.status);
    else
        error.fact += printable(answer.error.code);
    if (!answer.error.message.empty())
        error.fact += fmt::format(": {}", printable(answer.error.message));
    if (const auto id = request_id(answer); !id.empty())
        error.fact += fmt::format(" (request {})", printable(id));
    error.retryable = is_passing(answer);
    return with_hint(std::move(error), hint_of(asked, answer));
}

Error error_of(const Asked& asked, Error unread) {
    if (unread.code == Code::interrupted) return unread;
    unread.fact = fmt::format("cannot {} {}: {}", asked.call.action, target_of(asked), unread.fact);
    return unread;
}

}  // namespace asb::s3
