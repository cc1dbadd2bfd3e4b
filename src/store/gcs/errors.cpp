#include <algorithm>
#include <array>

#include "base/text.hpp"
#include "store/gcs/reply.hpp"
#include "store/gcs/service.hpp"

namespace asb::gcs {
namespace {

constexpr int kForbidden = 403;

bool says(const ErrorReply& error, std::string_view word) {
    return error.message.find(word) != std::string::npos;
}

bool is_one_of(std::string_view reason, std::initializer_list<std::string_view> reasons) {
    return std::find(reasons.begin(), reasons.end(), reason) != reasons.end();
}

// "storage.objects.create" out of the message, which knows better than we do; else what we
// expected.
std::string permission_of(const ErrorReply& error, std::string_view expected) {
    constexpr std::string_view kBegin = "storage.";
    const auto at = error.message.find(kBegin);
    if (at == std::string::npos) return std::string(expected);
    const auto is_part = [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '.';
    };
    const auto begin = error.message.begin() + static_cast<std::ptrdiff_t>(at);
    return {begin, std::find_if_not(begin, error.message.end(), is_part)};
}

std::string bucket_of(std::string_view place) {
    constexpr std::string_view kScheme = "gs://";
    place.remove_prefix(std::min(kScheme.size(), place.size()));
    return std::string(place.substr(0, place.find('/')));
}

// Of reasons see "HTTP status and error codes for JSON".
std::string forbidden_hint(const ErrorReply& error, const Step& step) {
    if (is_one_of(error.reason, {"accountDisabled", "projectNotBillable"}) ||
        says(error, "billing"))
        return "enable billing for the bucket's project, then try again";
    if (is_one_of(error.reason, {"sslRequired"})) return "use https";
    return fmt::format("grant {} on gs://{}: roles/storage.objectUser has it",
                       permission_of(error, step.permission), bucket_of(step.place));
}

// A page for a browser, without the header that every reply of Google's has.
bool is_of_another(const HttpReply& reply) {
    return !reply.body.empty() && reply.body.front() == '<' &&
           !reply.headers.has("x-guploader-uploadid");
}

std::string hint_of(const HttpReply& reply, const ErrorReply& error, const Step& step) {
    if (is_passing(reply)) return "Google Cloud Storage is busy or has a fault: try again later";
    if (is_of_another(reply))
        return "that is no answer of Google Cloud Storage: look at the proxy, the network's log-in "
               "page, and STORAGE_EMULATOR_HOST";
    switch (reply.status) {
        case 401:
            return "the access token is not taken: look at GOOGLE_APPLICATION_CREDENTIALS and at "
                   "this machine's clock";
        case kForbidden:
            return forbidden_hint(error, step);
        case kNotFound:
            return fmt::format(
                "make the bucket with `gcloud storage buckets create gs://{0}`, or "
                "correct GCS_BUCKET",
                bucket_of(step.place));
        case 400:
            if (step.permission == "storage.objects.create")
                return "look at GCS_STORAGE_CLASS, GCS_KMS_KEY and the retention settings: the "
                       "bucket may not allow one of them";
            [[fallthrough]];
        default:
            return "try again; if it stays so, Google's support can look the request up";
    }
}

Code code_of(const HttpReply& reply, const ErrorReply& error) {
    if (is_kept(reply)) return Code::refused;
    if (is_one_of(error.reason, {"quotaExceeded", "storageQuotaExceeded"})) return Code::space;
    return Code::store;
}

// What Google asks for in a support case.
std::string_view request_id(const HttpReply& reply) {
    for (const auto* name : {"x-guploader-uploadid", "x-goog-request-id", "x-request-id"})
        if (reply.headers.has(name)) return reply.headers.get(name);
    return {};
}

}  // namespace

bool is_passing(const HttpReply& reply) {
    if (is_passing_status(reply.status)) return true;
    if (reply.status != kForbidden) return false;
    return is_one_of(parse_error(reply.body).reason,
                     {"rateLimitExceeded", "userRateLimitExceeded"});
}

bool is_kept(const HttpReply& reply) {
    if (reply.status != kForbidden) return false;
    const auto error = parse_error(reply.body);
    return is_one_of(error.reason, {"retentionPolicyNotMet", "objectUnderActiveHold"}) ||
           says(error, "retention policy") || says(error, "object retention") ||
           says(error, "active hold") || says(error, "Event-Based hold") ||
           says(error, "Temporary hold");
}

bool is_missing_bucket(const HttpReply& reply) {
    if (reply.status != kNotFound) return false;
    const auto error = parse_error(reply.body);
    return says(error, "bucket does not exist") || says(error, "bucket could not be found");
}

Error error_of(const HttpReply& reply, const Step& step) {
    const auto error = parse_error(reply.body);
    auto result = fail(code_of(reply, error), "{} {}: ", step.action, step.place);
    if (reply.status == kNotFound)
        result.fact += fmt::format("there is no bucket {}", bucket_of(step.place));
    else
        result.fact += fmt::format("Google Cloud Storage answered {}", reply.status);
    for (const auto& text : {error.reason, error.message})
        if (!text.empty() && reply.status != kNotFound) result.fact += fmt::format(", {}", text);
    if (const auto id = request_id(reply); !id.empty())
        result.fact += fmt::format(" (request {})", printable(id));
    result.retryable = is_passing(reply);
    if (result.code == Code::refused)
        return with_hint(std::move(result),
                         "a retention policy, a hold or a lock of the bucket keeps "
                         "it: it goes when that ends");
    if (result.code == Code::space)
        return with_hint(std::move(result), "free space in the bucket, or raise the quota");
    return with_hint(std::move(result), hint_of(reply, error, step));
}

}  // namespace asb::gcs
