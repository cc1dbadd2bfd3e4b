#pragma once
// Why this exists: what libmongoc and a server say becomes an error that names the action, the
// namespace and the next step, and never repeats a document or a command.

#include <string>
#include <string_view>

#include "base/result.hpp"
#include "engine/mongodb/handles.hpp"

namespace asb {

// Where a connection leads, for messages; no secret.
struct MongoSite {
    std::string address;  // "db1:27017,db2:27017"
    std::string user;     // may be empty
};

// Server error codes that callers act on (mongo/src/mongo/base/error_codes.yml).
inline constexpr std::uint32_t kUnauthorizedCode = 13;
inline constexpr std::uint32_t kNamespaceNotFoundCode = 26;
inline constexpr std::uint32_t kNamespaceExistsCode = 48;
inline constexpr std::uint32_t kCommandNotFoundCode = 59;

// Whether `error` came from the server with that code.
[[nodiscard]] bool is_server_error(const bson_error_t& error, std::uint32_t code);

// The error of an action ("find", "createIndexes") on a namespace ("auth.users"), from a client
// whose error API is version 2. Unreachable, refused and not authorised are `database`; a full disk
// of the server is `space`.
Error mongo_error(const bson_error_t& error, const MongoSite& site, std::string_view action,
                  std::string_view name_space);

}  // namespace asb
