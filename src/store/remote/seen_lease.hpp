#pragma once
// Why this exists: writers, sweeps and whoever asks what is being written look at leases, and must
// come to the same judgement of who lives.
//
// The lease of `key` is the object ".writing/<key>.<generation>": no ObjectKey has such a name, and
// the ten digits sort. Each take-over of a stale lease is the next generation.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "store/remote/lease_holder.hpp"
#include "store/remote/lease_times.hpp"
#include "store/remote/object_client.hpp"
#include "store/store.hpp"

namespace asb::remote {

inline constexpr std::string_view kLeasePrefix = ".writing/";

std::string lease_name(const ObjectKey& key, std::uint64_t generation);

struct SeenLease {
    std::string name;
    ObjectKey key;
    std::uint64_t generation = 0;
    std::optional<LeaseHolder> holder;  // nullopt: it does not say
    // Its process runs, where that can be told from here (lease_holder.hpp); else it was written
    // less than LeaseTimes::stale_after ago by the store's clock.
    bool live = false;
};

// Of all keys, by name. Objects there that are no leases are left alone.
Result<std::vector<SeenLease>> see_leases(ObjectClient& client, const LeaseTimes& times);
// Of `key`, by generation.
Result<std::vector<SeenLease>> see_leases_of(ObjectClient& client, const LeaseTimes& times,
                                             const ObjectKey& key);
// The same, for the holder of `generation`: without its own, which it need not read.
Result<std::vector<SeenLease>> see_other_leases_of(ObjectClient& client, const LeaseTimes& times,
                                                   const ObjectKey& key, std::uint64_t generation);

}  // namespace asb::remote
