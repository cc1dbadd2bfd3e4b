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

// For reading: the provider of the settings' key, or, when there is none or it may not be used, one
// that says so as `wrong_key` as soon as something encrypted is to be opened.
std::unique_ptr<KeyProvider> reading_key(const OpsContext& context);

// `wrong_key` when the backup is encrypted and the key is missing, an example, or not the one;
// before any download.
Result<OpenedBackup> open_backup(const OpsContext& context, const std::string& reference);

}  // namespace asb
