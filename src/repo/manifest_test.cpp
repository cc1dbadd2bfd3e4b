#include "repo/manifest.hpp"

#include <gtest/gtest.h>

namespace asb {
namespace {

BodyKeys keys_of(std::string_view passphrase) {
    return derive_body_keys(Secret(std::string(passphrase)), Salt{}, 1000);
}

Manifest sample(const BodyKeys* keys) {
    Manifest manifest;
    manifest.id = "0123456789abcdef0123456789abcdef";
    manifest.name = "auth-service-backup-20240115_020000";
    manifest.started_at = Instant{std::chrono::milliseconds(1705284000000)};
    manifest.finished_at = manifest.started_at + std::chrono::seconds(3);
    manifest.tool_version = "0.1.0";
    manifest.hostname = "host";
    manifest.engines = {{"postgresql", {{"version", "15.18"}}}};
    manifest.body_length = 100;
    manifest.plain_bytes = 200;
    manifest.entry_count = 3;
    manifest.index_digest = sha256(as_bytes("index"));
    manifest.previous =
        PreviousManifest{"auth-service-backup-20240114_020000", sha256(as_bytes("previous"))};
    if (keys != nullptr) {
        manifest.encryption.emplace().key = {
            .provider = "passphrase", .key_id = "passphrase", .iterations = 1000};
        manifest.encryption->key_check = key_check(*keys, manifest.id);
    }
    return manifest;
}

std::string published(const BodyKeys& keys) {
    return to_published(sample(&keys), &keys).value();
}

// As somebody would publish it who has everything but the key.
std::string with_own_digest(Json document) {
    Json rest = document;
    rest.erase("mac");
    rest.erase("manifest_sha256");
    document["manifest_sha256"] = to_hex(sha256(as_bytes(canonical(rest))));
    return canonical(document) + "\n";
}

Code code_of(const Result<ReadManifest>& read) {
    return read.ok() ? Code::failed : read.error().code;
}

TEST(Manifest, ComesBackAsItWasPublished) {
    const auto keys = keys_of("a key");
    const auto read = parse_manifest(published(keys), "m");
    ASSERT_TRUE(read.ok()) << read.error().fact;
    EXPECT_EQ(read->manifest.name, "auth-service-backup-20240115_020000");
    EXPECT_EQ(read->manifest.engines, sample(&keys).engines);
    EXPECT_EQ(read->manifest.previous->digest, sample(&keys).previous->digest);
    EXPECT_TRUE(authenticate(*read, keys).ok());
}

TEST(Manifest, TellsAWrongKeyFromDamage) {
    const auto keys = keys_of("a key");
    const auto read = parse_manifest(published(keys), "m");
    ASSERT_TRUE(read.ok());
    EXPECT_EQ(authenticate(*read, keys_of("a keY")).error().code, Code::wrong_key);
}

// Never taken for a wrong key, and never believed, with encryption or without.
TEST(Manifest, AnyFlippedBitIsDamage) {
    const auto keys = keys_of("a key");
    for (const auto& good : {published(keys), to_published(sample(nullptr), nullptr).value()})
        for (std::size_t i = 0; i < good.size(); ++i)
            for (int bit = 0; bit < 8; ++bit) {
                auto text = good;
                text[i] = static_cast<char>(text[i] ^ (1 << bit));
                const auto read = parse_manifest(text, "m");
                const auto code = read ? authenticate(*read, keys).error().code : code_of(read);
                EXPECT_EQ(code, Code::damaged) << "byte " << i << " bit " << bit;
            }
}

TEST(Manifest, WhoeverHasNoKeyCannotChangeIt) {
    const auto keys = keys_of("a key");
    auto document = parse_json(published(keys), "m").value();
    document["hostname"] = "another";
    const auto read = parse_manifest(with_own_digest(document), "m");
    ASSERT_TRUE(read.ok()) << read.error().fact;
    EXPECT_EQ(authenticate(*read, keys).error().code, Code::damaged);
}

TEST(Manifest, RefusesWhatIsNotCanonical) {
    const auto keys = keys_of("a key");
    auto text = published(keys);
    EXPECT_EQ(code_of(parse_manifest(" " + text, "m")), Code::damaged);
    EXPECT_EQ(code_of(parse_manifest(text + "\n", "m")), Code::damaged);
    EXPECT_EQ(code_of(parse_manifest(text.substr(0, text.size() - 1), "m")), Code::damaged);
}

TEST(Manifest, NamesAnUnknownFormatVersion) {
    auto text = to_published(sample(nullptr), nullptr).value();
    text.replace(text.find("\"version\":1"), 11, "\"version\":9");
    const auto read = parse_manifest(text, "m");
    ASSERT_FALSE(read.ok());
    EXPECT_EQ(read.error().code, Code::damaged);
    EXPECT_EQ(read.error().fact, "m has format version 9; this program reads version 1");
}

TEST(Manifest, IsRefusedWhenItLosesItsMacButKeepsItsEncryption) {
    const auto keys = keys_of("a key");
    auto document = parse_json(published(keys), "m").value();
    document.erase("mac");
    EXPECT_EQ(code_of(parse_manifest(with_own_digest(document), "m")), Code::damaged);
    document["authenticated"] = false;
    EXPECT_EQ(code_of(parse_manifest(with_own_digest(document), "m")), Code::damaged);
}

TEST(Manifest, AMacUnderAnotherContextIsNotBelieved) {
    const auto keys = keys_of("a key");
    auto document = parse_json(published(keys), "m").value();
    document.erase("mac");
    document["mac"] = to_hex(hmac_sha256(keys.mac_key, as_bytes(canonical(document))));
    const auto read = parse_manifest(canonical(document) + "\n", "m");
    ASSERT_TRUE(read.ok());
    EXPECT_EQ(authenticate(*read, keys).error().code, Code::damaged);
}

TEST(Manifest, StaysWithinItsBound) {
    auto manifest = sample(nullptr);
    manifest.hostname = std::string(kManifestBytesMax, 'h');
    EXPECT_FALSE(to_published(manifest, nullptr).ok());
}

TEST(Manifest, FieldsOfLaterVersionsArePassedOverButAuthenticated) {
    const auto keys = keys_of("a key");
    auto document = parse_json(published(keys), "m").value();
    document.erase("mac");
    document["hold"] = "later";
    document = parse_json(with_own_digest(document), "m").value();
    document["mac"] =
        to_hex(hmac_sha256(keys.mac_key, as_bytes("asb-manifest-v1" + canonical(document))));
    const auto read = parse_manifest(canonical(document) + "\n", "m");
    ASSERT_TRUE(read.ok()) << read.error().fact;
    EXPECT_TRUE(authenticate(*read, keys).ok());
}

}  // namespace
}  // namespace asb
