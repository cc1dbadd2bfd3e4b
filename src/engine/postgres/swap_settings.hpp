#pragma once
// Why this exists: what ALTER ROLE ... SET and ALTER DATABASE ... SET stored comes back from the
// catalogue as "name=value", and must be written as SQL that stores the same again.

#include <string>
#include <string_view>

#include "engine/postgres/connection.hpp"

namespace asb::postgres {

// "SET name TO value" for `setting` ("name=value", an element of pg_db_role_setting.setconfig).
// Values of the list settings that the server keeps quoted itself go in as they are (as pg_dump's
// variable_is_guc_list_quote does); every other one as a literal.
std::string set_clause(const Connection& connection, std::string_view setting);

}  // namespace asb::postgres
