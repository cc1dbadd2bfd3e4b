#pragma once
// Why this exists: ~/.aws/credentials and ~/.aws/config are INI files with ways of their own ("AWS
// SDKs and Tools: shared config and credentials files").

#include <map>
#include <string>
#include <string_view>

#include "base/result.hpp"

namespace asb::s3 {

using ProfileLines = std::map<std::string, std::string>;
using Profiles = std::map<std::string, ProfileLines>;

// Profiles by name, of a credentials file ("[name]") or of a configuration file ("[profile name]"
// and "[default]"; other sections are left out). Indented lines (nested settings) are skipped;
// `usage` with the line's number for a line that is none. `path` is for errors.
enum class ProfileFile { credentials, configuration };
Result<Profiles> parse_profiles(std::string_view text, ProfileFile kind, std::string_view path);

}  // namespace asb::s3
