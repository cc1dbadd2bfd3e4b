#include "codec/cbc.hpp"

#include "base/text.hpp"
#include "codec/test_support.hpp"

namespace asb {
namespace {

using test::Data;
using test::FailingSink;
using test::FailsWith;
using test::MemorySink;
using test::MemorySource;
using test::random_data;
using test::read_all;
using test::Succeeds;

constexpr std::uint32_t kIterations = 10'000;  // openssl's default
constexpr Salt kSalt = {std::byte{0xde}, std::byte{0xad}, std::byte{0},  std::byte{1},
                        std::byte{2},    std::byte{3},    std::byte{10}, std::byte{255}};

const BodyKeys& keys() {
    static const BodyKeys kKeys = derive_body_keys(Secret("swordfish"), kSalt, kIterations);
    return kKeys;
}

Data encrypt(Bytes plain, std::size_t piece_bytes) {
    MemorySink sink;
    CbcEncryptSink encrypter(sink, keys(), kSalt);
    EXPECT_THAT(test::write_in_pieces(encrypter, plain, piece_bytes), Succeeds());
    EXPECT_TRUE(sink.finished);
    return sink.data;
}

Result<Data> decrypt(Bytes body, std::size_t span_bytes) {
    MemorySource source(body, span_bytes);
    CbcDecryptSource decrypter(source, keys());
    return read_all(decrypter);
}

TEST(CbcEncryptSink, WritesWhatOpensslEncReads) {
    const test::TempFolder folder;
    const auto plain = random_data(1'000'003);
    test::write_file(folder / "body", encrypt(plain, 65'521));
    const auto decrypted = test::run_tool(
        "SECRET=swordfish openssl enc -d -aes-256-cbc -pbkdf2 -iter 10000 -md sha256 -pass "
        "env:SECRET -in " +
        folder / "body");
    EXPECT_EQ(decrypted, as_text(plain));
}

TEST(CbcDecryptSource, ReadsWhatOpensslEncWrites) {
    const test::TempFolder folder;
    const auto plain = random_data(100'000);
    test::write_file(folder / "plain", plain);
    const auto body = test::run_tool(
        "SECRET=swordfish openssl enc -aes-256-cbc -pbkdf2 -iter 10000 -md sha256 -pass env:SECRET "
        "-in " +
        folder / "plain");
    const auto salt = parse_salt(as_bytes(body));
    ASSERT_TRUE(salt.ok());
    MemorySource source(as_bytes(body), 4096);
    CbcDecryptSource decrypter(source, derive_body_keys(Secret("swordfish"), *salt, kIterations));
    const auto decrypted = read_all(decrypter);
    ASSERT_THAT(decrypted, Succeeds());
    EXPECT_EQ(decrypted.value(), plain);
}

TEST(CbcEncryptSink, PadsEverySizeToWholeBlocksBehindTheHeader) {
    for (const std::size_t size : {0U, 1U, 15U, 16U, 17U, 32U}) {
        const auto body = encrypt(random_data(size), 5);
        EXPECT_EQ(body.size(), kCbcHeaderBytes + (size / kCbcBlockBytes + 1) * kCbcBlockBytes);
        EXPECT_EQ(as_text(body).substr(0, 8), "Salted__");
    }
}

TEST(CbcDecryptSource, GivesBackEverySizeFromSpansOfEverySize) {
    for (const std::size_t size : {0U, 1U, 15U, 16U, 17U, 262'143U, 262'144U, 262'145U, 600'000U}) {
        const auto plain = random_data(size);
        const auto body = encrypt(plain, 100'000);
        for (const std::size_t span : {1U, 7U, 16U, 65'536U, 1'000'000U}) {
            if (size > 1000 && span < 16) continue;
            const auto decrypted = decrypt(body, span);
            ASSERT_THAT(decrypted, Succeeds()) << size << " in spans of " << span;
            EXPECT_EQ(decrypted.value(), plain) << size << " in spans of " << span;
        }
    }
}

TEST(CbcEncryptSink, PassesOnTheErrorOfTheNextSink) {
    FailingSink header_fails(0);
    CbcEncryptSink first(header_fails, keys(), kSalt);
    EXPECT_THAT(first.write(as_bytes("x")), FailsWith(Code::space, "the disk is full"));
    FailingSink padding_fails(1);
    CbcEncryptSink second(padding_fails, keys(), kSalt);
    EXPECT_THAT(second.finish(), FailsWith(Code::space, "the disk is full"));
}

TEST(CbcDecryptSource, PassesOnTheErrorOfItsSource) {
    const auto body = encrypt(random_data(100), 100);
    test::FailingSource source{Bytes(body)};
    CbcDecryptSource decrypter(source, keys());
    EXPECT_THAT(read_all(decrypter), FailsWith(Code::store, "the connection was lost"));
}

TEST(CbcDecryptSource, RefusesABodyWithoutItsHeader) {
    const auto body = encrypt(random_data(100), 100);
    EXPECT_THAT(decrypt(Bytes(body).subspan(1), 64), FailsWith(Code::damaged, "\"Salted__\""));
    EXPECT_THAT(decrypt({}, 64), FailsWith(Code::damaged, "\"Salted__\""));
    EXPECT_THAT(decrypt(Bytes(body).first(15), 64), FailsWith(Code::damaged, "\"Salted__\""));
}

TEST(CbcDecryptSource, GivesOneUniformErrorForAWrongEndOrKey) {
    const auto body = encrypt(random_data(100), 100);
    const Bytes whole(body);
    EXPECT_THAT(decrypt(whole.first(16), 64),
                FailsWith(Code::damaged, "the body does not decrypt"));
    EXPECT_THAT(decrypt(whole.first(body.size() - 1), 64),
                FailsWith(Code::damaged, "the body does not decrypt"));
    MemorySource source(whole, 64);
    CbcDecryptSource decrypter(source, derive_body_keys(Secret("starfish"), kSalt, kIterations));
    EXPECT_THAT(read_all(decrypter), FailsWith(Code::damaged, "the body does not decrypt"));
}

TEST(ParseSalt, GivesTheEightBytesBehindTheMagic) {
    const auto salt = parse_salt(encrypt({}, 1));
    ASSERT_TRUE(salt.ok());
    EXPECT_EQ(*salt, kSalt);
    EXPECT_THAT(parse_salt(as_bytes("salted__12345678")), FailsWith(Code::damaged, "Salted__"));
    EXPECT_THAT(parse_salt(as_bytes("Salted__1234567")), FailsWith(Code::damaged, "Salted__"));
}

}  // namespace
}  // namespace asb
