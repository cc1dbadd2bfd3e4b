#include "repo/log_key.hpp"

#include "base/text.hpp"
#include "codec/digest.hpp"

namespace asb {
namespace {

constexpr std::string_view kLogKeyContext = "asb-log-key-v1";

}  // namespace

LogKey derive_log_key(const BodyKeys& keys, std::string_view log_id) {
    LogKey key;
    key.bytes = hmac_sha256(keys.mac_key, as_bytes(fmt::format("{}{}", kLogKeyContext, log_id)));
    return key;
}

Secret log_object_passphrase(const LogKey& key, const ObjectKey& object) {
    return Secret(to_hex(hmac_sha256(key.bytes, as_bytes(object.text()))));
}

Digest mac_of(const Json& document, const BodyKeys& keys, std::string_view context) {
    Json unsigned_document = document;
    unsigned_document.erase("mac");
    return hmac_sha256(keys.mac_key,
                       as_bytes(fmt::format("{}{}", context, canonical(unsigned_document))));
}

}  // namespace asb
