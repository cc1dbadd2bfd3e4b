#pragma once
// Why this exists: verify and restore begin alike: a reference becomes an authenticated archive,
// with one meaning of a missing or unusable key.

#include "ops/sources.hpp"
#include "repo/archive_reader.hpp"

namespace asb {

struct OpenedBackup {
    std::unique_ptr<StoreReader> store;
    std::string name;
    OpenArchive archive;
};

// `wrong_key` when the backup is encrypted and the key is missing, an example, or not the one;
// before any download.
Result<OpenedBackup> open_backup(const OpsContext& context, const std::string& reference);

}  // namespace asb
