#pragma once
// Why this exists: `verify FILE`: proof, to the last byte, that a backup would come back.

#include "ops/context.hpp"
#include "repo/archive_reader.hpp"

namespace asb {

// Manifest, key, MAC, index, every segment's digest, decryption, decompression, tar structure,
// inner manifest: one stream.
Result<Report> verify_backup(const OpsContext& context, const std::string& reference);

// Only what needs no download of the body: manifest, key, MAC, index, and the body's presence and
// length; its digests where the store tells its own, and the report says whether it did.
Result<Report> verify_shallow(const OpsContext& context, const std::string& reference);

// The same of one that is open, without a word.
Status verify_archive(const OpsContext& context, const OpenArchive& archive);

}  // namespace asb
