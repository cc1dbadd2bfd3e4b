#pragma once
// Why this exists: `list` is asked often and from far away. What this machine has read of a
// repository's manifests it keeps, in LOG_DIR/manifests/.

#include "ops/context.hpp"
#include "ops/sources.hpp"
#include "repo/catalog.hpp"

namespace asb {

// As load_catalog, with copies of those manifests that are as they were when this machine last
// looked (repo/kept_manifests.hpp): for showing, not for judging. A folder keeps its own.
// That copies cannot be kept is no error.
Result<Catalog> load_known_catalog(const OpsContext& context, const Place& place,
                                   StoreReader& store);

}  // namespace asb
