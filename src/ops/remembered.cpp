#include "ops/remembered.hpp"

#include <filesystem>

#include "codec/digest.hpp"
#include "io/file.hpp"

namespace asb {

std::string remembered_path(const OpsContext& context, std::string_view kind,
                            const std::string& place, std::string_view ending) {
    constexpr std::size_t kDigits = 16;  // of the digest
    return fmt::format("{}/{}/{}{}", context.settings.text("LOG_DIR"), kind,
                       to_hex(sha256(as_bytes(place))).substr(0, kDigits), ending);
}

Status remember(const std::string& path, std::string_view text) {
    constexpr mode_t kMode = 0750;
    ASB_CHECK(make_folders(std::filesystem::path(path).parent_path().string(), kMode));
    return replace_file(path, text);
}

}  // namespace asb
