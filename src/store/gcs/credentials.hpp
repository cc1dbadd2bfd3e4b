#pragma once
// Why this exists: who we are to Google can come from five places, and is looked for in the order
// of Google's own libraries ("How Application Default Credentials works"), so that what works with
// gcloud works here.

#include <chrono>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "base/clock.hpp"
#include "base/result.hpp"
#include "base/secret.hpp"
#include "base/settings.hpp"

namespace asb::gcs {

// Nobody: an emulator asks for no token.
struct Anonymous {};

// "type": "service_account", a key of its own.
struct ServiceAccount {
    std::string email;
    std::string key_id;
    Secret private_key;  // PEM
    std::string token_uri;
};

// "type": "authorized_user": what `gcloud auth application-default login` writes.
struct AuthorizedUser {
    std::string client_id;
    Secret client_secret;
    Secret refresh_token;
    std::string token_uri;
};

// "type": "external_account": workload identity federation. The subject token comes from `file` or
// from `url`, whole or as one field of a JSON document.
struct ExternalAccount {
    std::string audience;
    std::string subject_token_type;
    std::string token_url;
    std::string impersonation_url;  // empty: the federated token itself is used
    std::string file;
    std::string url;
    std::vector<std::pair<std::string, std::string>> headers;  // sent to `url`
    std::string field;                                         // empty: the whole text
};

// The service account of the machine, pod or function that this runs on.
struct InstanceAccount {
    std::string host;  // of the metadata server
};

using Credentials =
    std::variant<Anonymous, ServiceAccount, AuthorizedUser, ExternalAccount, InstanceAccount>;

// The document of a credentials file; `what` names it in errors, which never hold any of its
// values that are secret. Every URL in it must be https, or on this machine.
Result<Credentials> parse_credentials(std::string_view text, const std::string& what);

// GOOGLE_APPLICATION_CREDENTIALS; nobody when STORAGE_EMULATOR_HOST is set; gcloud's
// application_default_credentials.json in $CLOUDSDK_CONFIG or $HOME/.config/gcloud; the metadata
// server.
Result<Credentials> find_credentials(const Settings& settings);

// For people: "service account backup@project.iam.gserviceaccount.com".
std::string describe(const Credentials& credentials);

// What a service account shows for an access token: a JSON Web Token (RFC 7519) that asks for
// `scope`, signed with its key by RS256, good for an hour from `at` on ("Using OAuth 2.0 for Server
// to Server Applications"). `usage` when the key is none.
Result<Secret> signed_assertion(const ServiceAccount& account, std::string_view scope, Instant at);

}  // namespace asb::gcs
