#pragma once
// Why this exists: credentials may lie in five places; each is a class of its own, and the chain
// asks them in Amazon's order ("AWS SDKs and Tools: credential provider chain").

#include <memory>
#include <string>

#include "base/settings.hpp"
#include "base/stop.hpp"
#include "net/http.hpp"
#include "net/retry.hpp"
#include "store/s3/credentials/credentials.hpp"

namespace asb::s3 {

// One thread at a time.
class Provider {
  public:
    virtual ~Provider() = default;
    // nullopt: nothing is set up here. An Error: something is, and it does not work.
    virtual Result<std::optional<Credentials>> find() = 0;
    // Where it looks, for the error of a chain that found nothing: "AWS_ACCESS_KEY_ID (not set)".
    [[nodiscard]] virtual std::string looked_at() const = 0;
};

// What providers that ask a server need; borrowed while they live.
struct ProviderContext {
    const Settings& settings;
    std::shared_ptr<HttpClient> http;
    RetryPolicy retry;
    StopToken stop;
};

std::unique_ptr<Provider> settings_provider(const Settings& settings);
std::unique_ptr<Provider> web_identity_provider(const ProviderContext& context);
std::unique_ptr<Provider> profile_provider(const ProviderContext& context);
std::unique_ptr<Provider> container_provider(const ProviderContext& context);
std::unique_ptr<Provider> instance_provider(const ProviderContext& context);

// The region of the profile in use; empty when there is no such file, profile or line.
std::string profile_region(const Settings& settings);

// A role to assume with a token that lies in a file, as Kubernetes puts it there.
struct WebIdentity {
    std::string role_arn;
    std::string token_file;
    std::string session_name;
    std::string source;  // as Credentials::source
};
Result<Credentials> assume_role(const ProviderContext& context, const WebIdentity& identity);

// The reply to `request` after as many tries as the policy allows; any status that does not pass.
Result<HttpReply> ask(const ProviderContext& context, const HttpRequest& request);
// {"AccessKeyId": …, "SecretAccessKey": …, "Token": …, "Expiration": …}, as the container endpoint
// and the metadata service answer. `source` names it in errors.
Result<Credentials> parse_metadata_credentials(std::string_view body, const std::string& source);

}  // namespace asb::s3
