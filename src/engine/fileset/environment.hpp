#pragma once
// Why this exists: part of an application's configuration lives in the environment of its process;
// it is recorded as a file that `sh` reads back.

#include <string>
#include <vector>

#include "base/result.hpp"

namespace asb::fileset {

struct RecordedEnvironment {
    std::string text;  // KEY="value" lines, sorted by key
    std::size_t count = 0;
    std::vector<std::string> warnings;  // names that are not set; never a value
};

// Picks from `environment` ("KEY=value" each) what `names` asks for: a name, or a prefix and '*'.
// A pattern that is neither is `usage`.
Result<RecordedEnvironment> record_environment(const std::vector<std::string>& names,
                                               const std::vector<std::string>& environment);

// The environment of this process as "KEY=value".
std::vector<std::string> process_environment();

}  // namespace asb::fileset
