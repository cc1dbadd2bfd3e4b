#pragma once
// Why this exists: an auth service is more than its database. This driver backs up the
// application's configuration, certificates, recent logs and named environment settings, and puts
// them back below a folder of the operator's choice.

#include "engine/engine.hpp"
#include "engine/fileset/file_reader.hpp"

namespace asb {

// Settings: CONFIG_PATHS, CERTIFICATE_PATHS, LOG_PATHS, LOG_MAX_AGE_DAYS, ENVIRONMENT_NAMES; reads
// ENCRYPTION_ENABLED, which app declares. `settings` outlives the engine.
extern const EngineDriver kFilesetEngine;

namespace fileset {

// The engine with a hook into its reading.
std::unique_ptr<Engine> open_engine(const Settings& settings, ReadHook hook);

}  // namespace fileset
}  // namespace asb
