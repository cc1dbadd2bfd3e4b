#pragma once
// Why this exists: DATABASE_URL holds a password, and libpq's own error for a bad one quotes it. So
// it is taken apart in one place, which says what is wrong without repeating any of it.

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.hpp"

namespace asb {

// libpq's keywords with their values, as PQconnectStartParams takes them. Holds the password.
using ConninfoWords = std::vector<std::pair<std::string, std::string>>;

// The words of a `postgres://` or `postgresql://` address or of a "host=... user=..." string;
// nothing from the environment. `usage` when it is neither; the error repeats nothing of `text`.
Result<ConninfoWords> parse_conninfo(std::string_view text);

// Sets `keyword`, replacing what it was; `set_default` leaves a value that is there.
void set_word(ConninfoWords& words, std::string_view keyword, std::string_view value);
void set_default_word(ConninfoWords& words, std::string_view keyword, std::string_view value);
// The value of `keyword`, or empty.
[[nodiscard]] std::string word(const ConninfoWords& words, std::string_view keyword);

}  // namespace asb
