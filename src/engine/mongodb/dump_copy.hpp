#pragma once
// Why this exists: one connection waits for the server most of the time; several collections are
// read at once, and one thread pushes what they bring into the archive.

#include "base/progress.hpp"
#include "codec/tar.hpp"
#include "engine/mongodb/client.hpp"
#include "engine/mongodb/dump_scope.hpp"

namespace asb {

struct CopyResult {
    std::uint64_t documents = 0;
    std::uint64_t bytes = 0;
};

struct CopyOptions {
    std::size_t readers = 1;
    bool majority = true;  // readConcern; a standalone server knows only its own
};

// Reads `reads`, the largest first, with `options.readers` connections to `member` and pushes every
// part into `sink` from the calling thread. The first error of any reader or of the sink ends all.
Result<CopyResult> copy_collections(const MongoUrl& member, const StopToken& stop,
                                    const CopyOptions& options, std::vector<ReadPlan> reads,
                                    EntrySink& sink, Progress& progress);

}  // namespace asb
