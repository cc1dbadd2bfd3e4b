#pragma once
// Why this exists: MongoDB as one driver among others: collections and the oplog that makes them
// one position out, a database back in.

#include "engine/engine.hpp"

namespace asb {

// mongodb:// and mongodb+srv:// addresses. The Settings given to `open` must outlive the engine.
extern const EngineDriver kMongodbEngine;

}  // namespace asb
