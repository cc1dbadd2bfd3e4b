#include "store/s3/credentials/credentials.hpp"

#include <fmt/format.h>
#include <gmock/gmock.h>

#include <atomic>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <mutex>
#include <string>
#include <vector>

#include "net/test_server.hpp"
#include "store/s3/credentials/chain.hpp"
#include "store/s3/credentials/profile.hpp"
#include "store/s3/s3_options.hpp"

namespace asb::s3 {
namespace {

using asb::test::Asked;
using asb::test::Peer;
using asb::test::reply;
using asb::test::Server;
using testing::HasSubstr;

// A folder for one test's files, which goes with it.
class Folder {
  public:
    Folder() { EXPECT_NE(mkdtemp(path_.data()), nullptr); }
    ~Folder() { std::filesystem::remove_all(path_); }
    Folder(const Folder&) = delete;
    Folder& operator=(const Folder&) = delete;
    std::string write(const std::string& name, std::string_view text) {
        std::string path = fmt::format("{}/{}", path_, name);
        std::ofstream(path) << text;
        return path;
    }
    [[nodiscard]] std::string missing() const { return fmt::format("{}/missing", path_); }

  private:
    std::string path_ = "/tmp/asb-credentials-XXXXXX";
};

using Given = std::map<std::string, std::string>;

// What the server's thread saw last.
class Seen {
  public:
    void set(std::string_view text) {
        const std::lock_guard lock(mutex_);
        text_ = text;
    }
    [[nodiscard]] std::string get() const {
        const std::lock_guard lock(mutex_);
        return text_;
    }

  private:
    mutable std::mutex mutex_;
    std::string text_;
};

// The chain over settings of which `given` are not at their defaults. Nothing outside is looked at.
class Chain {
  public:
    explicit Chain(Given given) {
        given.emplace("AWS_SHARED_CREDENTIALS_FILE", folder.missing());
        given.emplace("AWS_CONFIG_FILE", folder.missing());
        given.emplace("AWS_EC2_METADATA_DISABLED", "true");
        for (const auto& option : kOptions) {
            const auto found = given.find(std::string(option.name));
            settings_.set(option, found == given.end() ? "" : found->second, "test");
        }
        source_ = credential_chain(
            {.settings = settings_,
             .http = std::make_shared<HttpClient>(HttpClient::Options{}, StopToken()),
             .retry = {.tries_max = 3,
                       .wait_first = std::chrono::milliseconds(1),
                       .wait_max = std::chrono::milliseconds(2)},
             .stop = StopToken()});
    }

    CredentialSource& source() { return *source_; }
    // "KEY SECRET TOKEN from SOURCE", or the error.
    std::string get() {
        const auto found = source_->get();
        if (!found) return to_text(found.error());
        return fmt::format("{} {} {} from {}", found->access_key_id,
                           found->secret_access_key.reveal(), found->session_token.reveal(),
                           found->source);
    }
    Folder folder;

  private:
    Settings settings_;
    std::shared_ptr<CredentialSource> source_;
};

TEST(S3Credentials, AreTakenFromTheSettingsFirst) {
    EXPECT_EQ(Chain(Given{{"AWS_ACCESS_KEY_ID", "AKIA"},
                          {"AWS_SECRET_ACCESS_KEY", "s"},
                          {"AWS_SESSION_TOKEN", "t"}})
                  .get(),
              "AKIA s t from AWS_ACCESS_KEY_ID");
    EXPECT_THAT(Chain(Given{{"AWS_ACCESS_KEY_ID", "AKIA"}}).get(),
                HasSubstr("AWS_ACCESS_KEY_ID is set, but not AWS_SECRET_ACCESS_KEY"));
}

TEST(S3Credentials, SayWhereTheyWereLookedForWhenThereAreNone) {
    const auto text = Chain(Given()).get();
    EXPECT_THAT(text, HasSubstr("there are no credentials for S3; looked at AWS_ACCESS_KEY_ID "
                                "(not set), AWS_WEB_IDENTITY_TOKEN_FILE (not set), the profile "
                                "'default' of /tmp/"));
    EXPECT_THAT(text, HasSubstr("the machine's metadata service (AWS_EC2_METADATA_DISABLED)"));
    EXPECT_THAT(text, HasSubstr("hint: set AWS_ACCESS_KEY_ID"));
}

TEST(S3Credentials, AreTakenFromTheNamedProfileOfBothFiles) {
    Folder folder;
    const auto credentials = folder.write("credentials",
                                          "[default]\naws_access_key_id=A\n"
                                          "aws_secret_access_key=B\n"
                                          "[backup] # ours\naws_access_key_id = C\n");
    const auto config = folder.write("config",
                                     "[default]\nregion = eu-west-1\n[profile backup]\n"
                                     "aws_secret_access_key = D\naws_access_key_id = not-this\n");
    const Given files = {{"AWS_SHARED_CREDENTIALS_FILE", credentials}, {"AWS_CONFIG_FILE", config}};
    auto named = files;
    named["AWS_PROFILE"] = "backup";
    EXPECT_THAT(Chain(files).get(), HasSubstr("A B  from the profile 'default' of "));
    EXPECT_THAT(Chain(named).get(), HasSubstr("C D  from the profile 'backup' of "));
    named["AWS_PROFILE"] = "none";
    EXPECT_THAT(Chain(named).get(), HasSubstr("there is no profile 'none' in "));
}

TEST(S3Credentials, DoNotFollowAProfileToAnother) {
    Folder folder;
    const auto config = folder.write("config", "[default]\nrole_arn = r\nsource_profile = other\n");
    EXPECT_THAT(Chain(Given{{"AWS_CONFIG_FILE", config}}).get(),
                HasSubstr("the profile 'default' has source_profile, which is not followed"));
}

TEST(S3Credentials, NameTheLineOfAFileThatIsNone) {
    const auto profiles =
        parse_profiles("[a]\nx = 1\nwhat\n", ProfileFile::credentials, "/etc/credentials");
    ASSERT_FALSE(profiles.ok());
    EXPECT_EQ(profiles.error().fact,
              "/etc/credentials line 3 is neither [section] nor name = value");
}

TEST(S3Credentials, AreHadForAWebIdentityAndItsToken) {
    Folder folder;
    Seen body;
    const Server sts([&](Peer& peer, int) {
        while (const auto asked = peer.request()) {
            body.set(asked->body);
            peer.send(
                reply("<AssumeRoleWithWebIdentityResponse><AssumeRoleWithWebIdentityResult>"
                      "<Credentials><AccessKeyId>ASIA</AccessKeyId>"
                      "<SecretAccessKey>s</SecretAccessKey><SessionToken>t</SessionToken>"
                      "<Expiration>2999-01-01T00:00:00Z</Expiration></Credentials>"
                      "</AssumeRoleWithWebIdentityResult>"
                      "</AssumeRoleWithWebIdentityResponse>"));
        }
    });
    Chain chain({{"AWS_ROLE_ARN", "arn:aws:iam::1:role/backup"},
                 {"AWS_WEB_IDENTITY_TOKEN_FILE", folder.write("token", "a.b.c\n")},
                 {"AWS_ENDPOINT_URL_STS", sts.url("/")}});
    EXPECT_EQ(chain.get(), "ASIA s t from the role arn:aws:iam::1:role/backup");
    EXPECT_EQ(body.get(),
              "Action=AssumeRoleWithWebIdentity&Version=2011-06-15&RoleArn=arn%3Aaws%3Aiam%3A%3A1"
              "%3Arole%2Fbackup&RoleSessionName=auth-service-backup&WebIdentityToken=a.b.c");
}

TEST(S3Credentials, SayWhyARoleCannotBeAssumed) {
    Folder folder;
    const Server sts(asb::test::always(
        reply("<ErrorResponse><Error><Code>InvalidIdentityToken</Code><Message>old</Message>"
              "</Error><RequestId>R</RequestId></ErrorResponse>",
              "400 Bad Request")));
    Chain chain({{"AWS_ROLE_ARN", "role"},
                 {"AWS_WEB_IDENTITY_TOKEN_FILE", folder.write("token", "secret-token")},
                 {"AWS_ENDPOINT_URL_STS", sts.url("/")}});
    const auto text = chain.get();
    EXPECT_THAT(text, HasSubstr("cannot assume the role role with "));
    EXPECT_THAT(text, HasSubstr("answered 400, InvalidIdentityToken, old, R"));
    EXPECT_THAT(text, testing::Not(HasSubstr("secret-token")));
}

constexpr auto kDocument =
    R"({{"Code":"Success","AccessKeyId":"ASIA{}","SecretAccessKey":"s","Token":"t","Expiration":"{}"}})";

TEST(S3Credentials, AreHadFromTheContainerEndpointWithTheTokenOfAFileThatIsReadEachTime) {
    Folder folder;
    std::atomic<int> asked_count = 0;
    Seen authorization;
    const Server endpoint([&](Peer& peer, int) {
        while (const auto asked = peer.request()) {
            authorization.set(asked->headers.get("authorization"));
            // Nearly over: the next use asks again.
            peer.send(reply(fmt::format(kDocument, asked_count.fetch_add(1) + 1,
                                        to_iso8601(now() + std::chrono::minutes(4)))));
        }
    });
    Chain chain({{"AWS_CONTAINER_CREDENTIALS_FULL_URI", endpoint.url("/v1/credentials")},
                 {"AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", folder.write("token", "first\n")}});
    EXPECT_EQ(chain.get(), "ASIA1 s t from the container's credential endpoint");
    EXPECT_EQ(authorization.get(), "first");
    folder.write("token", "second\n");
    EXPECT_EQ(chain.get(), "ASIA2 s t from the container's credential endpoint");
    EXPECT_EQ(authorization.get(), "second");
}

TEST(S3Credentials, AreNotAskedForWithoutTlsElsewhere) {
    EXPECT_THAT(Chain(Given{{"AWS_CONTAINER_CREDENTIALS_FULL_URI", "http://example.com/x"}}).get(),
                HasSubstr("names example.com without https"));
}

// As the metadata service of EC2, version 2; `key` is what it gives next.
Server::Script metadata_service(std::atomic<int>& asked_count, const std::string& expires) {
    return [&asked_count, expires](Peer& peer, int) {
        while (const auto asked = peer.request()) {
            if (asked->line.substr(0, 26) == "PUT /latest/api/token HTTP") {
                peer.send(reply("session"));
            } else if (asked->headers.get("x-aws-ec2-metadata-token") != "session") {
                peer.send(reply("", "401 Unauthorized"));
            } else if (asked->line.find("security-credentials/ ") != std::string::npos) {
                peer.send(reply("backup-role\n"));
            } else {
                peer.send(reply(fmt::format(kDocument, asked_count.fetch_add(1) + 1, expires)));
            }
        }
    };
}

TEST(S3Credentials, AreHadFromTheMachinesRoleAndKept) {
    std::atomic<int> asked_count = 0;
    const Server service(metadata_service(asked_count, to_iso8601(now() + std::chrono::hours(6))));
    Chain chain({{"AWS_EC2_METADATA_DISABLED", "false"},
                 {"AWS_EC2_METADATA_SERVICE_ENDPOINT", service.url("/")}});
    EXPECT_EQ(chain.get(), "ASIA1 s t from the role 'backup-role' of this machine");
    EXPECT_EQ(chain.get(), "ASIA1 s t from the role 'backup-role' of this machine");
    chain.source().drop(*chain.source().get());
    EXPECT_EQ(chain.get(), "ASIA2 s t from the role 'backup-role' of this machine");
}

TEST(S3Credentials, AreNotThereOnAMachineWithoutARole) {
    const Server service([](Peer& peer, int) {
        while (const auto asked = peer.request())
            peer.send(asked->line.substr(0, 3) == "PUT" ? reply("session")
                                                        : reply("", "404 Not Found"));
    });
    Chain chain({{"AWS_EC2_METADATA_DISABLED", "false"},
                 {"AWS_EC2_METADATA_SERVICE_ENDPOINT", service.url("/")}});
    EXPECT_THAT(chain.get(), HasSubstr("the machine's metadata service (not there, or without a "
                                       "role)"));
}

}  // namespace
}  // namespace asb::s3
