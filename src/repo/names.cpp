#include "repo/names.hpp"

#include <algorithm>
#include <array>

namespace asb {
namespace {

constexpr std::array<std::string_view, 6> kSuffixes = {
    ".tar.gz.enc", ".tar.enc", ".tar.gz", ".tar", kIndexSuffix, kManifestSuffix};

ObjectKey key_of(std::string_view name, std::string_view suffix) {
    return ObjectKey::known(fmt::format("{}{}", name, suffix));
}

}  // namespace

std::string backup_name(Instant instant) {
    return fmt::format("{}{}", kNamePrefix, to_stamp(instant));
}

bool is_backup_name(std::string_view text) {
    constexpr std::string_view kShape = "dddddddd_dddddd";
    if (!text.starts_with(kNamePrefix)) return false;
    text.remove_prefix(kNamePrefix.size());
    return text.size() == kShape.size() &&
           std::equal(text.begin(), text.end(), kShape.begin(), [](char c, char shape) {
               return shape == 'd' ? c >= '0' && c <= '9' : c == shape;
           });
}

std::string_view body_suffix(bool compressed, bool encrypted) {
    if (compressed) return encrypted ? ".tar.gz.enc" : ".tar.gz";
    return encrypted ? ".tar.enc" : ".tar";
}

std::string_view without_suffix(std::string_view object_name) {
    for (const auto suffix : kSuffixes)
        if (object_name.ends_with(suffix))
            return object_name.substr(0, object_name.size() - suffix.size());
    return object_name;
}

ObjectKey body_key(std::string_view name, bool compressed, bool encrypted) {
    return key_of(name, body_suffix(compressed, encrypted));
}

ObjectKey index_key(std::string_view name) {
    return key_of(name, kIndexSuffix);
}

ObjectKey manifest_key(std::string_view name) {
    return key_of(name, kManifestSuffix);
}

}  // namespace asb
