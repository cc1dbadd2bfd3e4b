#include "store/gcs/tokens.hpp"

#include <algorithm>

#include "base/json.hpp"
#include "base/text.hpp"
#include "io/file.hpp"

namespace asb::gcs {
namespace {

// "OAuth 2.0 Scopes for Google APIs": objects of Cloud Storage, without the right to share them.
constexpr const char* kStorageScope = "https://www.googleapis.com/auth/devstorage.read_write";
// What the IAM Credentials API asks of who wants to act as a service account.
constexpr const char* kPlatformScope = "https://www.googleapis.com/auth/cloud-platform";
constexpr std::size_t kReplyBytesMax = 256 * kKiB;
constexpr std::size_t kSubjectBytesMax = 64 * kKiB;
// Google's libraries renew a token when it has less than five minutes left; one that was short from
// the start, at half its life.
constexpr std::chrono::seconds kRenewBefore{300};

using Form = std::vector<std::pair<std::string_view, std::string_view>>;

// application/x-www-form-urlencoded; holds secrets.
Secret encode_form(const Form& form) {
    std::string text;
    for (const auto& [name, value] : form) {
        if (!text.empty()) text += '&';
        text += name;
        text += '=';
        text += percent_encode(value);
    }
    return Secret(std::move(text));
}

std::string host_of(const std::string& url) {
    const auto parsed = parse_http_url(url);
    return parsed.ok() ? parsed->authority() : "the token endpoint";
}

std::string hint_of(const ErrorReply& error, int status) {
    if (error.reason == "invalid_grant")
        return "compare this machine's clock with the true time; if it is right, the key was "
               "deleted or the login was revoked: make a new one";
    if (error.reason == "invalid_client" || error.reason == "unauthorized_client")
        return "the credentials are not known to Google: make new ones";
    if (status == 403)
        return "grant roles/iam.workloadIdentityUser or roles/iam.serviceAccountTokenCreator on "
               "the "
               "service account";
    if (status == 404)
        return "this machine, pod or function has no service account: give it one, or set "
               "GOOGLE_APPLICATION_CREDENTIALS";
    return "look at the credentials that GOOGLE_APPLICATION_CREDENTIALS names";
}

Error refusal(const std::string& url, const HttpReply& reply) {
    const auto error = parse_error(reply.body);
    auto fact = fail(Code::store, "{} gave no access token: {}", host_of(url), reply.status);
    for (const auto& text : {error.reason, error.message})
        if (!text.empty()) fact.fact += fmt::format(", {}", text);
    fact.retryable = is_passing_status(reply.status);
    return with_hint(std::move(fact), hint_of(error, reply.status));
}

Result<HttpReply> ask(HttpRequest request, const Send& send) {
    request.reply_bytes_max = kReplyBytesMax;
    ASB_TRY(auto reply, send(request));
    if (reply.status != 200) return refusal(request.url, reply);
    return reply;
}

Result<TokenReply> ask_with_form(const std::string& url, const Form& form, const Send& send) {
    const auto body = encode_form(form);
    auto request = make_request("POST", url);
    request.headers.set("Content-Type", "application/x-www-form-urlencoded");
    request.body = as_bytes(body.reveal());
    ASB_TRY(auto reply, ask(std::move(request), send));
    const Secret text(std::move(reply.body));
    return parse_token(text.reveal());
}

// The token that the workload's own platform gives it.
Result<Secret> subject_token(const ExternalAccount& account, const Send& send) {
    std::string text;
    const auto& source = account.file.empty() ? account.url : account.file;
    if (!account.file.empty()) {
        auto read = read_file(account.file, kSubjectBytesMax);
        if (!read.ok())
            return with_hint(Error{.code = Code::store, .fact = read.error().fact},
                             "the platform writes the workload's token into that file: look at the "
                             "volume that holds it");
        text = std::move(*read);
    } else {
        auto request = make_request("GET", account.url);
        for (const auto& [name, value] : account.headers) request.headers.set(name, value);
        ASB_TRY(auto reply, ask(std::move(request), send));
        text = std::move(reply.body);
    }
    const Secret whole(std::move(text));
    if (account.field.empty()) return Secret(std::string(trim(whole.reveal())));
    const auto json = parse_json(whole.reveal(), "it");
    if (!json.ok() || !json->is_object() || !json->contains(account.field) ||
        !json->at(account.field).is_string())
        return fail(Code::store, "{} holds no field '{}' with the workload's token",
                    printable(source), printable(account.field));
    return Secret(json->at(account.field).get<std::string>());
}

Result<TokenReply> impersonate(const ExternalAccount& account, const Secret& federated,
                               const Send& send) {
    const auto body =
        canonical(Json{{"scope", Json::array({kStorageScope})}, {"lifetime", "3600s"}});
    auto request = make_request("POST", account.impersonation_url);
    request.headers.set("Content-Type", "application/json");
    request.headers.set("Authorization", "Bearer " + federated.reveal());
    request.body = as_bytes(body);
    ASB_TRY(auto reply, ask(std::move(request), send));
    const Secret text(std::move(reply.body));
    return parse_impersonated_token(text.reveal(), now());
}

struct Fetch {
    const Send& send;

    Result<TokenReply> operator()(const Anonymous& /*nobody*/) const {
        return fail(Code::failed, "nobody has an access token");
    }

    Result<TokenReply> operator()(const ServiceAccount& account) const {
        ASB_TRY(const auto assertion, signed_assertion(account, kStorageScope, now()));
        return ask_with_form(account.token_uri,
                             {{"grant_type", "urn:ietf:params:oauth:grant-type:jwt-bearer"},
                              {"assertion", assertion.reveal()}},
                             send);
    }

    Result<TokenReply> operator()(const AuthorizedUser& user) const {
        return ask_with_form(user.token_uri,
                             {{"grant_type", "refresh_token"},
                              {"client_id", user.client_id},
                              {"client_secret", user.client_secret.reveal()},
                              {"refresh_token", user.refresh_token.reveal()}},
                             send);
    }

    Result<TokenReply> operator()(const ExternalAccount& account) const {
        ASB_TRY(const auto subject, subject_token(account, send));
        const bool impersonates = !account.impersonation_url.empty();
        ASB_TRY(auto federated,
                ask_with_form(
                    account.token_url,
                    {{"grant_type", "urn:ietf:params:oauth:grant-type:token-exchange"},
                     {"audience", account.audience},
                     {"scope", impersonates ? kPlatformScope : kStorageScope},
                     {"requested_token_type", "urn:ietf:params:oauth:token-type:access_token"},
                     {"subject_token_type", account.subject_token_type},
                     {"subject_token", subject.reveal()}},
                    send));
        if (!impersonates) return federated;
        return impersonate(account, federated.token, send);
    }

    // "View and query VM metadata": the header shows both sides that nobody was led astray.
    Result<TokenReply> operator()(const InstanceAccount& account) const {
        auto request = make_request(
            "GET",
            fmt::format(
                "http://{}/computeMetadata/v1/instance/service-accounts/default/token?scopes={}",
                account.host, percent_encode(kStorageScope)));
        request.headers.set("Metadata-Flavor", "Google");
        auto reply = ask(std::move(request), send);
        if (!reply.ok())
            return with_hint(reply.error().within("no credentials file is named, and Google's "
                                                  "metadata server gives none"),
                             "outside Google Cloud, set GOOGLE_APPLICATION_CREDENTIALS to a "
                             "credentials file of Google");
        if (reply->headers.get("Metadata-Flavor") != "Google")
            return with_hint(fail(Code::store, "{} is not Google's metadata server", account.host),
                             "set GOOGLE_APPLICATION_CREDENTIALS to a credentials file of Google");
        const Secret text(std::move(reply->body));
        return parse_token(text.reveal());
    }
};

// A metadata server is near, or not there at all: outside Google Cloud nobody should wait for it.
constexpr int kMetadataTriesMax = 5;

RetryPolicy policy_for(const Credentials& credentials, RetryPolicy policy) {
    if (std::holds_alternative<InstanceAccount>(credentials))
        policy.tries_max = std::min(policy.tries_max, kMetadataTriesMax);
    return policy;
}

}  // namespace

HttpRequest make_request(std::string method, std::string url) {
    HttpRequest request;
    request.method = std::move(method);
    request.url = std::move(url);
    return request;
}

Result<TokenReply> fetch_token(const Credentials& credentials, const Send& send) {
    return std::visit(Fetch{send}, credentials);
}

Tokens::Tokens(Credentials credentials, RetryPolicy retry, StopToken stop)
    : credentials_(std::move(credentials)),
      retry_(policy_for(credentials_, retry)),
      stop_(std::move(stop)) {}

bool Tokens::anonymous() const {
    return std::holds_alternative<Anonymous>(credentials_);
}

Result<TokenReply> Tokens::fetch(const Send& send, bool despite_stop) {
    Tries tries(retry_, stop_);
    while (true) {
        auto token = fetch_token(credentials_, send);
        if (token.ok() || despite_stop || !token.error().retryable) return token;
        ASB_CHECK(tries.wait(token.error()));
    }
}

Result<Secret> Tokens::current(const Send& send, bool despite_stop) {
    const UniqueLock lock(mutex_);
    const auto time = std::chrono::steady_clock::now();
    if (kept_ && time < kept_->renew) return kept_->token;
    auto fresh = fetch(send, despite_stop);
    if (fresh.ok()) {
        const auto margin = std::min(kRenewBefore, fresh->life / 2);
        kept_ = Kept{std::move(fresh->token), time + fresh->life - margin, time + fresh->life};
        return kept_->token;
    }
    if (kept_ && time < kept_->end && fresh.error().code != Code::interrupted) return kept_->token;
    auto error = fresh.error().within("Google Cloud Storage needs an access token");
    if (!despite_stop) error.retryable = false;  // it has been tried often enough
    return error;
}

void Tokens::refused(const Secret& token) {
    const UniqueLock lock(mutex_);
    if (kept_ && kept_->token.reveal() == token.reveal()) kept_.reset();
}

}  // namespace asb::gcs
