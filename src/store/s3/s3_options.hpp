#pragma once
// Why this exists: the settings of the S3 driver, with the names that Amazon's own tools and the
// product's page use, read once into what the driver needs.

#include <array>
#include <string>

#include "base/settings.hpp"

namespace asb::s3 {

extern const std::array<Option, 31> kOptions;

// How objects are written. Everything is as S3's headers want it; empty: the header is not sent.
struct WritePolicy {
    std::string storage_class = {};
    std::string encryption = {};  // "AES256", "aws:kms", "aws:kms:dsse"
    std::string kms_key_id = {};
    std::string lock_mode = {};  // "GOVERNANCE", "COMPLIANCE"
    std::uint64_t lock_days = 0;
    bool legal_hold = false;

    [[nodiscard]] bool wants_lock() const { return !lock_mode.empty() || legal_hold; }
};
// `usage` for combinations that S3 would refuse.
Result<WritePolicy> write_policy(const Settings& settings);

// Where requests go.
enum class Addressing { automatic, path, virtual_host };
struct EndpointSettings {
    std::string url = {};     // empty: Amazon's own
    std::string region = {};  // empty: not said
    Addressing addressing = Addressing::automatic;
};
EndpointSettings endpoint_settings(const Settings& settings);

}  // namespace asb::s3
