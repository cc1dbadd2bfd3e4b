#include "codec/digest.hpp"

#include <isa-l/crc.h>
#include <openssl/crypto.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>

#include <algorithm>

#include "base/text.hpp"
#include "codec/handles.hpp"

namespace asb {

const EVP_MD* sha256_algorithm() {
    static const EvpMd kAlgorithm(EVP_MD_fetch(nullptr, "SHA256", nullptr));
    ASB_ASSERT(kAlgorithm != nullptr);
    return kAlgorithm.get();
}

struct Sha256::State {
    EvpMdCtx context{EVP_MD_CTX_new()};
    void begin() const {
        ASB_ASSERT(EVP_DigestInit_ex2(context.get(), sha256_algorithm(), nullptr) == 1);
    }
};

Sha256::Sha256() : state_(std::make_unique<State>()) {
    state_->begin();
}
Sha256::~Sha256() = default;
Sha256::Sha256(Sha256&&) noexcept = default;
Sha256& Sha256::operator=(Sha256&&) noexcept = default;

void Sha256::update(Bytes bytes) {
    ASB_ASSERT(EVP_DigestUpdate(state_->context.get(), bytes.data(), bytes.size()) == 1);
}

Digest Sha256::finish() {
    Digest digest;
    ASB_ASSERT(EVP_DigestFinal_ex(state_->context.get(), as_uchar(digest.data()), nullptr) == 1);
    state_->begin();
    return digest;
}

Digest sha256(Bytes bytes) {
    Digest digest;
    ASB_ASSERT(EVP_Digest(bytes.data(), bytes.size(), as_uchar(digest.data()), nullptr,
                          sha256_algorithm(), nullptr) == 1);
    return digest;
}

Digest hmac_sha256(Bytes key, Bytes message) {
    Digest digest;
    const auto* made =
        HMAC(sha256_algorithm(), key.data(), static_cast<int>(key.size()), as_uchar(message.data()),
             message.size(), as_uchar(digest.data()), nullptr);
    ASB_ASSERT(made != nullptr);
    return digest;
}

std::string to_hex(const Digest& digest) {
    return to_hex(Bytes(digest));
}

Result<Digest> parse_digest(std::string_view hex) {
    Digest digest;
    const bool lower_case =
        std::none_of(hex.begin(), hex.end(), [](char c) { return c >= 'A' && c <= 'F'; });
    const auto bytes = parse_hex(hex);
    if (!lower_case || !bytes.ok() || bytes.value().size() != digest.size())
        return fail(Code::damaged, "'{}' is not a SHA-256 digest (64 lower-case hex digits)",
                    printable(hex.substr(0, 2 * digest.size())));
    std::copy(bytes.value().begin(), bytes.value().end(), digest.begin());
    return digest;
}

bool equal_in_constant_time(Bytes a, Bytes b) {
    return a.size() == b.size() && CRYPTO_memcmp(a.data(), b.data(), a.size()) == 0;
}

std::uint32_t crc32c(std::uint32_t crc, Bytes bytes) {
    constexpr std::size_t kPieceBytesMax = kGiB;  // ISA-L counts in an int
    // ISA-L neither inverts at the start nor at the end; CRC-32C as stored does both.
    std::uint32_t state = ~crc;
    while (!bytes.empty()) {
        const auto piece = bytes.first(std::min(bytes.size(), kPieceBytesMax));
        // Its parameter is not const, but it only reads.
        state = crc32_iscsi(const_cast<unsigned char*>(as_uchar(piece.data())),
                            static_cast<int>(piece.size()), state);
        bytes = bytes.subspan(piece.size());
    }
    return ~state;
}

void random_bytes(MutableBytes out) {
    ASB_ASSERT(RAND_bytes(as_uchar(out.data()), static_cast<int>(out.size())) == 1);
}

}  // namespace asb
