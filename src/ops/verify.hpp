#pragma once
// Why this exists: `verify FILE`: proof, to the last byte, that a backup would come back.

#include "ops/context.hpp"

namespace asb {

// Manifest, key, MAC, index, every segment's digest, decryption, decompression, tar structure,
// inner manifest: one stream.
Result<Report> verify_backup(const OpsContext& context, const std::string& reference);

}  // namespace asb
