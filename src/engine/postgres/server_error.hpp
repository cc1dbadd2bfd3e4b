#pragma once
// Why this exists: "FATAL: 28000" helps nobody at three in the morning. What libpq and the server
// say is turned, in one pure function, into a fact and the very line that mends it.

#include <string>
#include <string_view>

#include "engine/postgres/connection.hpp"

namespace asb {

// The five characters of SQLSTATE in a message written with PQERRORS_VERBOSE ("FATAL:  28P01:
// ..."), or empty: libpq gives no other way to learn the state of a failed connection.
[[nodiscard]] std::string sqlstate_in(std::string_view message);

// What a full disk (ENOSPC) is called in the output of PostgreSQL's programs and servers.
inline constexpr std::string_view kDiskFullText = "No space left on device";

// A connection attempt that failed with libpq's `message`.
[[nodiscard]] Error connection_error(const ConnectionTarget& target, std::string_view message);

// A statement that failed; `state` and `message` as PQresultErrorField gives them, state empty when
// the connection itself broke.
[[nodiscard]] Error server_error(const ConnectionTarget& target, std::string_view state,
                                 std::string_view message);

// The lines that let `target`'s user in for replication from `client_address` (empty: unknown).
[[nodiscard]] std::string hba_line(const ConnectionTarget& target, std::string_view client_address);

// `database` unless kServerMajorMin <= major of `version_number` (150018) <= kServerMajorMax.
[[nodiscard]] Status check_server_version(int version_number, std::string_view version_text);

}  // namespace asb
