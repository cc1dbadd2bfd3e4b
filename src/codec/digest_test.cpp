#include "codec/digest.hpp"

#include "base/text.hpp"
#include "codec/kdf.hpp"
#include "codec/test_support.hpp"

namespace asb {
namespace {

using test::FailsWith;

Bytes part_of(const Digest& digest, std::size_t offset, std::size_t size) {
    return Bytes(digest).subspan(offset, size);
}

TEST(Sha256, MatchesTheVectorsOfFips180) {
    EXPECT_EQ(to_hex(sha256({})),
              "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    EXPECT_EQ(to_hex(sha256(as_bytes("abc"))),
              "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

TEST(Sha256, GivesTheSameInPiecesAndIsReusable) {
    Sha256 digest;
    digest.update(as_bytes("never"));
    digest.finish();
    digest.update(as_bytes("a"));
    digest.update({});
    digest.update(as_bytes("bc"));
    EXPECT_EQ(digest.finish(), sha256(as_bytes("abc")));
    EXPECT_EQ(digest.finish(), sha256({}));
}

TEST(Sha256, CanBeMoved) {
    Sha256 first;
    first.update(as_bytes("ab"));
    Sha256 second(std::move(first));
    second.update(as_bytes("c"));
    EXPECT_EQ(second.finish(), sha256(as_bytes("abc")));
}

TEST(HmacSha256, MatchesTheVectorsOfRfc4231) {
    EXPECT_EQ(to_hex(hmac_sha256(as_bytes("Jefe"), as_bytes("what do ya want for nothing?"))),
              "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
    const std::vector<std::byte> long_key(131, std::byte{0xaa});
    EXPECT_EQ(to_hex(hmac_sha256(
                  long_key, as_bytes("Test Using Larger Than Block-Size Key - Hash Key First"))),
              "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54");
}

TEST(Crc32c, MatchesTheVectorsOfRfc3720AndPostgresql) {
    EXPECT_EQ(crc32c(0, as_bytes("123456789")), 0xe3069283U);
    EXPECT_EQ(crc32c(0, std::vector<std::byte>(32)), 0x8a9136aaU);
    EXPECT_EQ(crc32c(0, std::vector<std::byte>(32, std::byte{0xff})), 0x62a8ab43U);
    EXPECT_EQ(crc32c(0, {}), 0U);
}

TEST(Crc32c, ContinuesFromAnEarlierResult) {
    const auto data = test::random_data(100'003);
    const auto whole = crc32c(0, data);
    for (const std::size_t cut : {0U, 1U, 7U, 4096U, 100'002U, 100'003U})
        EXPECT_EQ(crc32c(crc32c(0, Bytes(data).first(cut)), Bytes(data).subspan(cut)), whole)
            << cut;
}

TEST(ParseDigest, IsTheInverseOfToHex) {
    const auto digest = sha256(as_bytes("x"));
    const auto parsed = parse_digest(to_hex(digest));
    ASSERT_TRUE(parsed.ok());
    EXPECT_EQ(parsed.value(), digest);
}

TEST(ParseDigest, RefusesWhatIsNot64LowerCaseHexDigits) {
    const auto good = to_hex(sha256({}));
    auto upper = good;
    upper[0] = 'E';
    auto letter = good;
    letter[63] = 'g';
    for (const auto& text : {std::string(), good.substr(1), good + "0", upper, letter,
                             good + good.substr(2), good.substr(0, 62) + "\n"})
        EXPECT_THAT(parse_digest(text), FailsWith(Code::damaged, "is not a SHA-256 digest"))
            << text;
}

TEST(EqualInConstantTime, ComparesLengthAndEveryByte) {
    const auto digest = sha256({});
    auto other = digest;
    EXPECT_TRUE(equal_in_constant_time(digest, other));
    EXPECT_TRUE(equal_in_constant_time({}, {}));
    EXPECT_FALSE(equal_in_constant_time(digest, part_of(other, 0, 31)));
    for (std::size_t i = 0; i < other.size(); ++i) {
        other[i] ^= std::byte{0x80};
        EXPECT_FALSE(equal_in_constant_time(digest, other)) << i;
        other[i] = digest[i];
    }
}

TEST(RandomBytes, FillsAllAndNeverRepeats) {
    std::array<std::byte, 32> first{}, second{};
    random_bytes(first);
    random_bytes(second);
    EXPECT_NE(first, second);
    EXPECT_NE(first, (std::array<std::byte, 32>{}));
}

constexpr Salt kCountingSalt = {std::byte{1}, std::byte{2}, std::byte{3}, std::byte{4},
                                std::byte{5}, std::byte{6}, std::byte{7}, std::byte{8}};

// openssl enc -aes-256-cbc -pbkdf2 -iter 10000 -md sha256 -S 0102030405060708 -k 'correct horse' -P
// gave key and IV; Python's hashlib.pbkdf2_hmac all 96 bytes.
TEST(DeriveBodyKeys, GivesWhatOpensslEncDerivesAndTheMacKeyBehindIt) {
    const auto keys = derive_body_keys(Secret("correct horse"), kCountingSalt, 10'000);
    EXPECT_EQ(to_hex(Bytes(keys.cipher_key)),
              "edeb1973d06db0ac9d005e6cba1015adfd43d7c4cc3d5168d60dbbfbc0aa8b40");
    EXPECT_EQ(to_hex(Bytes(keys.iv)), "1bd457757b24514a847e243514edc535");
    EXPECT_EQ(to_hex(Bytes(keys.mac_key)),
              "74394b2538ae3cc55ed0d61d38f4f0888fb6770b6e22d200738da7b58c2dfbb7");
}

TEST(DeriveBodyKeys, TakesTheSmallestInputs) {
    const auto keys = derive_body_keys(Secret(), kCountingSalt, 1);
    EXPECT_EQ(to_hex(Bytes(keys.cipher_key)),
              "d0418531d3081850483c31ee595c434e208153f4ae3f4783d2efbcddc944b4d3");
}

TEST(DeriveBodyKeys, DependsOnEveryInput) {
    const auto base = derive_body_keys(Secret("a"), kCountingSalt, 2);
    EXPECT_NE(derive_body_keys(Secret("b"), kCountingSalt, 2).mac_key, base.mac_key);
    EXPECT_NE(derive_body_keys(Secret("a"), Salt{}, 2).mac_key, base.mac_key);
    EXPECT_NE(derive_body_keys(Secret("a"), kCountingSalt, 3).mac_key, base.mac_key);
    EXPECT_EQ(derive_body_keys(Secret("a"), kCountingSalt, 2).mac_key, base.mac_key);
}

}  // namespace
}  // namespace asb
