#pragma once
// Why this exists: a service that was dumped with stock mongodump until today can be restored with
// this program, with all its care: beside the old data, checked, and swapped in one step.

#include <string>

#include "engine/engine.hpp"

namespace asb::mongodb {

// Pushes a dump (`path`: the folder of --out, or the file of --archive; either with or without
// --gzip) into `sink` as the entries of a backup. `damaged` when it is not whole, as far as its
// format can tell: an archive has checksums, a folder has not. Obeys context.stop.
Status import_mongodump(const std::string& path, EntrySink& sink, const SessionContext& context);

// What the manifest of a backup with the same content would say of it, as far as a restore asks:
// `databases`, `version` (where the dump says it), `scope`.
Result<Json> mongodump_facts(const std::string& path, const SessionContext& context);

}  // namespace asb::mongodb
