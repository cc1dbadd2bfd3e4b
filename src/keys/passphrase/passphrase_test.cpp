#include "keys/passphrase/passphrase.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace asb {
namespace {

using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

constexpr const char* kStrong = "correct horse battery staple";

Result<std::unique_ptr<KeyProvider>> open_with(const std::string& key) {
    Settings settings;
    settings.set(kPassphraseKey.options.front(), key, "environment");
    return kPassphraseKey.open(settings);
}

Error refusal_of(const std::string& key) {
    auto provider = open_with(key);
    EXPECT_FALSE(provider.ok());
    return provider.ok() ? Error{} : provider.error();
}

std::uint32_t iterations_for(const std::string& key) {
    auto provider = open_with(key);
    EXPECT_TRUE(provider.ok());
    return (*provider)->fresh()->passphrase.iterations;
}

TEST(PassphraseKey, DeclaresOneSecretOption) {
    ASSERT_EQ(kPassphraseKey.options.size(), 1U);
    EXPECT_EQ(kPassphraseKey.options.front().name, "BACKUP_ENCRYPTION_KEY");
    EXPECT_TRUE(kPassphraseKey.options.front().secret);
    EXPECT_EQ(kPassphraseKey.options.front().default_value, "");
}

TEST(PassphraseKey, GivesTheOperatorsPassphraseAsItIs) {
    auto provider = open_with(kStrong);
    ASSERT_TRUE(provider.ok());
    EXPECT_EQ((*provider)->name(), "passphrase");
    auto fresh = (*provider)->fresh();
    ASSERT_TRUE(fresh.ok());
    EXPECT_EQ(fresh->passphrase.text.reveal(), kStrong);
    EXPECT_EQ(fresh->passphrase.iterations, 600'000U);
    EXPECT_EQ(fresh->reference.provider, "passphrase");
    EXPECT_EQ(fresh->reference.key_id, "passphrase");
    EXPECT_EQ(fresh->reference.iterations, 600'000U);
}

TEST(PassphraseKey, NeedsNoStretchingForThirtyTwoRandomBytes) {
    const std::string hex = "00112233445566778899aabbccddeeff00112233445566778899AABBCCDDEEFF";
    const std::string base64 = "sY0uW1d/5eXcW9t+0sPpN1nq0mJw7Qv3bLZp2R4x6aA=";
    EXPECT_EQ(iterations_for(hex), 10'000U);
    EXPECT_EQ(iterations_for(base64), 10'000U);
    EXPECT_EQ(iterations_for(base64.substr(0, 43)), 10'000U);
}

TEST(PassphraseKey, StretchesWhatOnlyResemblesARandomKey) {
    const std::string hex = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";
    const std::string base64 = "sY0uW1d/5eXcW9t+0sPpN1nq0mJw7Qv3bLZp2R4x6aA=";
    EXPECT_EQ(iterations_for(hex.substr(1)), 600'000U);
    EXPECT_EQ(iterations_for("g" + hex.substr(1)), 600'000U);
    EXPECT_EQ(iterations_for(base64.substr(1)), 600'000U);
    EXPECT_EQ(iterations_for(base64 + "="), 600'000U);
    EXPECT_EQ(iterations_for(base64.substr(0, 42) + " x"), 600'000U);
}

TEST(PassphraseKey, RefusesAMissingKeyAndSaysHowToMakeOne) {
    EXPECT_EQ(to_text(refusal_of("")),
              "BACKUP_ENCRYPTION_KEY is not set\n"
              "hint: set BACKUP_ENCRYPTION_KEY or BACKUP_ENCRYPTION_KEY_FILE; "
              "`openssl rand -hex 32` makes a key: keep a copy away from the backups");
    EXPECT_EQ(refusal_of("").code, Code::usage);
}

TEST(PassphraseKey, RefusesTheExampleKeysOfTheDocumentation) {
    for (const auto* key : {"your-encryption-key", "your-strong-encryption-key"}) {
        const auto error = refusal_of(key);
        EXPECT_EQ(error.code, Code::usage);
        EXPECT_EQ(
            error.fact,
            "BACKUP_ENCRYPTION_KEY is the example of the documentation, which everybody knows");
    }
}

TEST(PassphraseKey, RefusesAKeyShorterThanTwelveCharacters) {
    EXPECT_EQ(refusal_of("elevenchars").fact,
              "BACKUP_ENCRYPTION_KEY is too short: it has 11 characters, and needs 12");
    EXPECT_TRUE(open_with("twelve chars").ok());
}

TEST(PassphraseKey, RefusesAKeyThatOpensslWouldCutOff) {
    EXPECT_TRUE(open_with(std::string(1023, 'k')).ok());
    EXPECT_EQ(refusal_of(std::string(1024, 'k')).fact,
              "BACKUP_ENCRYPTION_KEY is too long: openssl reads at most 1023 bytes");
}

TEST(PassphraseKey, RefusesLineBreaksAndZeroBytes) {
    for (const char bad : {'\n', '\r', '\0'}) {
        const auto error = refusal_of(fmt::format("a passphrase{}and more", bad));
        EXPECT_EQ(error.code, Code::usage);
        EXPECT_EQ(error.fact, "BACKUP_ENCRYPTION_KEY holds a line break or a zero byte");
    }
}

TEST(PassphraseKey, NeverShowsTheKeyItRefuses) {
    EXPECT_THAT(to_text(refusal_of("Tr0ub4dor&3")), Not(HasSubstr("Tr0ub4dor")));
    EXPECT_THAT(to_text(refusal_of("Tr0ub4dor&3 \n and more")), Not(HasSubstr("Tr0ub4dor")));
}

TEST(PassphraseKey, OpensAnOldBackupWithTheIterationsOfItsTime) {
    auto provider = open_with(kStrong);
    ASSERT_TRUE(provider.ok());
    auto passphrase = (*provider)->open({"passphrase", "passphrase", 10'000});
    ASSERT_TRUE(passphrase.ok());
    EXPECT_EQ(passphrase->text.reveal(), kStrong);
    EXPECT_EQ(passphrase->iterations, 10'000U);
}

TEST(PassphraseKey, RefusesIterationsThatNobodyWrites) {
    auto provider = open_with(kStrong);
    ASSERT_TRUE(provider.ok());
    for (const std::uint32_t bad : {0U, 999U, 10'000'001U}) {
        const auto passphrase = (*provider)->open({"passphrase", "passphrase", bad});
        ASSERT_FALSE(passphrase.ok());
        EXPECT_EQ(passphrase.error().code, Code::damaged);
    }
    EXPECT_TRUE((*provider)->open({"passphrase", "passphrase", 1'000}).ok());
    EXPECT_TRUE((*provider)->open({"passphrase", "passphrase", 10'000'000}).ok());
}

TEST(PassphraseKey, DoesNotKnowTheKeysOfAnotherProvider) {
    auto provider = open_with(kStrong);
    ASSERT_TRUE(provider.ok());
    const auto passphrase = (*provider)->open({"pkcs11", "hsm-7", 10'000});
    ASSERT_FALSE(passphrase.ok());
    EXPECT_EQ(passphrase.error().code, Code::wrong_key);
    EXPECT_EQ(passphrase.error().fact,
              "key 'hsm-7' is one of the provider 'pkcs11', not a passphrase");
}

}  // namespace
}  // namespace asb
