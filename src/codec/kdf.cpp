#include "codec/kdf.hpp"

#include <openssl/evp.h>

#include <algorithm>

#include "codec/handles.hpp"

namespace asb {
namespace {

constexpr std::size_t kDerivedBytes = 96;
constexpr std::size_t kIvOffset = 32;
constexpr std::size_t kMacKeyOffset = 64;

}  // namespace

BodyKeys derive_body_keys(const Secret& passphrase, const Salt& salt, std::uint32_t iterations) {
    std::array<std::byte, kDerivedBytes> derived;
    ASB_ASSERT(PKCS5_PBKDF2_HMAC(passphrase.reveal().data(), static_cast<int>(passphrase.size()),
                                 as_uchar(salt.data()), static_cast<int>(salt.size()),
                                 static_cast<int>(iterations), sha256_algorithm(),
                                 static_cast<int>(derived.size()), as_uchar(derived.data())) == 1);
    BodyKeys keys;
    std::copy_n(derived.begin(), keys.cipher_key.size(), keys.cipher_key.begin());
    std::copy_n(derived.begin() + kIvOffset, keys.iv.size(), keys.iv.begin());
    std::copy_n(derived.begin() + kMacKeyOffset, keys.mac_key.size(), keys.mac_key.begin());
    wipe_memory(derived.data(), derived.size());
    return keys;
}

}  // namespace asb
