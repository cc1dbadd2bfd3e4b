#pragma once
// Why this exists: the verbs work on whatever drivers there are; app/drivers.cpp, which alone names
// them, fills this in.

#include <span>
#include <string_view>
#include <vector>

#include "engine/engine.hpp"
#include "keys/key_provider.hpp"
#include "store/store.hpp"

namespace asb {

struct Drivers {
    std::span<const StoreDriver* const> stores;
    std::span<const Option> store_options;  // that several of them read
    std::span<const EngineDriver* const> engines;
    std::span<const KeyProviderDriver* const> keys;

    // The store of that scheme; "" is that of folders. Null: this program has none.
    [[nodiscard]] const StoreDriver* store(std::string_view scheme) const;
    // Every option that this store reads.
    [[nodiscard]] std::vector<const Option*> options_of(const StoreDriver& store) const;
    // Null: this program has no engine of that name.
    [[nodiscard]] const EngineDriver* engine(std::string_view name) const;
};

// What stands before "://" in a location; empty: it is a folder's path.
std::string_view scheme_of(std::string_view location);

}  // namespace asb
