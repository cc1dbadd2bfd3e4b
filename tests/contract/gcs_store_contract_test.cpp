// The store of Google Cloud Storage passes the contract on fake-gcs-server; and what its settings
// and its location can get wrong.

#include <gmock/gmock.h>

#include <map>
#include <string>
#include <vector>

#include "contract/object_store_server.hpp"
#include "contract/store_contract.hpp"
#include "store/gcs/gcs_store.hpp"
#include "store/remote/connection.hpp"

namespace asb::contract {
namespace {

using testing::HasSubstr;
using testing::Not;

Settings gcs_settings(std::map<std::string, std::string> given) {
    given.emplace("STORAGE_EMULATOR_HOST", fake_gcs().endpoint());
    auto settings = settings_of(kGcsStore, given);
    for (const auto& option : remote::remote_options())
        if (!settings.all().contains(option.name))
            settings.set(option, std::string(option.default_value), "test");
    return settings;
}

class GcsLocation : public StoreLocation {
  public:
    explicit GcsLocation(const std::string& prefix)
        : url_("gs://" + fake_gcs().new_bucket() + prefix) {}

    StoreRights open() override { return open_rights(kGcsStore, url_, context(settings_)); }

    [[nodiscard]] const std::string& url() const { return url_; }

  private:
    const std::string url_;
    const Settings settings_ = gcs_settings({});
};

INSTANTIATE_TEST_SUITE_P(
    Gcs, StoreContract,
    testing::Values(StoreCase{"Bucket", [] { return std::make_unique<GcsLocation>(""); }},
                    StoreCase{"Prefix",
                              [] { return std::make_unique<GcsLocation>("/team/auth"); }}),
    case_name);

TEST(GcsStore, IsWhereTheSettingsSay) {
    EXPECT_EQ(kGcsStore.configured(gcs_settings({})), "");
    EXPECT_EQ(kGcsStore.configured(gcs_settings({{"GCS_BUCKET", "backups"}})), "gs://backups");
    EXPECT_EQ(kGcsStore.configured(
                  gcs_settings({{"GCS_BUCKET", "backups"}, {"GCS_PREFIX", "team/auth"}})),
              "gs://backups/team/auth");
}

TEST(GcsStore, KeepsTwoPrefixesOfABucketApart) {
    const auto settings = gcs_settings({});
    const auto bucket = "gs://" + fake_gcs().new_bucket();
    const auto first = open_rights(kGcsStore, bucket + "/a", context(settings));
    const auto second = open_rights(kGcsStore, bucket + "/ab", context(settings));
    ASSERT_TRUE(first.appender->put(ObjectKey::known("x"), as_bytes("1")).ok());
    ASSERT_TRUE(second.appender->put(ObjectKey::known("y"), as_bytes("2")).ok());
    EXPECT_EQ(texts_of(first.reader->list("").value()), std::vector<std::string>{"x"});
    EXPECT_EQ(texts_of(second.reader->list("").value()), std::vector<std::string>{"y"});
    EXPECT_EQ(first.reader->place(), bucket + "/a");
}

TEST(GcsStore, TellsWhetherItCouldWriteAndWritesNothing) {
    const auto settings = gcs_settings({});
    const auto bucket = "gs://" + fake_gcs().new_bucket();
    const auto room = kGcsStore.check_writable(bucket, context(settings));
    ASSERT_TRUE(room.ok()) << to_text(room.error());
    EXPECT_EQ(room.value(), std::nullopt);
    const auto missing = kGcsStore.check_writable("gs://no-such-bucket", context(settings));
    ASSERT_FALSE(missing.ok());
    EXPECT_EQ(to_text(missing.error()),
              "cannot list gs://no-such-bucket: there is no bucket no-such-bucket\n"
              "hint: make the bucket with `gcloud storage buckets create gs://no-such-bucket`, or "
              "correct GCS_BUCKET");
}

TEST(GcsStore, WritesIntoNoBucketThatIsMissing) {
    const auto settings = gcs_settings({});
    const auto rights = open_rights(kGcsStore, "gs://no-such-bucket", context(settings));
    const auto status = rights.appender->put(ObjectKey::known("a"), as_bytes("text"));
    ASSERT_FALSE(status.ok());
    EXPECT_EQ(status.error().code, Code::store);
    EXPECT_THAT(status.error().fact, HasSubstr("there is no bucket no-such-bucket"));
    EXPECT_FALSE(rights.reader->list("").ok());
}

TEST(GcsStore, OnlyReadsAtAnEarlierTime) {
    const auto settings = gcs_settings({});
    const auto bucket = "gs://" + fake_gcs().new_bucket();
    const auto rights = open_rights(kGcsStore, bucket, context(settings));
    ASSERT_TRUE(rights.appender->put(ObjectKey::known("a"), as_bytes("text")).ok());
    const auto then = kGcsStore.open_reader(bucket + "?at=2020-01-01T00:00:00Z", context(settings));
    ASSERT_TRUE(then.ok());
    EXPECT_TRUE(then.value()->list("").value().empty());
    const auto later =
        kGcsStore.open_reader(bucket + "?at=2100-01-01T00:00:00Z", context(settings));
    EXPECT_EQ(texts_of(later.value()->list("").value()), std::vector<std::string>{"a"});
    const auto writing =
        kGcsStore.open_appender(bucket + "?at=2020-01-01T00:00:00Z", context(settings));
    ASSERT_FALSE(writing.ok());
    EXPECT_EQ(writing.error().code, Code::usage);
    EXPECT_EQ(writing.error().fact, bucket + " at an earlier time can only be read");
}

TEST(GcsStore, SaysWhatIsWrongWithItsSettings) {
    const auto refusal = [](const std::map<std::string, std::string>& given) {
        const auto settings = gcs_settings(given);
        const auto reader = kGcsStore.open_reader("gs://backups", context(settings));
        EXPECT_FALSE(reader.ok());
        EXPECT_EQ(reader.error().code, Code::usage);
        return reader.error().fact;
    };
    EXPECT_EQ(refusal({{"STORAGE_EMULATOR_HOST", "ftp://there"}}),
              "STORAGE_EMULATOR_HOST='ftp://there' is no host:port and no URL");
    EXPECT_THAT(refusal({{"GOOGLE_APPLICATION_CREDENTIALS", "/no/such/file.json"}}),
                HasSubstr("/no/such/file.json"));
    EXPECT_EQ(refusal({{"STORAGE_EMULATOR_HOST", "http://emulator.example:80"},
                       {"GOOGLE_APPLICATION_CREDENTIALS", "/no/such/file.json"}}),
              "an access token would go to emulator.example in clear text");
    EXPECT_EQ(refusal({{"GCS_RETAIN_DAYS", "36501"}}),
              "GCS_RETAIN_DAYS=36501 is more than a hundred years");
}

}  // namespace
}  // namespace asb::contract
