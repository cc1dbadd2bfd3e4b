#pragma once
// Why this exists: one derivation gives what `openssl enc -pbkdf2` derives (key and IV) and, by the
// prefix property of PBKDF2, the key of the MAC behind it.

#include <cstdint>

#include "base/bytes.hpp"
#include "base/secret.hpp"

namespace asb {

inline constexpr std::size_t kSaltBytes = 8;  // openssl enc: "Salted__" is followed by 8 bytes
using Salt = std::array<std::byte, kSaltBytes>;

// Zeroed on destruction.
struct BodyKeys {
    std::array<std::byte, 32> cipher_key;  // bytes 0-31 of PBKDF2's output
    std::array<std::byte, 16> iv;          // bytes 32-47
    std::array<std::byte, 32> mac_key;     // bytes 64-95; 48-63 are not used
    BodyKeys() = default;
    BodyKeys(const BodyKeys&) = default;
    BodyKeys& operator=(const BodyKeys&) = default;
    ~BodyKeys() {
        wipe_memory(cipher_key.data(), cipher_key.size());
        wipe_memory(iv.data(), iv.size());
        wipe_memory(mac_key.data(), mac_key.size());
    }
};

// PBKDF2-HMAC-SHA256, 96 bytes; the first 48 equal `openssl enc -pbkdf2 -iter N -md sha256`. Takes
// about 0.5-1.2 s of one core at 600,000 iterations.
BodyKeys derive_body_keys(const Secret& passphrase, const Salt& salt, std::uint32_t iterations);

}  // namespace asb
