#pragma once
// Why this exists: backups in a bucket of Google Cloud Storage (GCS_BUCKET), on the JSON API, with
// nothing of Google's installed.

#include "store/store.hpp"

namespace asb {

extern const StoreDriver kGcsStore;

}  // namespace asb
