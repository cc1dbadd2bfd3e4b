#pragma once
// Why this exists: a backup that one repository lacks is taken from another, byte for byte and
// without a key: each piece is checked against its digest on the way, so that damage is never
// copied, and the manifest comes last, as when it was first written.

#include <string_view>

#include "base/progress.hpp"
#include "base/stop.hpp"
#include "store/store.hpp"

namespace asb {

struct CopyOptions {
    std::size_t threads = 2;
    Progress* progress = nullptr;  // counts stored bytes
    StopToken stop;
};

// Gives the stored bytes that were copied. `damaged` when it is not whole in `from`; `busy` when
// something has one of its names in `to`, or another run is writing it.
Result<std::uint64_t> copy_backup(StoreReader& from, StoreAppender& to, std::string_view name,
                                  const CopyOptions& options);

// Reads all of it and compares the digests, as a copy would; proves nothing about who wrote it.
// `damaged` as there.
Status check_bytes(StoreReader& store, std::string_view name, const CopyOptions& options);

// Any other object: log objects, holds, records. One that is in `to` by then is success.
Result<std::uint64_t> copy_object(StoreReader& from, StoreAppender& to, const ObjectKey& key,
                                  const CopyOptions& options);

}  // namespace asb
