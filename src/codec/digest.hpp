#pragma once
// Why this exists: the digests and codes that the format names: SHA-256 (FIPS 180-4), HMAC-SHA256
// (RFC 2104) and CRC-32C (Castagnoli, as PostgreSQL's backup_manifest has it).

#include <array>
#include <string>
#include <string_view>

#include "base/bytes.hpp"
#include "base/secret.hpp"

namespace asb {

using Digest = std::array<std::byte, 32>;

std::string to_hex(const Digest& digest);
// 64 lower-case hex digits; anything else is `damaged`.
Result<Digest> parse_digest(std::string_view hex);
// Same time whatever the contents.
[[nodiscard]] bool equal_in_constant_time(Bytes a, Bytes b);

// Incremental; reusable after `finish`. One thread at a time.
class Sha256 {
  public:
    Sha256();
    ~Sha256();
    Sha256(Sha256&&) noexcept;
    Sha256& operator=(Sha256&&) noexcept;
    void update(Bytes bytes);
    // The digest of everything since construction or the last `finish`.
    Digest finish();

  private:
    struct State;
    std::unique_ptr<State> state_;
};

Digest sha256(Bytes bytes);
Digest hmac_sha256(Bytes key, Bytes message);

// CRC-32C of `bytes` continuing from `crc` (0 to begin), final form (as stored and compared).
std::uint32_t crc32c(std::uint32_t crc, Bytes bytes);

// `count` bytes from the system's CSPRNG; fails closed (ends the process) when there are none.
void random_bytes(MutableBytes out);

}  // namespace asb
