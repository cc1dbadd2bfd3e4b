#pragma once
// Why this exists: an object too large for one request goes up through a resumable upload of the
// JSON API: a session, chunks in order, and the last one makes the object ("Resumable uploads").

#include <memory>
#include <string>

#include "store/gcs/bucket.hpp"

namespace asb::gcs {

// "Resumable uploads": all chunks but the last have a multiple of this.
inline constexpr std::size_t kChunkUnit = 256 * kKiB;
// The format's segments, 16 MiB, in which everything above this hands out its bytes.
inline constexpr std::size_t kPartBytes = 16 * kMiB;
static_assert(kPartBytes % kChunkUnit == 0);

// Starts a session; `busy` when the name is taken already. `bucket` is shared with the client.
Result<std::unique_ptr<remote::PartUpload>> begin_upload(std::shared_ptr<Bucket> bucket,
                                                         const std::string& name,
                                                         const remote::WriteOptions& options);

}  // namespace asb::gcs
