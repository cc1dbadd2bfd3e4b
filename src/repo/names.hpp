#pragma once
// Why this exists: the names of a backup's objects, in one place; users, scripts and other tools
// rely on them.

#include <string>

#include "base/clock.hpp"
#include "store/store.hpp"

namespace asb {

inline constexpr std::string_view kNamePrefix = "auth-service-backup-";
inline constexpr std::string_view kManifestSuffix = ".manifest.json";
inline constexpr std::string_view kIndexSuffix = ".index";
inline constexpr std::string_view kRecoveryNoteKey = "RESTORE.txt";

// "auth-service-backup-20240115_020000" for the second in which `instant` lies, UTC.
std::string backup_name(Instant instant);
// Whether `text` has the shape that backup_name gives.
[[nodiscard]] bool is_backup_name(std::string_view text);

// ".tar.gz.enc", ".tar.gz", ".tar.enc" or ".tar"
std::string_view body_suffix(bool compressed, bool encrypted);
// The name without a body, index or manifest suffix; unchanged when it has none of them.
std::string_view without_suffix(std::string_view object_name);

ObjectKey body_key(std::string_view name, bool compressed, bool encrypted);
ObjectKey index_key(std::string_view name);
ObjectKey manifest_key(std::string_view name);

}  // namespace asb
