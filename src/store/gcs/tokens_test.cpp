#include "store/gcs/tokens.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <string>
#include <thread>
#include <vector>

#include "base/json.hpp"
#include "base/text.hpp"
#include "store/gcs/test_key.hpp"

namespace asb::gcs {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

// What was asked, and what is answered, in order; the last answer again and again.
class Endpoint {
  public:
    explicit Endpoint(std::vector<HttpReply> replies) : replies_(std::move(replies)) {}

    Send send() {
        return [this](const HttpRequest& request) -> Result<HttpReply> {
            urls.push_back(request.url);
            bodies.emplace_back(as_text(request.body));
            headers.push_back(request.headers);
            const auto index = std::min(urls.size(), replies_.size()) - 1;
            return replies_[index];
        };
    }

    std::vector<std::string> urls;
    std::vector<std::string> bodies;
    std::vector<HttpHeaders> headers;

  private:
    std::vector<HttpReply> replies_;
};

HttpReply reply(int status, const Json& body) {
    HttpReply made;
    made.status = status;
    made.body = body.dump();
    return made;
}

HttpReply token_reply(const std::string& token, int life) {
    return reply(200, {{"access_token", token}, {"expires_in", life}, {"token_type", "Bearer"}});
}

AuthorizedUser user() {
    return {.client_id = "id&",
            .client_secret = Secret("client secret"),
            .refresh_token = Secret("refresh token"),
            .token_uri = "https://oauth2.googleapis.com/token"};
}

RetryPolicy quick() {
    return {.tries_max = 3,
            .wait_first = std::chrono::milliseconds(1),
            .wait_max = std::chrono::milliseconds(2)};
}

std::string token_of(Result<Secret> token) {
    return token.ok() ? token->reveal() : to_text(token.error());
}

TEST(GcsTokens, ShowsARefreshToken) {
    Endpoint endpoint({token_reply("token-1", 3600)});
    const auto token = fetch_token(user(), endpoint.send());
    ASSERT_TRUE(token.ok()) << to_text(token.error());
    EXPECT_EQ(token->token.reveal(), "token-1");
    EXPECT_EQ(token->life, std::chrono::seconds(3600));
    EXPECT_THAT(
        endpoint.bodies,
        ElementsAre("grant_type=refresh_token&client_id=id%26&client_secret=client%20secret&"
                    "refresh_token=refresh%20token"));
    EXPECT_EQ(endpoint.headers.front().get("content-type"), "application/x-www-form-urlencoded");
}

TEST(GcsTokens, ShowsASignedAssertion) {
    Endpoint endpoint({token_reply("token-1", 3600)});
    const ServiceAccount account{.email = "a@b",
                                 .key_id = "",
                                 .private_key = Secret(test_key_pem()),
                                 .token_uri = "https://oauth2.googleapis.com/token"};
    ASSERT_TRUE(fetch_token(account, endpoint.send()).ok());
    constexpr std::string_view kBegin =
        "grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Ajwt-bearer&assertion=";
    ASSERT_THAT(endpoint.bodies.front(), StartsWith(std::string(kBegin)));
    const auto parts = split(endpoint.bodies.front().substr(kBegin.size()), '.');
    ASSERT_EQ(parts.size(), 3U);
    EXPECT_TRUE(is_signed(parts[0] + "." + parts[1], from_base64_url(parts[2])));
    EXPECT_EQ(Json::parse(from_base64_url(parts[1])).at("scope"),
              "https://www.googleapis.com/auth/devstorage.read_write");
}

TEST(GcsTokens, ExchangesAWorkloadsTokenAndActsAsAServiceAccount) {
    const std::string path = testing::TempDir() + "asb-subject-token.json";
    std::ofstream(path) << R"({"access_token": "subject"})";
    const ExternalAccount account{
        .audience = "//iam.googleapis.com/pool",
        .subject_token_type = "urn:ietf:params:oauth:token-type:jwt",
        .token_url = "https://sts.googleapis.com/v1/token",
        .impersonation_url = "https://iamcredentials.googleapis.com/v1/a:generateAccessToken",
        .file = path,
        .url = "",
        .headers = {},
        .field = "access_token"};
    const auto end = to_iso8601(now() + std::chrono::seconds(1000));
    Endpoint endpoint({token_reply("federated", 3600),
                       reply(200, {{"accessToken", "final"}, {"expireTime", end}})});
    const auto token = fetch_token(account, endpoint.send());
    ASSERT_TRUE(token.ok()) << to_text(token.error());
    EXPECT_EQ(token->token.reveal(), "final");
    EXPECT_NEAR(static_cast<double>(token->life.count()), 1000, 5);
    EXPECT_THAT(endpoint.urls, ElementsAre(account.token_url, account.impersonation_url));
    EXPECT_THAT(endpoint.bodies[0], HasSubstr("&subject_token=subject"));
    EXPECT_THAT(endpoint.bodies[0], HasSubstr("auth%2Fcloud-platform&"));
    EXPECT_EQ(endpoint.headers[1].get("authorization"), "Bearer federated");
    EXPECT_EQ(
        endpoint.bodies[1],
        R"({"lifetime":"3600s","scope":["https://www.googleapis.com/auth/devstorage.read_write"]})");
}

TEST(GcsTokens, AsksTheMetadataServerAndBelievesNobodyElse) {
    auto from_google = token_reply("machine", 3600);
    from_google.headers.add("Metadata-Flavor", "Google");
    Endpoint endpoint({from_google, token_reply("stranger", 3600)});
    const InstanceAccount account{"metadata.example"};
    EXPECT_EQ(fetch_token(account, endpoint.send())->token.reveal(), "machine");
    EXPECT_EQ(endpoint.urls.front(),
              "http://metadata.example/computeMetadata/v1/instance/service-accounts/default/"
              "token?scopes=https%3A%2F%2Fwww.googleapis.com%2Fauth%2Fdevstorage.read_write");
    EXPECT_EQ(endpoint.headers.front().get("Metadata-Flavor"), "Google");
    const auto stranger = fetch_token(account, endpoint.send());
    ASSERT_FALSE(stranger.ok());
    EXPECT_EQ(stranger.error().fact, "metadata.example is not Google's metadata server");
}

TEST(GcsTokens, KeepsATokenUntilItEndsSoon) {
    Endpoint endpoint({token_reply("token-1", 3600), token_reply("token-2", 3600)});
    Tokens tokens(user(), quick(), StopToken());
    EXPECT_EQ(token_of(tokens.current(endpoint.send())), "token-1");
    EXPECT_EQ(token_of(tokens.current(endpoint.send())), "token-1");
    EXPECT_EQ(endpoint.urls.size(), 1U);
    tokens.refused(Secret("token-0"));  // somebody else's old one
    EXPECT_EQ(token_of(tokens.current(endpoint.send())), "token-1");
    tokens.refused(Secret("token-1"));
    EXPECT_EQ(token_of(tokens.current(endpoint.send())), "token-2");
}

TEST(GcsTokens, ReplacesATokenThatHasEnded) {
    Endpoint endpoint({token_reply("token-1", 0), token_reply("token-2", 3600)});
    Tokens tokens(user(), quick(), StopToken());
    EXPECT_EQ(token_of(tokens.current(endpoint.send())), "token-1");
    EXPECT_EQ(token_of(tokens.current(endpoint.send())), "token-2");
}

// Asked for at half of its two seconds.
TEST(GcsTokens, GoesOnWithTheOldTokenWhileNoNewOneIsToBeHad) {
    Endpoint endpoint({token_reply("token-1", 2), reply(503, Json::object())});
    Tokens tokens(user(), quick(), StopToken());
    EXPECT_EQ(token_of(tokens.current(endpoint.send())), "token-1");
    std::this_thread::sleep_for(std::chrono::milliseconds(1100));
    EXPECT_EQ(token_of(tokens.current(endpoint.send())), "token-1");
    EXPECT_EQ(endpoint.urls.size(), 4U);  // three tries
    std::this_thread::sleep_for(std::chrono::milliseconds(1000));
    EXPECT_THAT(token_of(tokens.current(endpoint.send())), HasSubstr("503"));
}

TEST(GcsTokens, AsksAgainAfterAFaultThatPasses) {
    Endpoint endpoint({reply(503, Json::object()), token_reply("token-1", 3600)});
    Tokens tokens(user(), quick(), StopToken());
    EXPECT_EQ(token_of(tokens.current(endpoint.send())), "token-1");
}

TEST(GcsTokens, SaysWhyThereIsNoToken) {
    Endpoint endpoint({reply(
        400, {{"error", "invalid_grant"}, {"error_description", "Invalid JWT Signature."}})});
    Tokens tokens(user(), quick(), StopToken());
    const auto token = tokens.current(endpoint.send());
    ASSERT_FALSE(token.ok());
    EXPECT_EQ(endpoint.urls.size(), 1U);
    EXPECT_EQ(token.error().code, Code::store);
    EXPECT_EQ(token.error().fact,
              "Google Cloud Storage needs an access token: oauth2.googleapis.com gave no access "
              "token: 400, invalid_grant, Invalid JWT Signature.");
    EXPECT_THAT(token.error().hint, HasSubstr("clock"));
    EXPECT_THAT(to_text(token.error()), Not(HasSubstr("refresh token")));
}

TEST(GcsTokens, SaysThatSomethingElseAnswered) {
    HttpReply page;
    page.status = 200;
    page.body = "<html>please log in</html>";
    Endpoint endpoint({page});
    const auto token = fetch_token(user(), endpoint.send());
    ASSERT_FALSE(token.ok());
    EXPECT_THAT(token.error().fact, HasSubstr("HTML or XML instead of JSON"));
}

}  // namespace
}  // namespace asb::gcs
