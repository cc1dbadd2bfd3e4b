#include "base/text.hpp"
#include "io/file.hpp"
#include "store/s3/credentials/provider.hpp"
#include "store/s3/endpoint.hpp"
#include "store/s3/replies.hpp"

namespace asb::s3 {
namespace {

// "AssumeRoleWithWebIdentity" of the STS API reference: at most 20,000 characters.
constexpr std::size_t kIdentityTokenBytesMax = 20'000;
constexpr std::size_t kStsReplyBytesMax = 256 * kKiB;

std::string sts_url(const Settings& settings) {
    if (!settings.text("AWS_ENDPOINT_URL_STS").empty())
        return settings.text("AWS_ENDPOINT_URL_STS");
    for (const std::string& region :
         {settings.text("AWS_REGION"), settings.text("AWS_DEFAULT_REGION"),
          profile_region(settings)})
        if (!region.empty()) return fmt::format("https://{}/", amazon_host("sts", region));
    return "https://sts.amazonaws.com/";
}

Error role_error(const WebIdentity& identity, const HttpReply& reply) {
    const auto told = parse_error(reply.body).value_or(ErrorReply());
    auto error =
        fail(Code::store, "cannot assume the role {} with {}: the token service answered {}",
             printable(identity.role_arn), identity.token_file, reply.status);
    for (const auto& text : {told.code, told.message, told.request_id})
        if (!text.empty()) error.fact += fmt::format(", {}", printable(text));
    return with_hint(std::move(error),
                     "look at the role's trust policy, at the service account's annotation, and "
                     "whether the token is renewed");
}

class WebIdentityProvider : public Provider {
  public:
    explicit WebIdentityProvider(const ProviderContext& context) : context_(context) {}

    Result<std::optional<Credentials>> find() override {
        const auto& settings = context_.settings;
        const auto& token_file = settings.text("AWS_WEB_IDENTITY_TOKEN_FILE");
        const auto& role = settings.text("AWS_ROLE_ARN");
        if (token_file.empty()) return std::optional<Credentials>();
        if (role.empty())
            return with_hint(
                fail(Code::usage, "AWS_WEB_IDENTITY_TOKEN_FILE is set, but not AWS_ROLE_ARN"),
                "set AWS_ROLE_ARN to the role that the token is for");
        ASB_TRY(auto credentials,
                assume_role(context_, {.role_arn = role,
                                       .token_file = token_file,
                                       .session_name = settings.text("AWS_ROLE_SESSION_NAME"),
                                       .source = fmt::format("the role {}", printable(role))}));
        return std::optional(std::move(credentials));
    }

    [[nodiscard]] std::string looked_at() const override {
        return "AWS_WEB_IDENTITY_TOKEN_FILE (not set)";
    }

  private:
    const ProviderContext context_;
};

}  // namespace

Result<Credentials> assume_role(const ProviderContext& context, const WebIdentity& identity) {
    auto text = read_file(identity.token_file, kIdentityTokenBytesMax);
    if (!text)
        return with_hint(fail(Code::usage, "{}", text.error().fact),
                         "AWS_WEB_IDENTITY_TOKEN_FILE must name a token that this user may read");
    const Secret token(std::move(*text));
    const std::string session =
        identity.session_name.empty() ? "auth-service-backup" : identity.session_name;
    const Secret body(fmt::format(
        "Action=AssumeRoleWithWebIdentity&Version=2011-06-15&RoleArn={}&RoleSessionName={}"
        "&WebIdentityToken={}",
        percent_encode(identity.role_arn), percent_encode(session),
        percent_encode(trim(token.reveal()))));
    HttpRequest request;
    request.method = "POST";
    request.url = sts_url(context.settings);
    request.headers.add("content-type", "application/x-www-form-urlencoded");
    request.body = as_bytes(body.reveal());
    request.reply_bytes_max = kStsReplyBytesMax;
    ASB_TRY(const auto reply, ask(context, request));
    if (reply.status != 200) return role_error(identity, reply);
    ASB_TRY(auto role, parse_assumed_role(reply.body));
    return Credentials{.access_key_id = std::move(role.access_key_id),
                       .secret_access_key = std::move(role.secret_access_key),
                       .session_token = std::move(role.session_token),
                       .expires = role.expires,
                       .source = identity.source};
}

std::unique_ptr<Provider> web_identity_provider(const ProviderContext& context) {
    return std::make_unique<WebIdentityProvider>(context);
}

}  // namespace asb::s3
