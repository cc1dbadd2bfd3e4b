#include "store/s3/sigv4.hpp"

#include <fmt/format.h>
#include <gmock/gmock.h>

#include <string>
#include <utility>
#include <vector>

namespace asb::s3 {
namespace {

using testing::HasSubstr;

constexpr std::string_view kNothing =
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

using Headers = std::vector<std::pair<std::string, std::string>>;

struct Vector {
    std::string name;
    std::string method;
    std::string url;
    Headers headers;
    std::string body;
    std::string signed_headers;
    std::string signature;
};

std::ostream& operator<<(std::ostream& out, const Vector& vector) {
    return out << vector.name;
}

HttpRequest request_of(const Vector& vector) {
    HttpRequest request;
    request.method = vector.method;
    request.url = vector.url;
    for (const auto& [name, value] : vector.headers) request.headers.add(name, value);
    request.body = as_bytes(vector.body);
    return request;
}

std::string digest_of(std::string_view text) {
    return to_hex(sha256(as_bytes(text)));
}

Credentials keys(std::string id, std::string secret) {
    return {.access_key_id = std::move(id),
            .secret_access_key = Secret(std::move(secret)),
            .session_token = {},
            .expires = {},
            .source = "the test"};
}

// The examples of "Signature Calculations for the Authorization Header: Transferring Payload in a
// Single Chunk" (Amazon S3 API reference): bucket examplebucket, 24 May 2013.
const std::vector<Vector> kS3Examples = {
    {"GetObject",
     "GET",
     "https://examplebucket.s3.amazonaws.com/test.txt",
     {{"Range", "bytes=0-9"}},
     "",
     "host;range;x-amz-content-sha256;x-amz-date",
     "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41"},
    {"PutObject",
     "PUT",
     "https://examplebucket.s3.amazonaws.com/test%24file.text",
     {{"Date", "Fri, 24 May 2013 00:00:00 GMT"}, {"x-amz-storage-class", "REDUCED_REDUNDANCY"}},
     "Welcome to Amazon S3.",
     "date;host;x-amz-content-sha256;x-amz-date;x-amz-storage-class",
     "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd"},
    {"GetBucketLifecycle",
     "GET",
     "https://examplebucket.s3.amazonaws.com/?lifecycle",
     {},
     "",
     "host;x-amz-content-sha256;x-amz-date",
     "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543"},
    {"ListObjects",
     "GET",
     "https://examplebucket.s3.amazonaws.com/?max-keys=2&prefix=J",
     {},
     "",
     "host;x-amz-content-sha256;x-amz-date",
     "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7"},
};

class S3Examples : public testing::TestWithParam<Vector> {};

TEST_P(S3Examples, AreSignedAsAmazonSignsThem) {
    auto request = request_of(GetParam());
    Signer signer;
    const auto time = *parse_iso8601("2013-05-24T00:00:00.000Z");
    ASSERT_TRUE(signer
                    .sign(request, sha256(request.body), {.region = "us-east-1"},
                          keys("AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"),
                          time)
                    .ok());
    EXPECT_EQ(request.headers.get("Authorization"),
              fmt::format("AWS4-HMAC-SHA256 "
                          "Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request, "
                          "SignedHeaders={}, Signature={}",
                          GetParam().signed_headers, GetParam().signature));
}

INSTANTIATE_TEST_SUITE_P(Amazon, S3Examples, testing::ValuesIn(kS3Examples),
                         [](const auto& tried) { return tried.param.name; });

// Amazon's aws-sig-v4-test-suite (30 August 2015, service "service"), those of its cases whose
// paths need no normalising, which S3 does not do.
const std::vector<Vector> kSuite = {
    {"get_vanilla",
     "GET",
     "https://example.amazonaws.com/",
     {},
     "",
     "host;x-amz-date",
     "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"},
    {"get_unreserved",
     "GET",
     "https://example.amazonaws.com/"
     "-._~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz",
     {},
     "",
     "host;x-amz-date",
     "07ef7494c76fa4850883e2b006601f940f8a34d404d0cfa977f52a65bbf5f24f"},
    {"get_vanilla_query_order_key_case",
     "GET",
     "https://example.amazonaws.com/?Param2=value2&Param1=value1",
     {},
     "",
     "host;x-amz-date",
     "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500"},
    {"get_vanilla_query_order_value",
     "GET",
     "https://example.amazonaws.com/?Param1=value2&Param1=value1",
     {},
     "",
     "host;x-amz-date",
     "5772eed61e12b33fae39ee5e7012498b51d56abc0abb7c60486157bd471c4694"},
    {"get_vanilla_utf8_query",
     "GET",
     "https://example.amazonaws.com/?%E1%88%B4=bar",
     {},
     "",
     "host;x-amz-date",
     "2cdec8eed098649ff3a119c94853b13c643bcf08f8b0a1d91e12c9027818dd04"},
    {"get_header_value_order",
     "GET",
     "https://example.amazonaws.com/",
     {{"My-Header1", "value4"},
      {"My-Header1", "value1"},
      {"My-Header1", "value3"},
      {"My-Header1", "value2"}},
     "",
     "host;my-header1;x-amz-date",
     "08c7e5a9acfcfeb3ab6b2185e75ce8b1deb5e634ec47601a50643f830c755c01"},
    {"get_header_value_trim",
     "GET",
     "https://example.amazonaws.com/",
     {{"My-Header1", " value1"}, {"My-Header2", "\"a   b   c\""}},
     "",
     "host;my-header1;my-header2;x-amz-date",
     "acc3ed3afb60bb290fc8d2dd0098b9911fcaa05412b367055dee359757a9c736"},
    {"post_x_www_form_urlencoded",
     "POST",
     "https://example.amazonaws.com/",
     {{"Content-Type", "application/x-www-form-urlencoded"}},
     "Param1=value1",
     "content-type;host;x-amz-date",
     "ff11897932ad3f4e8b18135d722051e5ac45fc38421b1da7b9d196a0fe09473a"},
    {"post_sts_header_before",
     "GET",
     "https://example.amazonaws.com/",
     {{"X-Amz-Security-Token", "6e86291e8372ff2a2260956d9b8aae1d763fbf315fa00fa31553b73ebf194267"}},
     "",
     "host;x-amz-date;x-amz-security-token",
     "07ec1639c89043aa0e3e2de82b96708f198cceab042d4a97044c66dd9f74e7f8"},
};

class SignatureSuite : public testing::TestWithParam<Vector> {};

TEST_P(SignatureSuite, IsSignedAsAmazonSignsIt) {
    auto request = request_of(GetParam());
    request.headers.set("X-Amz-Date", "20150830T123600Z");
    Signer signer;
    const auto value = signer.authorization(
        request, digest_of(GetParam().body), {.region = "us-east-1", .service = "service"},
        keys("AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"),
        *parse_iso8601("2015-08-30T12:36:00.000Z"));
    ASSERT_TRUE(value.ok());
    EXPECT_EQ(*value, fmt::format("AWS4-HMAC-SHA256 "
                                  "Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, "
                                  "SignedHeaders={}, Signature={}",
                                  GetParam().signed_headers, GetParam().signature));
}

INSTANTIATE_TEST_SUITE_P(Amazon, SignatureSuite, testing::ValuesIn(kSuite),
                         [](const auto& tried) { return tried.param.name; });

TEST(Signer, ShowsEachPartOfTheCanonicalRequestOnALineOfItsOwn) {
    HttpRequest request;
    request.url = "http://127.0.0.1:9000/bucket/a%20b//c?uploads&part=2";
    request.headers.add("X-Amz-Date", "20130524T000000Z");
    const auto canonical = canonical_request(request, kNothing);
    ASSERT_TRUE(canonical.ok());
    EXPECT_EQ(canonical->text, fmt::format("GET\n/bucket/a%20b//c\npart=2&uploads=\n"
                                           "host:127.0.0.1:9000\nx-amz-date:20130524T000000Z\n\n"
                                           "host;x-amz-date\n{}",
                                           kNothing));
}

TEST(Signer, DerivesItsKeyAnewForAnotherDayRegionAndSecret) {
    HttpRequest request;
    request.url = "https://example.amazonaws.com/";
    Signer signer;
    const auto day = *parse_iso8601("2015-08-30T12:36:00.000Z");
    const auto signature = [&](Signer& by, const std::string& secret, const std::string& region,
                               Instant time) {
        return *by.authorization(request, kNothing, {.region = region}, keys("id", secret), time);
    };
    for (const auto& [secret, region, time] :
         std::vector<std::tuple<std::string, std::string, Instant>>{
             {"a", "us-east-1", day},
             {"b", "us-east-1", day},
             {"b", "eu-west-1", day},
             {"b", "eu-west-1", day + std::chrono::hours(24)}}) {
        Signer fresh;
        EXPECT_EQ(signature(signer, secret, region, time), signature(fresh, secret, region, time));
    }
}

TEST(Signer, SendsAndSignsTheTokenOfTemporaryCredentials) {
    HttpRequest request;
    request.url = "https://example.amazonaws.com/";
    auto credentials = keys("id", "secret");
    credentials.session_token = Secret("token");
    Signer signer;
    ASSERT_TRUE(signer.sign(request, sha256({}), {.region = "eu-west-1"}, credentials, now()).ok());
    EXPECT_EQ(request.headers.get("x-amz-security-token"), "token");
    EXPECT_THAT(std::string(request.headers.get("authorization")),
                HasSubstr("SignedHeaders=host;x-amz-content-sha256;x-amz-date;"
                          "x-amz-security-token, "));
}

}  // namespace
}  // namespace asb::s3
