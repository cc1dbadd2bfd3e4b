#pragma once
// Why this exists: the verbs work on whatever drivers there are; app/drivers.cpp, which alone names
// them, fills this in.

#include <span>

#include "engine/engine.hpp"
#include "keys/key_provider.hpp"
#include "store/store.hpp"

namespace asb {

struct Drivers {
    std::span<const StoreDriver* const> stores;
    std::span<const EngineDriver* const> engines;
    std::span<const KeyProviderDriver* const> keys;
};

}  // namespace asb
