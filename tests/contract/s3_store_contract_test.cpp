// S3 passes the contract on MinIO, which checks signatures and checksums, and on moto, which knows
// Amazon's storage classes; and what only S3 can get wrong: versions, locks, denied rights.

#include <fmt/format.h>
#include <gmock/gmock.h>

#include <thread>

#include "contract/object_store_server.hpp"
#include "contract/store_contract.hpp"
#include "store/remote/base64.hpp"
#include "store/remote/connection.hpp"
#include "store/s3/channel.hpp"
#include "store/s3/credentials/chain.hpp"
#include "store/s3/s3_store.hpp"

namespace asb::contract {
namespace {

using Given = std::map<std::string, std::string>;

Settings s3_settings(const ObjectStoreServer& server, Given given = {}) {
    given.emplace("S3_ENDPOINT_URL", server.endpoint());
    given.emplace("AWS_ACCESS_KEY_ID", ObjectStoreServer::access_key());
    given.emplace("AWS_SECRET_ACCESS_KEY", ObjectStoreServer::secret_key());
    given.emplace("STORE_RETRY_SECONDS", "5");
    auto settings = settings_of(kS3Store, given);
    for (const auto& option : remote::remote_options()) {
        const auto found = given.find(std::string(option.name));
        settings.set(option,
                     found == given.end() ? std::string(option.default_value) : found->second,
                     "test");
    }
    return settings;
}

// A bucket of its own on a server that all tests share.
class S3Location : public StoreLocation {
  public:
    explicit S3Location(ObjectStoreServer& server, Given given = {})
        : settings_(s3_settings(server, std::move(given))),
          location_(fmt::format("s3://{}/some/prefix", server.new_bucket())) {}

    StoreRights open() override { return open_rights(kS3Store, location_, context(settings_)); }

  private:
    const Settings settings_;
    const std::string location_;
};

INSTANTIATE_TEST_SUITE_P(
    S3, StoreContract,
    testing::Values(StoreCase{"MinIO", [] { return std::make_unique<S3Location>(minio()); }},
                    StoreCase{"Moto", [] { return std::make_unique<S3Location>(moto()); }}),
    case_name);

// What the tests below say to the server themselves, signed as the driver signs.
class S3Bucket {
  public:
    explicit S3Bucket(ObjectStoreServer& server, Given given = {})
        : settings_(s3_settings(server, std::move(given))), name_(server.new_bucket()) {
        const s3::EndpointSettings endpoint{.url = server.endpoint()};
        channel_ = std::make_shared<s3::Channel>(
            s3::Channel::Parts{
                .location = *s3::parse_location(url()),
                .endpoint = *s3::Endpoint::make(endpoint, name_),
                .region = "us-east-1",
                .retry = remote::retry_policy(settings_),
                .http = std::make_shared<HttpClient>(HttpClient::Options{}, StopToken()),
                .credentials = s3::credential_chain(
                    {.settings = settings_, .http = nullptr, .retry = {}, .stop = StopToken()})},
            log_, StopToken());
    }

    [[nodiscard]] std::string url() const { return fmt::format("s3://{}/p", name_); }
    [[nodiscard]] const std::string& name() const { return name_; }
    StoreRights rights() { return open_rights(kS3Store, url(), context(settings_)); }
    StoreContext with() { return context(settings_); }

    s3::Answer ask(const std::string& method, const std::string& key, const s3::Query& query,
                   const std::string& body = {}, HttpHeaders headers = {}) {
        const s3::Call call{.action = "prepare",
                            .permission = "",
                            .method = method,
                            .key = key,
                            .query = query,
                            .headers = std::move(headers),
                            .body = as_bytes(body)};
        auto answer = channel_->send(call);
        EXPECT_TRUE(answer.ok()) << to_text(answer.error());
        EXPECT_LT(answer->reply.status, 500);
        return std::move(*answer);
    }
    void keep_versions() {
        const std::string body =
            "<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>";
        HttpHeaders headers;
        headers.add("x-amz-checksum-sha256", remote::base64(sha256(as_bytes(body))));
        EXPECT_TRUE(ask("PUT", "", {{"versioning", ""}}, body, headers).ok());
    }
    // Empty as it is, the bucket is made anew with object lock.
    bool remake_with_lock() {
        HttpHeaders headers;
        headers.add("x-amz-bucket-object-lock-enabled", "true");
        return ask("DELETE", "", {}).ok() && ask("PUT", "", {}, {}, headers).ok();
    }
    // Versions and delete markers, all keys.
    std::size_t versions() {
        return s3::parse_versions(ask("GET", "", {{"versions", ""}}).reply.body)->versions.size();
    }
    std::string header_of(const std::string& key, std::string_view name) {
        return std::string(ask("HEAD", key, {}).reply.headers.get(name));
    }

  private:
    const Settings settings_;
    const std::string name_;
    Log log_{Log::Options{.run_id = "test"}};
    std::shared_ptr<s3::Channel> channel_;
};

// Of both servers, for what both can do.
class S3Store : public testing::TestWithParam<std::string> {
  protected:
    static ObjectStoreServer& server() { return GetParam() == "MinIO" ? minio() : moto(); }
    static Status put(StoreRights& rights, const std::string& key, std::string_view text) {
        return rights.appender->put(ObjectKey::known(key), as_bytes(text));
    }
};

INSTANTIATE_TEST_SUITE_P(Servers, S3Store, testing::Values("MinIO", "Moto"),
                         [](const auto& tried) { return tried.param; });

TEST_P(S3Store, RemovesEveryVersionOfWhatIsErased) {
    S3Bucket bucket(server());
    bucket.keep_versions();
    auto rights = bucket.rights();
    const auto key = ObjectKey::known("a");
    for (const auto* text : {"first", "second"}) {
        ASSERT_TRUE(put(rights, "a", text).ok());
        ASSERT_TRUE(bucket.ask("DELETE", "p/a", {}).ok());  // hides it behind a delete marker
    }
    ASSERT_TRUE(put(rights, "ab", "another name that begins alike").ok());
    const auto kept = rights.eraser->erase_all({key, ObjectKey::known("missing")});
    ASSERT_TRUE(kept.ok()) << to_text(kept.error());
    EXPECT_THAT(*kept, testing::IsEmpty());
    EXPECT_EQ(bucket.versions(), 1U);
    EXPECT_EQ(texts_of(*rights.reader->list("")), std::vector<std::string>{"ab"});
}

TEST_P(S3Store, ShowsWhatStoodThereAtATime) {
    S3Bucket bucket(server());
    bucket.keep_versions();
    auto rights = bucket.rights();
    ASSERT_TRUE(put(rights, "gone", "still there").ok());
    ASSERT_TRUE(put(rights, "stays", "text").ok());
    // Amazon and moto keep whole seconds.
    std::this_thread::sleep_for(std::chrono::milliseconds(1100));
    const auto then = now();
    std::this_thread::sleep_for(std::chrono::milliseconds(1100));
    ASSERT_TRUE(bucket.ask("DELETE", "p/gone", {}).ok());
    ASSERT_TRUE(bucket.ask("PUT", "p/stays", {}, "overwritten by somebody").ok());
    ASSERT_TRUE(put(rights, "later", "text").ok());
    EXPECT_EQ(texts_of(*rights.reader->list("")), (std::vector<std::string>{"later", "stays"}));

    const auto at = fmt::format("{}?at={}", bucket.url(), to_iso8601(then));
    const auto reader = kS3Store.open_reader(at, bucket.with());
    ASSERT_TRUE(reader.ok());
    EXPECT_EQ(texts_of(*(*reader)->list("")), (std::vector<std::string>{"gone", "stays"}));
    EXPECT_EQ(*(*reader)->get(ObjectKey::known("gone"), 100), "still there");
    EXPECT_EQ(*(*reader)->get(ObjectKey::known("stays"), 100), "text");
    EXPECT_EQ((*reader)->get(ObjectKey::known("later"), 100).error().code, Code::not_found);
    const auto appender = kS3Store.open_appender(at, bucket.with());
    ASSERT_FALSE(appender.ok());
    EXPECT_EQ(appender.error().code, Code::usage);
    EXPECT_FALSE(kS3Store.open_eraser(at, bucket.with()).ok());
}

TEST_P(S3Store, EncryptsAsTheSettingsSay) {
    S3Bucket bucket(server(), {{"S3_SERVER_SIDE_ENCRYPTION", "AES256"}});
    auto rights = bucket.rights();
    const auto status = put(rights, "a", "text");
    ASSERT_TRUE(status.ok()) << to_text(status.error());
    EXPECT_EQ(bucket.header_of("p/a", "x-amz-server-side-encryption"), "AES256");
    EXPECT_EQ(*rights.reader->get(ObjectKey::known("a"), 100), "text");
    const auto large = make_bytes(20 * kMiB);
    ASSERT_TRUE(rights.appender->put(ObjectKey::known("large"), large).ok());
    EXPECT_EQ(bucket.header_of("p/large", "x-amz-server-side-encryption"), "AES256");
    const auto text = rights.reader->get(ObjectKey::known("large"), large.size());
    ASSERT_TRUE(text.ok()) << to_text(text.error());
    EXPECT_TRUE(*text == as_text(large));
}

TEST(S3StoreOnMoto, WritesTheStorageClassOfTheSettings) {
    S3Bucket bucket(moto(), {{"S3_STORAGE_CLASS", "STANDARD_IA"}});
    auto rights = bucket.rights();
    ASSERT_TRUE(rights.appender->put(ObjectKey::known("small"), as_bytes("text")).ok());
    const auto writer = rights.appender->create(ObjectKey::known("large"));
    ASSERT_TRUE(writer.ok());
    ASSERT_TRUE((*writer)->append(make_bytes(20 * kMiB)).ok());
    ASSERT_TRUE((*writer)->commit().ok());
    for (const auto* key : {"p/small", "p/large"})
        EXPECT_EQ(bucket.header_of(key, "x-amz-storage-class"), "STANDARD_IA") << key;
}

TEST(S3StoreOnMinIO, SaysThatTheServerDoesNotHaveTheStorageClass) {
    S3Bucket bucket(minio(), {{"S3_STORAGE_CLASS", "STANDARD_IA"}});
    auto rights = bucket.rights();
    const auto status = rights.appender->put(ObjectKey::known("a"), as_bytes("text"));
    ASSERT_FALSE(status.ok());
    EXPECT_EQ(status.error().code, Code::store);
    EXPECT_THAT(status.error().fact, testing::HasSubstr("InvalidStorageClass"));
    EXPECT_THAT(status.error().hint, testing::HasSubstr("S3_STORAGE_CLASS"));
}

TEST(S3StoreOnMinIO, NamesAWrongSecretByItsSourceAndNeverShowsIt) {
    S3Bucket bucket(minio(), {{"AWS_SECRET_ACCESS_KEY", "wrong-secret"}});
    const auto status = kS3Store.check_writable(bucket.url(), bucket.with());
    ASSERT_FALSE(status.ok());
    EXPECT_THAT(to_text(status.error()), testing::HasSubstr("SignatureDoesNotMatch"));
    EXPECT_THAT(status.error().hint, testing::HasSubstr("the secret of AWS_ACCESS_KEY_ID"));
    EXPECT_THAT(to_text(status.error()), testing::Not(testing::HasSubstr("wrong-secret")));
}

TEST(S3StoreOnMinIO, SaysHowToMakeABucketThatIsMissing) {
    S3Bucket bucket(minio());
    const auto status = kS3Store.check_writable("s3://no-such-bucket", bucket.with());
    ASSERT_FALSE(status.ok());
    EXPECT_THAT(to_text(status.error()), testing::HasSubstr("aws s3 mb s3://no-such-bucket"));
    const auto reader = kS3Store.open_reader("s3://no-such-bucket", bucket.with());
    EXPECT_EQ((*reader)->list("").error().code, Code::store);
}

TEST(S3StoreOnMinIO, FindsOutWithoutWritingThatABucketCannotLock) {
    S3Bucket bucket(minio(), {{"S3_LEGAL_HOLD", "true"}});
    const auto status = kS3Store.check_writable(bucket.url(), bucket.with());
    ASSERT_FALSE(status.ok());
    EXPECT_THAT(status.error().fact, testing::HasSubstr("has no object lock"));
    EXPECT_EQ(bucket.versions(), 0U);
}

// In a bucket of its own, since a lock is for ever a bucket's.
TEST(S3StoreOnMinIO, KeepsWhatIsLockedAndSaysSo) {
    for (const auto& given :
         {Given{{"S3_LEGAL_HOLD", "true"}},
          Given{{"S3_OBJECT_LOCK_MODE", "compliance"}, {"S3_OBJECT_LOCK_DAYS", "1"}},
          Given{{"S3_OBJECT_LOCK_MODE", "governance"}, {"S3_OBJECT_LOCK_DAYS", "1"}}}) {
        S3Bucket bucket(minio(), given);
        ASSERT_TRUE(bucket.remake_with_lock());
        auto rights = bucket.rights();
        ASSERT_TRUE(kS3Store.check_writable(bucket.url(), bucket.with()).ok());
        for (const auto* key : {"held", "also-held"}) {
            const auto status = rights.appender->put(ObjectKey::known(key), as_bytes("text"));
            ASSERT_TRUE(status.ok()) << to_text(status.error());
        }
        const auto kept = rights.eraser->erase_all(
            {ObjectKey::known("held"), ObjectKey::known("also-held"), ObjectKey::known("missing")});
        ASSERT_TRUE(kept.ok()) << to_text(kept.error());
        EXPECT_THAT(texts_of(*kept), testing::UnorderedElementsAre("also-held", "held"));
        EXPECT_EQ(*rights.reader->get(ObjectKey::known("held"), 100), "text");
    }
}

}  // namespace
}  // namespace asb::contract
