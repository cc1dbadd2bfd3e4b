#pragma once
// Why this exists: a log has thousands of objects, and stretching a weak passphrase takes a second.
// It is paid once a log: what comes out is the log's key, and each object's own passphrase is made
// of that and of the object's name.

#include <array>

#include "base/json.hpp"
#include "codec/digest.hpp"
#include "codec/kdf.hpp"
#include "store/store.hpp"

namespace asb {

// Zeroed on destruction.
struct LogKey {
    std::array<std::byte, 32> bytes{};
    LogKey() = default;
    LogKey(const LogKey&) = default;
    LogKey& operator=(const LogKey&) = default;
    ~LogKey() { wipe_memory(bytes.data(), bytes.size()); }
};

// HMAC-SHA256(keys.mac_key, "asb-log-key-v1" || log_id)
LogKey derive_log_key(const BodyKeys& keys, std::string_view log_id);

// What `openssl enc -pass` is given for one object: 64 hex digits of HMAC-SHA256(key, the object's
// key as text). A random secret needs no stretching.
inline constexpr std::uint32_t kLogObjectIterations = 1;
Secret log_object_passphrase(const LogKey& key, const ObjectKey& object);

// HMAC-SHA256(keys.mac_key, context || canonical JSON without its member "mac"): of what is not
// encrypted in a log.
Digest mac_of(const Json& document, const BodyKeys& keys, std::string_view context);

}  // namespace asb
