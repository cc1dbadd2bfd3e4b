#pragma once
// Why this exists: a data directory is more than its data. Debian keeps the configuration outside
// it, and what is inside may point at the original: an archive, another data directory, a hba file.

#include <string>
#include <string_view>
#include <vector>

#include "engine/postgres/data_directory_tree.hpp"

namespace asb::postgres {

// Files that must not act in a restored copy; they are checked like the others, but not written.
[[nodiscard]] bool acts_on_the_original(std::string_view path);

// Writes a minimal postgresql.conf, pg_hba.conf and pg_ident.conf where the backup holds none.
// One line for the operator about each.
Result<std::vector<std::string>> complete_configuration(StagedTree& tree);

// Settings in postgresql.conf and postgresql.auto.conf that would make the copy act outside its own
// directory, one line each; values are not shown, since a command may hold a password.
std::vector<std::string> configuration_warnings(const StagedTree& tree);
// The same for the text of one file: its lines as the server reads them, the last of a name wins.
std::vector<std::string> dangerous_settings(std::string_view text);

}  // namespace asb::postgres
