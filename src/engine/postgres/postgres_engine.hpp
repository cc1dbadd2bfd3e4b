#pragma once
// Why this exists: PostgreSQL as one driver among others: a base backup through the replication
// protocol out, a data directory or a database back in.

#include "engine/engine.hpp"

namespace asb {

// postgres:// and postgresql:// addresses. The Settings given to `open` must outlive the engine.
extern const EngineDriver kPostgresEngine;

}  // namespace asb
