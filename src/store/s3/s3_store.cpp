#include "store/s3/s3_store.hpp"

#include <fmt/format.h>

#include "store/remote/connection.hpp"
#include "store/remote/rights.hpp"
#include "store/remote/seen_lease.hpp"
#include "store/s3/client.hpp"
#include "store/s3/credentials/chain.hpp"
#include "store/s3/faults.hpp"

namespace asb {
namespace {

using s3::Channel;
using s3::Location;

// Amazon's region when nothing names one.
constexpr std::string_view kDefaultRegion = "us-east-1";

std::string configured(const Settings& settings) {
    const auto& bucket = settings.text("S3_BUCKET");
    const auto& prefix = settings.text("S3_PREFIX");
    if (bucket.empty()) return {};
    return prefix.empty() ? fmt::format("s3://{}", bucket)
                          : fmt::format("s3://{}/{}", bucket, prefix);
}

HttpClient::Options http_options(const Settings& settings) {
    auto options = remote::http_options(settings);
    if (options.ca_file.empty()) options.ca_file = settings.text("AWS_CA_BUNDLE");
    return options;
}

std::string region_of(const s3::EndpointSettings& endpoint, const Settings& settings) {
    if (!endpoint.region.empty()) return endpoint.region;
    auto region = s3::profile_region(settings);
    return region.empty() ? std::string(kDefaultRegion) : region;
}

Result<std::shared_ptr<Channel>> open_channel(Location location, const StoreContext& context) {
    const auto& settings = context.settings;
    const auto endpoint_settings = s3::endpoint_settings(settings);
    ASB_TRY(auto endpoint, s3::Endpoint::make(endpoint_settings, location.bucket));
    auto http = std::make_shared<HttpClient>(http_options(settings), context.stop);
    const auto retry = remote::retry_policy(settings);
    auto credentials = s3::credential_chain(
        {.settings = settings, .http = http, .retry = retry, .stop = context.stop});
    return std::make_shared<Channel>(
        Channel::Parts{.location = std::move(location),
                       .endpoint = std::move(endpoint),
                       .region = region_of(endpoint_settings, settings),
                       .retry = retry,
                       .http = std::move(http),
                       .credentials = std::move(credentials)},
        context.log, context.stop);
}

Result<std::shared_ptr<remote::ObjectClient>> open_client(const Location& location,
                                                          const StoreContext& context) {
    ASB_TRY(auto policy, s3::write_policy(context.settings));
    ASB_TRY(auto channel, open_channel(location, context));
    return std::shared_ptr<remote::ObjectClient>(
        std::make_shared<s3::S3Client>(std::move(channel), std::move(policy)));
}

// A location that is looked back from cannot be changed.
Result<Location> writable_location(const std::string& text) {
    ASB_TRY(auto location, s3::parse_location(text));
    if (!location.at) return location;
    return with_hint(fail(Code::usage, "{} as it was at {} can only be read", location.place(),
                          to_iso8601(*location.at)),
                     "leave ?at= out to write or to remove");
}

Result<std::unique_ptr<StoreReader>> open_reader(const std::string& location,
                                                 const StoreContext& context) {
    ASB_TRY(const auto parsed, s3::parse_location(location));
    ASB_TRY(auto client, open_client(parsed, context));
    return remote::make_reader(std::move(client));
}

Result<std::unique_ptr<StoreAppender>> open_appender(const std::string& location,
                                                     const StoreContext& context) {
    ASB_TRY(const auto parsed, writable_location(location));
    ASB_TRY(auto client, open_client(parsed, context));
    return remote::make_appender(std::move(client));
}

Result<std::unique_ptr<StoreEraser>> open_eraser(const std::string& location,
                                                 const StoreContext& context) {
    ASB_TRY(const auto parsed, writable_location(location));
    ASB_TRY(auto client, open_client(parsed, context));
    return remote::make_eraser(std::move(client));
}

// Shows that the bucket is there and that the credentials are taken.
Status check_bucket(Channel& channel) {
    const s3::Call call{
        .action = "list the objects below",
        .permission = "s3:ListBucket",
        .query = {{"list-type", "2"}, {"max-keys", "1"}, {"prefix", channel.location().prefix}}};
    ASB_TRY(const auto answer, channel.send(call));
    if (!answer.ok()) return channel.error(call, answer);
    ASB_TRY(const auto page, channel.read(call, s3::parse_objects(answer.reply.body)));
    static_cast<void>(page);
    return {};
}

// Every write with a lock would be refused in a bucket without object lock.
Status check_lock(Channel& channel) {
    const s3::Call call{.action = "read the object lock of",
                        .permission = "s3:GetBucketObjectLockConfiguration",
                        .query = {{"object-lock", ""}}};
    ASB_TRY(const auto answer, channel.send(call));
    if (answer.reply.status == 403 || s3::is_unsupported(answer)) return {};  // not to be known
    bool enabled = false;
    if (answer.ok()) {
        ASB_TRY(enabled, channel.read(call, s3::parse_lock_enabled(answer.reply.body)));
    } else if (answer.reply.status != 404) {
        return channel.error(call, answer);
    }
    if (enabled) return {};
    return with_hint(
        fail(Code::store,
             "S3_OBJECT_LOCK_MODE or S3_LEGAL_HOLD is set, but the bucket {} has no "
             "object lock",
             channel.location().bucket),
        "make a bucket with `aws s3api create-bucket --object-lock-enabled-for-bucket`,"
        " or leave both unset");
}

Result<std::optional<std::uint64_t>> check_writable(const std::string& location,
                                                    const StoreContext& context) {
    ASB_TRY(auto parsed, writable_location(location));
    ASB_TRY(auto policy, s3::write_policy(context.settings));
    ASB_TRY(auto channel, open_channel(std::move(parsed), context));
    ASB_CHECK(check_bucket(*channel));
    if (policy.wants_lock()) ASB_CHECK(check_lock(*channel));
    // An upload that begins and is given up writes nothing, and needs all that a write needs.
    s3::S3Client client(std::move(channel), std::move(policy));
    ASB_TRY(const auto upload,
            client.begin_upload(fmt::format("{}check", remote::kLeasePrefix), {}));
    upload->abort();
    return std::optional<std::uint64_t>();
}

}  // namespace

const StoreDriver kS3Store = {
    .scheme = "s3",
    .summary = "a bucket of Amazon S3, or of another server that speaks its protocol",
    .options = s3::kOptions,
    .configured = configured,
    .open_reader = open_reader,
    .open_appender = open_appender,
    .open_eraser = open_eraser,
    .check_writable = check_writable,
};

}  // namespace asb
