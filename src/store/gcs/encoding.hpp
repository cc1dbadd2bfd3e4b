#pragma once
// Why this exists: the forms in which Google wants bytes as text: the URL form of base64 in tokens,
// and CRC-32C as base64 of four big-endian bytes.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/bytes.hpp"

namespace asb::gcs {

// Base64 with '-' and '_', without padding (RFC 7515).
std::string base64_url(Bytes bytes);

// "n03x6A=="
std::string crc_to_base64(std::uint32_t crc);
// nullopt for anything that is not the base64 of four bytes.
std::optional<std::uint32_t> crc_from_base64(std::string_view text);

}  // namespace asb::gcs
