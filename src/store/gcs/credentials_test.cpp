#include "store/gcs/credentials.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "base/json.hpp"
#include "base/text.hpp"
#include "store/gcs/test_key.hpp"

namespace asb::gcs {
namespace {

using testing::HasSubstr;
using testing::Not;

Json service_account_document() {
    return {{"type", "service_account"},
            {"client_email", "backup@project.iam.gserviceaccount.com"},
            {"private_key_id", "key-1"},
            {"private_key", test_key_pem()},
            {"token_uri", "https://oauth2.googleapis.com/token"}};
}

template <typename T>
T parse_as(const Json& document) {
    auto credentials = parse_credentials(document.dump(), "/keys/a.json");
    EXPECT_TRUE(credentials.ok()) << to_text(credentials.error());
    const T* wanted = credentials.ok() ? std::get_if<T>(&*credentials) : nullptr;
    EXPECT_NE(wanted, nullptr);
    return wanted == nullptr ? T{} : *wanted;
}

std::string refusal(const Json& document) {
    const auto credentials = parse_credentials(document.dump(), "/keys/a.json");
    EXPECT_FALSE(credentials.ok());
    EXPECT_EQ(credentials.error().code, Code::usage);
    EXPECT_THAT(to_text(credentials.error()), Not(HasSubstr("PRIVATE")));
    return credentials.error().fact;
}

TEST(GcsCredentials, SignsAnAssertionThatThePublicKeyVerifies) {
    const auto account = parse_as<ServiceAccount>(service_account_document());
    const Instant at{std::chrono::seconds(1'700'000'000)};
    const auto assertion = signed_assertion(account, "https://scope", at);
    ASSERT_TRUE(assertion.ok()) << to_text(assertion.error());
    const auto parts = split(assertion->reveal(), '.');
    ASSERT_EQ(parts.size(), 3U);
    EXPECT_TRUE(is_signed(parts[0] + "." + parts[1], from_base64_url(parts[2])));
    EXPECT_FALSE(is_signed(parts[0] + "." + parts[1] + "x", from_base64_url(parts[2])));
    EXPECT_EQ(Json::parse(from_base64_url(parts[0])),
              (Json{{"alg", "RS256"}, {"typ", "JWT"}, {"kid", "key-1"}}));
    EXPECT_EQ(Json::parse(from_base64_url(parts[1])),
              (Json{{"iss", "backup@project.iam.gserviceaccount.com"},
                    {"scope", "https://scope"},
                    {"aud", "https://oauth2.googleapis.com/token"},
                    {"iat", 1'700'000'000},
                    {"exp", 1'700'003'600}}));
}

TEST(GcsCredentials, SaysThatAKeyIsNone) {
    auto document = service_account_document();
    document["private_key"] = "-----BEGIN PRIVATE KEY-----\nsecret\n-----END PRIVATE KEY-----\n";
    const auto account = parse_as<ServiceAccount>(document);
    const auto assertion = signed_assertion(account, "https://scope", now());
    ASSERT_FALSE(assertion.ok());
    EXPECT_EQ(assertion.error().fact,
              "the private key of backup@project.iam.gserviceaccount.com cannot be used: it is no "
              "RSA key in PEM");
    EXPECT_THAT(assertion.error().hint, HasSubstr("gcloud iam service-accounts keys create"));
}

TEST(GcsCredentials, ReadsWhatGcloudsLoginWrites) {
    const auto user = parse_as<AuthorizedUser>({{"type", "authorized_user"},
                                                {"client_id", "id"},
                                                {"client_secret", "secret"},
                                                {"refresh_token", "refresh"},
                                                {"quota_project_id", nullptr}});
    EXPECT_EQ(user.client_id, "id");
    EXPECT_EQ(user.client_secret.reveal(), "secret");
    EXPECT_EQ(user.refresh_token.reveal(), "refresh");
    EXPECT_EQ(user.token_uri, "https://oauth2.googleapis.com/token");
}

Json workload_document(const Json& source) {
    return {{"type", "external_account"},
            {"audience", "//iam.googleapis.com/projects/1/pool"},
            {"subject_token_type", "urn:ietf:params:oauth:token-type:jwt"},
            {"token_url", "https://sts.googleapis.com/v1/token"},
            {"credential_source", source}};
}

TEST(GcsCredentials, ReadsAWorkloadIdentity) {
    const auto file = parse_as<ExternalAccount>(workload_document({{"file", "/var/run/token"}}));
    EXPECT_EQ(file.file, "/var/run/token");
    EXPECT_EQ(file.field, "");
    const auto url = parse_as<ExternalAccount>(workload_document(
        {{"url", "http://169.254.169.254/token"},
         {"headers", {{"Metadata", "True"}}},
         {"format", {{"type", "json"}, {"subject_token_field_name", "access_token"}}}}));
    EXPECT_EQ(url.url, "http://169.254.169.254/token");
    EXPECT_EQ(url.headers,
              (std::vector<std::pair<std::string, std::string>>{{"Metadata", "True"}}));
    EXPECT_EQ(url.field, "access_token");
}

TEST(GcsCredentials, NamesWhatIsWrongWithADocument) {
    EXPECT_EQ(refusal(Json::array()),
              "/keys/a.json is no credentials file: it is not a JSON object");
    EXPECT_EQ(refusal(Json::object()), "/keys/a.json has no type");
    EXPECT_EQ(refusal({{"type", "gdch_service_account"}}),
              "/keys/a.json has the type 'gdch_service_account', which is not supported");
    auto document = service_account_document();
    document["token_uri"] = "http://tokens.example/token";
    EXPECT_EQ(refusal(document), "/keys/a.json has a token_uri that is not https");
    document["token_uri"] = "oauth2.googleapis.com";
    EXPECT_EQ(refusal(document), "/keys/a.json has a token_uri that is no URL");
    document.erase("client_email");
    EXPECT_EQ(refusal(document), "/keys/a.json has no client_email");
    document["client_email"] = 7;
    EXPECT_EQ(refusal(document), "/keys/a.json has a client_email that is no text");
    EXPECT_THAT(refusal(workload_document(Json::object())), HasSubstr("a file or a url"));
    EXPECT_THAT(refusal(workload_document({{"environment_id", "aws1"}})), HasSubstr("from AWS"));
}

TEST(GcsCredentials, TakesATokenEndpointOfThisMachineWithoutTls) {
    auto document = service_account_document();
    document["token_uri"] = "http://127.0.0.1:8080/token";
    EXPECT_EQ(parse_as<ServiceAccount>(document).token_uri, "http://127.0.0.1:8080/token");
}

}  // namespace
}  // namespace asb::gcs
