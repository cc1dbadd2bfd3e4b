#pragma once
// Why this exists: where a backup's passphrase comes from, and what the manifest must say so that
// it can be had again. Direct mode (the operator's passphrase) is the first provider; wrapped data
// keys (files, PKCS#11) are further folders.

#include <memory>
#include <span>
#include <string>

#include "base/json.hpp"
#include "base/result.hpp"
#include "base/secret.hpp"
#include "base/settings.hpp"

namespace asb {

// What `openssl enc -pass` would be given for one body, and how it is stretched.
struct BodyPassphrase {
    Secret text;
    std::uint32_t iterations = 0;
};

// What stands in the manifest as "key": no secret; enough to ask the same provider for the same
// passphrase.
struct KeyReference {
    std::string provider;  // "passphrase"
    std::string key_id;    // names the key to people and in logs
    std::uint32_t iterations = 0;
};

class KeyProvider {
  public:
    virtual ~KeyProvider() = default;
    [[nodiscard]] virtual std::string_view name() const = 0;
    struct Fresh {
        BodyPassphrase passphrase;
        KeyReference reference;
    };
    // For a new backup.
    virtual Result<Fresh> fresh() = 0;
    // For an existing one; `wrong_key` when this provider does not know that key.
    virtual Result<BodyPassphrase> open(const KeyReference& reference) = 0;
};

// A driver: one folder, one constant of this type, one line in app/drivers.cpp.
struct KeyProviderDriver {
    std::string_view name;
    std::string_view summary;
    std::span<const Option> options;
    // `usage` when the settings hold no key for it, or one that may not be used.
    Result<std::unique_ptr<KeyProvider>> (*open)(const Settings& settings);
};

}  // namespace asb
