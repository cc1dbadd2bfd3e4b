#include "store/gcs/credentials.hpp"

#include <unistd.h>

#include <cstdlib>

#include "base/bytes.hpp"
#include "base/json.hpp"
#include "base/text.hpp"
#include "io/file.hpp"
#include "net/http.hpp"

namespace asb::gcs {
namespace {

constexpr std::size_t kFileBytesMax = 256 * kKiB;  // Google's are below 4 KiB
constexpr const char* kGoogleTokenUri = "https://oauth2.googleapis.com/token";
constexpr const char* kMetadataHost = "metadata.google.internal";

// A credentials document, with the errors that its fields can have.
class Document {
  public:
    Document(const Json& json, std::string what) : json_(json), what_(std::move(what)) {}

    [[nodiscard]] Error bad(std::string_view problem) const {
        return with_hint(fail(Code::usage, "{} {}", what_, problem),
                         "make it with `gcloud iam service-accounts keys create`, `gcloud auth "
                         "application-default login` or `gcloud iam workload-identity-pools "
                         "create-cred-config`");
    }

    // Empty when it is missing.
    [[nodiscard]] Result<std::string> optional(const char* name) const {
        const auto found = json_.find(name);
        if (found == json_.end() || found->is_null()) return std::string();
        if (!found->is_string() || !is_utf8(found->get_ref<const std::string&>()))
            return bad(fmt::format("has a {} that is no text", name));
        return found->get<std::string>();
    }

    [[nodiscard]] Result<std::string> required(const char* name) const {
        ASB_TRY(auto value, optional(name));
        if (value.empty()) return bad(fmt::format("has no {}", name));
        return value;
    }

    // Empty when it is missing. A token must not go out in clear text.
    [[nodiscard]] Result<std::string> url(const char* name) const {
        ASB_TRY(auto value, optional(name));
        if (value.empty()) return value;
        const auto url = parse_http_url(value);
        if (!url.ok()) return bad(fmt::format("has a {} that is no URL", name));
        if (url->scheme != "https" && !url->is_loopback() && name != std::string_view("url"))
            return bad(fmt::format("has a {} that is not https", name));
        return value;
    }

    [[nodiscard]] Result<std::string> required_url(const char* name) const {
        ASB_CHECK(required(name));
        return url(name);
    }

    // An object, or none.
    [[nodiscard]] const Json* object(const char* name) const {
        const auto found = json_.find(name);
        return found != json_.end() && found->is_object() ? &*found : nullptr;
    }

    [[nodiscard]] const std::string& what() const { return what_; }

  private:
    const Json& json_;
    std::string what_;
};

Result<std::string> token_uri(const Document& document) {
    ASB_TRY(auto uri, document.url("token_uri"));
    if (uri.empty()) uri = kGoogleTokenUri;
    return uri;
}

Result<Credentials> service_account(const Document& document) {
    ServiceAccount account;
    ASB_TRY(account.email, document.required("client_email"));
    ASB_TRY(account.key_id, document.optional("private_key_id"));
    ASB_TRY(auto key, document.required("private_key"));
    account.private_key = Secret(std::move(key));
    ASB_TRY(account.token_uri, token_uri(document));
    return Credentials(std::move(account));
}

Result<Credentials> authorized_user(const Document& document) {
    AuthorizedUser user;
    ASB_TRY(user.client_id, document.required("client_id"));
    ASB_TRY(auto secret, document.required("client_secret"));
    user.client_secret = Secret(std::move(secret));
    ASB_TRY(auto token, document.required("refresh_token"));
    user.refresh_token = Secret(std::move(token));
    ASB_TRY(user.token_uri, token_uri(document));
    return Credentials(std::move(user));
}

// How the subject token stands in what the source gives.
Status read_format(const Json& source, const Document& document, ExternalAccount& account) {
    const auto format = source.find("format");
    if (format == source.end() || !format->is_object()) return {};
    const Document fields(*format, document.what() + " in credential_source.format");
    ASB_TRY(const auto type, fields.optional("type"));
    if (type != "json") return {};
    ASB_TRY(account.field, fields.required("subject_token_field_name"));
    return {};
}

Status read_headers(const Json& source, const Document& document, ExternalAccount& account) {
    const auto headers = source.find("headers");
    if (headers == source.end() || !headers->is_object()) return {};
    account.headers.reserve(headers->size());
    for (const auto& [name, value] : headers->items()) {
        if (!value.is_string()) return document.bad("has a header in it that is no text");
        account.headers.emplace_back(name, value.get<std::string>());
    }
    return {};
}

Result<Credentials> external_account(const Document& document) {
    ExternalAccount account;
    ASB_TRY(account.audience, document.required("audience"));
    ASB_TRY(account.subject_token_type, document.required("subject_token_type"));
    ASB_TRY(account.token_url, document.required_url("token_url"));
    ASB_TRY(account.impersonation_url, document.url("service_account_impersonation_url"));
    const Json* source = document.object("credential_source");
    if (source == nullptr) return document.bad("has no credential_source");
    const Document fields(*source, document.what() + " in credential_source");
    if (source->contains("environment_id") || source->contains("executable"))
        return document.bad(
            "takes its token from AWS or from a program: only a file or a URL works");
    ASB_TRY(account.file, fields.optional("file"));
    ASB_TRY(account.url, fields.url("url"));
    if (account.file.empty() == account.url.empty())
        return fields.bad("must have a file or a url, and not both");
    ASB_CHECK(read_format(*source, document, account));
    ASB_CHECK(read_headers(*source, document, account));
    return Credentials(std::move(account));
}

Result<Credentials> read_credentials(const std::string& path) {
    auto text = read_file(path, kFileBytesMax);
    if (!text.ok())
        return with_hint(Error{.code = Code::usage, .fact = text.error().fact},
                         "GOOGLE_APPLICATION_CREDENTIALS names a credentials file of Google that "
                         "this user may read");
    const Secret secret(std::move(*text));
    return parse_credentials(secret.reveal(), path);
}

std::string environment(const char* name) {
    const char* text = std::getenv(name);  // NOLINT(concurrency-mt-unsafe): nobody calls setenv
    return text == nullptr ? std::string() : text;
}

// Where gcloud keeps the file that `gcloud auth application-default login` writes; empty without a
// home.
std::string default_file() {
    auto folder = environment("CLOUDSDK_CONFIG");
    if (folder.empty()) {
        folder = environment("HOME");
        if (folder.empty()) return {};
        folder += "/.config/gcloud";
    }
    return folder + "/application_default_credentials.json";
}

struct Describe {
    std::string operator()(const Anonymous& /*nobody*/) const { return "nobody"; }
    std::string operator()(const ServiceAccount& account) const {
        return "the service account " + printable(account.email);
    }
    std::string operator()(const AuthorizedUser& /*user*/) const {
        return "the user of gcloud's application-default login";
    }
    std::string operator()(const ExternalAccount& account) const {
        return "the workload identity " + printable(account.audience);
    }
    std::string operator()(const InstanceAccount& account) const {
        return "the service account of this machine, from " + printable(account.host);
    }
};

}  // namespace

Result<Credentials> parse_credentials(std::string_view text, const std::string& what) {
    const auto json = parse_json(text, what);
    if (!json.ok() || !json->is_object())
        return Document(Json(), what).bad("is no credentials file: it is not a JSON object");
    const Document document(*json, what);
    ASB_TRY(const auto type, document.required("type"));
    if (type == "service_account") return service_account(document);
    if (type == "authorized_user") return authorized_user(document);
    if (type == "external_account") return external_account(document);
    return document.bad(fmt::format("has the type '{}', which is not supported", printable(type)));
}

Result<Credentials> find_credentials(const Settings& settings) {
    const auto& named = settings.text("GOOGLE_APPLICATION_CREDENTIALS");
    if (!named.empty()) return read_credentials(named);
    if (!settings.text("STORAGE_EMULATOR_HOST").empty()) return Credentials(Anonymous{});
    const auto file = default_file();
    if (!file.empty() && access(file.c_str(), F_OK) == 0) return read_credentials(file);
    const auto& host = settings.text("GCE_METADATA_HOST");
    return Credentials(InstanceAccount{host.empty() ? kMetadataHost : host});
}

std::string describe(const Credentials& credentials) {
    return std::visit(Describe(), credentials);
}

}  // namespace asb::gcs
