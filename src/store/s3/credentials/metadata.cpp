#include <array>

#include "base/json.hpp"
#include "base/text.hpp"
#include "io/file.hpp"
#include "store/remote/rfc3339.hpp"
#include "store/s3/credentials/provider.hpp"

namespace asb::s3 {
namespace {

constexpr std::size_t kReplyBytesMax = 64 * kKiB;
constexpr std::size_t kTokenBytesMax = 64 * kKiB;
// On the machine's own link: who does not answer in a second is not there.
constexpr std::chrono::milliseconds kNearReplyMax{1'000};

std::string text_at(const Json& document, const char* name) {
    const auto found = document.find(name);
    return found != document.end() && found->is_string() ? found->get<std::string>() : "";
}

HttpRequest near_request(std::string method, std::string url) {
    HttpRequest request;
    request.method = std::move(method);
    request.url = std::move(url);
    request.reply_bytes_max = kReplyBytesMax;
    request.first_byte_max = kNearReplyMax;
    return request;
}

Error refused(const std::string& source, const HttpReply& reply, std::string hint) {
    return with_hint(
        fail(Code::store, "{} gives no credentials: it answered {}", source, reply.status),
        std::move(hint));
}

// "Container credential provider": plain http only to this machine and to these two.
Status check_full_uri(const std::string& uri) {
    ASB_TRY(const auto url, parse_http_url(uri));
    constexpr std::array<std::string_view, 3> kContainerHosts = {"169.254.170.2", "169.254.170.23",
                                                                 "[fd00:ec2::23]"};
    const bool is_container = std::find(kContainerHosts.begin(), kContainerHosts.end(), url.host) !=
                              kContainerHosts.end();
    if (url.scheme == "https" || url.is_loopback() || is_container) return {};
    return with_hint(
        fail(Code::usage, "AWS_CONTAINER_CREDENTIALS_FULL_URI names {} without https", url.host),
        "credentials are asked for without https only on this machine and at ECS's and EKS's own "
        "addresses");
}

class ContainerProvider : public Provider {
  public:
    explicit ContainerProvider(const ProviderContext& context) : context_(context) {}

    Result<std::optional<Credentials>> find() override {
        ASB_TRY(const auto url, url_to_ask());
        if (url.empty()) return std::optional<Credentials>();
        auto request = near_request("GET", url);
        ASB_TRY(const auto token, authorization());
        if (!token.empty()) request.headers.add("authorization", token.reveal());
        ASB_TRY(const auto reply, ask(context_, request));
        const std::string source = "the container's credential endpoint";
        if (reply.status != 200)
            return refused(source, reply,
                           "look at the task's or the pod's role, and at "
                           "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE");
        ASB_TRY(auto credentials, parse_metadata_credentials(reply.body, source));
        return std::optional(std::move(credentials));
    }

    [[nodiscard]] std::string looked_at() const override {
        return "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI and _FULL_URI (not set)";
    }

  private:
    Result<std::string> url_to_ask() {
        const auto& relative = context_.settings.text("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI");
        if (!relative.empty()) return fmt::format("http://169.254.170.2{}", relative);
        const auto& full = context_.settings.text("AWS_CONTAINER_CREDENTIALS_FULL_URI");
        if (!full.empty()) ASB_CHECK(check_full_uri(full));
        return full;
    }

    // The file is read anew each time: EKS renews it.
    Result<Secret> authorization() {
        const auto& file = context_.settings.text("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE");
        if (file.empty())
            return Secret(context_.settings.text("AWS_CONTAINER_AUTHORIZATION_TOKEN"));
        auto text = read_file(file, kTokenBytesMax);
        if (!text)
            return with_hint(
                fail(Code::usage, "{}", text.error().fact),
                "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE must be readable to this user");
        const Secret whole(std::move(*text));
        return Secret(std::string(trim(whole.reveal())));
    }

    const ProviderContext context_;
};

// IMDSv2 only: version 1 gives credentials to whoever can make the machine send a GET.
class InstanceProvider : public Provider {
  public:
    explicit InstanceProvider(const ProviderContext& context) : context_(context) {
        // A service that is not there must not hold up a run.
        context_.retry.tries_max = 2;
        context_.retry.total_max = std::chrono::milliseconds(3'000);
    }

    Result<std::optional<Credentials>> find() override {
        if (context_.settings.flag("AWS_EC2_METADATA_DISABLED"))
            return std::optional<Credentials>();
        auto asked = near_request("PUT", url("/latest/api/token"));
        asked.headers.add("x-aws-ec2-metadata-token-ttl-seconds", "21600");
        const auto reply = ask(context_, asked);
        if (!reply && reply.error().code == Code::interrupted) return reply.error();
        // No such service, or one that is not Amazon's: not a machine of EC2.
        if (!reply || reply->status != 200) return std::optional<Credentials>();
        const Secret token(reply->body);
        const std::string path = "/latest/meta-data/iam/security-credentials/";
        ASB_TRY(const auto role, get(path, token));
        if (role.status == 404) return std::optional<Credentials>();  // no role is attached
        if (role.status != 200) return failed(role);
        const auto name = trim(std::string_view(role.body).substr(0, role.body.find('\n')));
        ASB_TRY(const auto answer, get(fmt::format("{}{}", path, percent_encode(name)), token));
        if (answer.status != 200) return failed(answer);
        ASB_TRY(auto credentials,
                parse_metadata_credentials(
                    answer.body, fmt::format("the role '{}' of this machine", printable(name))));
        return std::optional(std::move(credentials));
    }

    [[nodiscard]] std::string looked_at() const override {
        return context_.settings.flag("AWS_EC2_METADATA_DISABLED")
                   ? "the machine's metadata service (AWS_EC2_METADATA_DISABLED)"
                   : "the machine's metadata service (not there, or without a role)";
    }

  private:
    [[nodiscard]] std::string url(std::string_view path) const {
        std::string base = context_.settings.text("AWS_EC2_METADATA_SERVICE_ENDPOINT");
        if (base.empty()) base = "http://169.254.169.254";
        while (base.back() == '/') base.pop_back();
        return fmt::format("{}{}", base, path);
    }

    Result<HttpReply> get(const std::string& path, const Secret& token) {
        auto request = near_request("GET", url(path));
        request.headers.add("x-aws-ec2-metadata-token", token.reveal());
        return ask(context_, request);
    }

    static Error failed(const HttpReply& reply) {
        return refused("the machine's metadata service", reply,
                       "look at the instance profile, or set AWS_EC2_METADATA_DISABLED=true and "
                       "give other credentials");
    }

    ProviderContext context_;
};

}  // namespace

Result<Credentials> parse_metadata_credentials(std::string_view body, const std::string& source) {
    const auto bad = [&](std::string_view what) {
        return with_hint(fail(Code::store, "{} gives no credentials: {}", source, what),
                         "look at what answers there");
    };
    const auto document = parse_json(body, source);
    if (!document || !document->is_object()) return bad("its answer is not a JSON object");
    const auto code = text_at(*document, "Code");
    if (!code.empty() && code != "Success") return bad(printable(code));
    Credentials credentials;
    credentials.access_key_id = text_at(*document, "AccessKeyId");
    credentials.secret_access_key = Secret(text_at(*document, "SecretAccessKey"));
    credentials.session_token = Secret(text_at(*document, "Token"));
    credentials.source = source;
    if (credentials.access_key_id.empty() || credentials.secret_access_key.empty())
        return bad("its answer has no key");
    const auto expires = text_at(*document, "Expiration");
    credentials.expires = remote::parse_rfc3339(expires);
    if (!expires.empty() && !credentials.expires) return bad("its Expiration is not a time");
    return credentials;
}

Result<HttpReply> ask(const ProviderContext& context, const HttpRequest& request) {
    Tries tries(context.retry, context.stop);
    while (true) {
        auto reply = context.http->send(request);
        if (reply && !is_passing_status(reply->status)) return reply;
        if (!reply && !reply.error().retryable) return reply;
        const auto error =
            reply ? fail(Code::store, "the server of credentials answered {}", reply->status)
                  : reply.error();
        const auto wanted = reply ? retry_after(*reply, now()) : std::nullopt;
        ASB_CHECK(tries.wait(error, wanted));
    }
}

std::unique_ptr<Provider> container_provider(const ProviderContext& context) {
    return std::make_unique<ContainerProvider>(context);
}

std::unique_ptr<Provider> instance_provider(const ProviderContext& context) {
    return std::make_unique<InstanceProvider>(context);
}

}  // namespace asb::s3
