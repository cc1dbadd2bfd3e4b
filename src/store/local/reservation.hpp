#pragma once
// Why this exists: one name, one live writer. The lock on the unfinished file says who that is, and
// dies with the process; every race between writers and a sweep is settled here.

#include <optional>
#include <string>
#include <string_view>

#include "store/local/folder.hpp"

namespace asb::local {

// ".<name>.partial"
std::string partial_name(std::string_view name);
// The name whose partial file is called `file_name`; nullopt when that is no partial file's name.
std::optional<std::string_view> name_of_partial(std::string_view file_name);

// Creates the partial file of `spot` and locks it, for as long as the descriptor is open. `busy`
// when a live writer holds the name; what a dead one left is removed.
Result<UniqueFd> reserve(const std::string& root, const Spot& spot);

enum class Leftover { live, removed, gone };
// Removes the partial file `file_name` in `folder_fd` when no live writer holds it.
Result<Leftover> remove_if_abandoned(const std::string& root, int folder_fd,
                                     const std::string& file_name);
// Whether a live writer holds the partial file; false when it is gone.
Result<bool> is_held(const std::string& root, int folder_fd, const std::string& file_name);

}  // namespace asb::local
