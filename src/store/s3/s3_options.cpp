#include "store/s3/s3_options.hpp"

namespace asb::s3 {
namespace {

constexpr Option text(std::string_view name, std::string_view summary) {
    return {.name = name, .kind = OptionKind::text, .default_value = "", .summary = summary};
}

constexpr Option path(std::string_view name, std::string_view summary) {
    return {.name = name, .kind = OptionKind::path, .default_value = "", .summary = summary};
}

constexpr Option url(std::string_view name, std::string_view summary) {
    return {.name = name, .kind = OptionKind::url, .default_value = "", .summary = summary};
}

constexpr Option secret(std::string_view name, std::string_view summary) {
    return {.name = name,
            .kind = OptionKind::text,
            .default_value = "",
            .summary = summary,
            .secret = true};
}

// The first of these settings that is not empty.
std::string first_of(const Settings& settings, std::initializer_list<std::string_view> names) {
    for (const auto name : names)
        if (!settings.text(name).empty()) return settings.text(name);
    return {};
}

std::string lock_mode(const Settings& settings) {
    const auto& mode = settings.text("S3_OBJECT_LOCK_MODE");
    if (mode == "governance") return "GOVERNANCE";
    return mode == "compliance" ? "COMPLIANCE" : "";
}

// A century: S3 takes no more ("Managing Object Lock").
constexpr std::uint64_t kLockDaysMax = 36'500;

}  // namespace

constexpr std::array<Option, 31> kOptions = {
    text("S3_BUCKET", "the bucket that backups are copied to; empty: none"),
    text("S3_PREFIX", "what the names of all objects in the bucket begin with"),
    text("AWS_REGION",
         "the bucket's region; empty: AWS_DEFAULT_REGION, the profile's, then us-east-1"),
    text("AWS_DEFAULT_REGION", "stands in for AWS_REGION"),
    url("S3_ENDPOINT_URL", "another S3 server than Amazon's, http://host:port or https://host"),
    url("AWS_ENDPOINT_URL_S3", "stands in for S3_ENDPOINT_URL"),
    url("AWS_ENDPOINT_URL", "stands in for AWS_ENDPOINT_URL_S3"),
    Option{.name = "S3_ADDRESSING",
           .kind = OptionKind::choice,
           .default_value = "auto",
           .summary = "where the bucket stands in a URL; auto: in the host at Amazon, in the path "
                      "elsewhere and where its name has dots",
           .choices = "auto|path|virtual"},
    text("S3_STORAGE_CLASS", "of what is written, as STANDARD_IA; empty: the bucket's own"),
    Option{.name = "S3_SERVER_SIDE_ENCRYPTION",
           .kind = OptionKind::choice,
           .default_value = "",
           .summary = "how the store encrypts once more what is written; empty: as the bucket says",
           .choices = "|AES256|aws:kms|aws:kms:dsse"},
    text("S3_SSE_KMS_KEY_ID", "the key of aws:kms; empty: the account's own for S3"),
    Option{.name = "S3_OBJECT_LOCK_MODE",
           .kind = OptionKind::choice,
           .default_value = "none",
           .summary = "who may remove a backup before S3_OBJECT_LOCK_DAYS are over; governance: "
                      "those with a right of its own; compliance: nobody",
           .choices = "none|governance|compliance"},
    Option{.name = "S3_OBJECT_LOCK_DAYS",
           .kind = OptionKind::number,
           .default_value = "0",
           .summary = "for how many days S3_OBJECT_LOCK_MODE holds"},
    Option{.name = "S3_LEGAL_HOLD",
           .kind = OptionKind::boolean,
           .default_value = "false",
           .summary = "put a legal hold on everything that is written to S3"},
    text("AWS_ACCESS_KEY_ID", "the access key for S3"),
    secret("AWS_SECRET_ACCESS_KEY", "the secret of AWS_ACCESS_KEY_ID"),
    secret("AWS_SESSION_TOKEN", "the token of a temporary AWS_ACCESS_KEY_ID"),
    text("AWS_PROFILE", "the profile of the shared files to use; empty: default"),
    path("AWS_SHARED_CREDENTIALS_FILE", "the credentials file; empty: ~/.aws/credentials"),
    path("AWS_CONFIG_FILE", "the configuration file of profiles; empty: ~/.aws/config"),
    text("AWS_ROLE_ARN", "the role to assume with AWS_WEB_IDENTITY_TOKEN_FILE"),
    path("AWS_WEB_IDENTITY_TOKEN_FILE", "the token that AWS_ROLE_ARN is assumed with"),
    text("AWS_ROLE_SESSION_NAME", "the name of that session; empty: auth-service-backup"),
    url("AWS_ENDPOINT_URL_STS", "where AWS_ROLE_ARN is assumed; empty: the region's own"),
    text("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "the path of an ECS task's credentials"),
    url("AWS_CONTAINER_CREDENTIALS_FULL_URI", "the URL of a container's credentials"),
    secret("AWS_CONTAINER_AUTHORIZATION_TOKEN", "what a container's credentials are asked with"),
    path("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE",
         "the file of that token, read anew each time it is needed"),
    Option{.name = "AWS_EC2_METADATA_DISABLED",
           .kind = OptionKind::boolean,
           .default_value = "false",
           .summary = "do not ask the machine's metadata service for credentials"},
    url("AWS_EC2_METADATA_SERVICE_ENDPOINT",
        "the machine's metadata service; empty: http://169.254.169.254"),
    path("AWS_CA_BUNDLE", "stands in for TLS_CA_FILE at S3"),
};

Result<WritePolicy> write_policy(const Settings& settings) {
    WritePolicy policy;
    policy.storage_class = settings.text("S3_STORAGE_CLASS");
    policy.encryption = settings.text("S3_SERVER_SIDE_ENCRYPTION");
    policy.kms_key_id = settings.text("S3_SSE_KMS_KEY_ID");
    policy.lock_mode = lock_mode(settings);
    policy.lock_days = settings.number("S3_OBJECT_LOCK_DAYS");
    policy.legal_hold = settings.flag("S3_LEGAL_HOLD");
    if (!policy.kms_key_id.empty() && policy.encryption.substr(0, 7) != "aws:kms")
        return with_hint(fail(Code::usage,
                              "S3_SSE_KMS_KEY_ID is set, but "
                              "S3_SERVER_SIDE_ENCRYPTION does not ask for KMS"),
                         "set S3_SERVER_SIDE_ENCRYPTION=aws:kms, or leave S3_SSE_KMS_KEY_ID empty");
    if (!policy.lock_mode.empty() && (policy.lock_days == 0 || policy.lock_days > kLockDaysMax))
        return with_hint(fail(Code::usage, "S3_OBJECT_LOCK_MODE={} holds for {} days",
                              settings.text("S3_OBJECT_LOCK_MODE"), policy.lock_days),
                         "set S3_OBJECT_LOCK_DAYS to 1 to 36500, or S3_OBJECT_LOCK_MODE=none");
    return policy;
}

EndpointSettings endpoint_settings(const Settings& settings) {
    EndpointSettings endpoint;
    endpoint.url =
        first_of(settings, {"S3_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL"});
    endpoint.region = first_of(settings, {"AWS_REGION", "AWS_DEFAULT_REGION"});
    const auto& addressing = settings.text("S3_ADDRESSING");
    if (addressing == "path") endpoint.addressing = Addressing::path;
    if (addressing == "virtual") endpoint.addressing = Addressing::virtual_host;
    return endpoint;
}

}  // namespace asb::s3
