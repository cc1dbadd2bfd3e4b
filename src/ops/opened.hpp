#pragma once
// Why this exists: verify and restore begin alike: a reference becomes an authenticated archive,
// with one meaning of a missing or unusable key.

#include <functional>

#include "ops/sources.hpp"
#include "repo/archive_reader.hpp"
#include "repo/catalog.hpp"

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

// The newest backup of `catalog` that is encrypted, and whether the settings' key opens it:
// `wrong_key` when it does not. nullopt: there is none.
struct NewestSealed {
    std::string name;
    Status opens;
};
std::optional<NewestSealed> open_newest_sealed(const OpsContext& context, StoreReader& store,
                                               const Catalog& catalog);

// Whether another repository has what this one lacks; `hasty` gives up at once.
using HasPiece =
    std::function<bool(const OpsContext& hasty, const Place& place, StoreReader& store)>;
// The first repository of the settings besides `here` that has it; empty: none, `here` is not one
// of them, or the others do not answer at once.
std::string other_holder(const OpsContext& context, const std::string& here, const HasPiece& has);
// What to do with it: "HOLDER has it too: ...".
std::string mended_from(const std::string& holder);

// What an operator reads when the backup `name` in `store` does not verify: which one it is, where,
// and what mends it, for which the other repositories of the settings are asked once. Only of
// `damaged`; other errors as they are.
Error damage_told(const OpsContext& context, const StoreReader& store, const std::string& name,
                  Error error);

}  // namespace asb
