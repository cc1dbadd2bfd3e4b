#pragma once
// Why this exists: a large object goes up in parts, each with its digest, and becomes visible in
// one act at the end, which must never be taken for done when it is not, nor done twice.

#include <memory>
#include <string>

#include "store/remote/object_client.hpp"
#include "store/s3/channel.hpp"

namespace asb::s3 {

// `headers` are what the object is written with (write_headers).
Result<std::unique_ptr<remote::PartUpload>> begin_upload(std::shared_ptr<Channel> channel,
                                                         std::string key,
                                                         const remote::WriteOptions& options,
                                                         HttpHeaders headers);

// Aborts the uploads below the location that began before `before`; how many. None where the store
// does not let us see them.
Result<std::size_t> abort_uploads(Channel& channel, Instant before);

}  // namespace asb::s3
