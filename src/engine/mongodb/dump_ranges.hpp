#pragma once
// Why this exists: one cursor is one thread of the server, and the last large collection would be
// read by one reader while the others have nothing to do. A large collection is read in ranges of
// its _id index, where the server has proved that each document is in exactly one of them.

#include <vector>

#include "base/log.hpp"
#include "engine/mongodb/client.hpp"
#include "engine/mongodb/dump_scope.hpp"

namespace asb {

struct SplitOptions {
    std::uint64_t bytes_min = 0;  // a collection of fewer is read by one cursor; 0: each is
    std::size_t readers = 1;
    bool majority = true;  // readConcern of the reads
};

// Replaces each read in `reads` that is large enough and may be split by reads of its ranges, at
// most four for each reader. A collection whose ranges cannot be proved stays as it is, and `log`
// says why. Fails only when a stop was requested.
Status split_large_reads(MongoConnection& connection, const SplitOptions& options,
                         std::vector<ReadPlan>& reads, Log& log);

// The fields of a `find` that keep it to `range`; none for a whole collection.
void add_range(BsonBuilder& find, const IdRange& range);

}  // namespace asb
