#include "engine/mongodb/mongo_url.hpp"

#include <gmock/gmock.h>

namespace asb {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

void expect_usage(const std::string& text) {
    const auto url = MongoUrl::parse(text);
    ASSERT_FALSE(url.ok()) << text;
    EXPECT_EQ(url.error().code, Code::usage);
    EXPECT_THAT(to_text(url.error()), HasSubstr("DATABASE_URL is not a MongoDB address"));
    EXPECT_THAT(to_text(url.error()), Not(HasSubstr("s3cret")));
}

TEST(MongoUrl, TakesAnAddressApart) {
    const auto url = MongoUrl::parse(
        "mongodb://backup:s3cret@db1:27018,db2/auth?replicaSet=rs0&authSource=admin&tls=true");
    ASSERT_TRUE(url.ok());
    EXPECT_EQ(url->database(), "auth");
    EXPECT_EQ(url->user(), "backup");
    EXPECT_EQ(url->replica_set(), "rs0");
    EXPECT_THAT(url->hosts(), ElementsAre("db1:27018", "db2:27017"));
    EXPECT_EQ(url->address(), "db1:27018,db2:27017");
    EXPECT_TRUE(url->tls());
    EXPECT_FALSE(url->has_read_preference());
}

TEST(MongoUrl, WithoutAPathMeansTheDeployment) {
    EXPECT_EQ(MongoUrl::parse("mongodb://db1")->database(), "");
    EXPECT_EQ(MongoUrl::parse("mongodb://db1/?replicaSet=x")->database(), "");
}

TEST(MongoUrl, RefusesWhatIsNoAddressWithoutRepeatingIt) {
    expect_usage("postgresql://u:s3cret@db1/auth");
    expect_usage("mongodb://");
    expect_usage("mongodb://u:s3cret@");
    expect_usage("mongodb://u:s3cret@db1:port/auth");
}

// libmongoc takes what follows the first @ for a host, and a / for the end of the hosts.
TEST(MongoUrl, RefusesAPasswordThatIsNotEscaped) {
    expect_usage("mongodb://u:p@s3cret@db1/auth");
    expect_usage("mongodb://u:1/s3cret@db1/auth");
    EXPECT_TRUE(MongoUrl::parse("mongodb://u:p%40s3cret@db1/auth").ok());
}

TEST(MongoUrl, OneMemberKeepsUserTlsAndSet) {
    const auto url = MongoUrl::parse(
        "mongodb://u:p@db1,db2/auth?replicaSet=rs0&tls=true&readPreference=secondary&"
        "maxStalenessSeconds=90&tlsCAFile=/ca.pem");
    const auto member = url->at_member("db2:27019");
    ASSERT_TRUE(member.ok());
    EXPECT_THAT(member->hosts(), ElementsAre("db2:27019"));
    EXPECT_EQ(member->user(), "u");
    EXPECT_EQ(member->database(), "auth");
    EXPECT_EQ(member->replica_set(), "rs0");
    EXPECT_TRUE(member->tls());
    EXPECT_STREQ(mongoc_uri_get_option_as_utf8(member->get(), MONGOC_URI_TLSCAFILE, ""), "/ca.pem");
    EXPECT_STREQ(mongoc_uri_get_password(member->get()), "p");
    EXPECT_TRUE(mongoc_uri_get_option_as_bool(member->get(), MONGOC_URI_DIRECTCONNECTION, false));
    EXPECT_EQ(url->without_set("db2:27019")->replica_set(), "");
    EXPECT_THAT(url->at_member("[::1]:27017")->hosts(), ElementsAre("[::1]:27017"));
}

}  // namespace
}  // namespace asb
