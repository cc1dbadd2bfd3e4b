#pragma once
// Why this exists: stores want digests as base64 (RFC 4648), with padding, and give them so.

#include <optional>
#include <string>
#include <string_view>

#include "base/bytes.hpp"
#include "codec/digest.hpp"

namespace asb::remote {

std::string base64(Bytes bytes);
// The base64 of 32 bytes; nullopt for anything else.
std::optional<Digest> digest_from_base64(std::string_view text);

}  // namespace asb::remote
