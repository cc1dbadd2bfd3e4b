#include "store/local/local_store.hpp"

#include <array>

#include "store/local/folder.hpp"
#include "store/local/rights.hpp"

namespace asb {
namespace {

constexpr std::array kOptions = {
    Option{.name = "BACKUP_DIR",
           .kind = OptionKind::path,
           .default_value = "/var/backups/auth-service",
           .summary = "the folder of the repository; `none`: only in S3 or Google Cloud Storage"},
    Option{.name = "BACKUP_DIR_LIMIT_PERCENT",
           .kind = OptionKind::number,
           .default_value = "90",
           .summary = "`backup` and `check` warn once the disk of BACKUP_DIR is fuller than that; "
                      "100: never"},
};

std::string configured(const Settings& settings) {
    const auto& folder = settings.text("BACKUP_DIR");
    return folder == "none" ? std::string() : folder;
}

Result<std::unique_ptr<StoreReader>> open_reader(const std::string& location,
                                                 const StoreContext& /*context*/) {
    ASB_TRY(auto root, local::parse_location(location));
    return local::make_reader(std::move(root));
}

Result<std::unique_ptr<StoreAppender>> open_appender(const std::string& location,
                                                     const StoreContext& /*context*/) {
    ASB_TRY(auto root, local::parse_location(location));
    return local::make_appender(std::move(root));
}

Result<std::unique_ptr<StoreEraser>> open_eraser(const std::string& location,
                                                 const StoreContext& /*context*/) {
    ASB_TRY(auto root, local::parse_location(location));
    return local::make_eraser(std::move(root));
}

Result<std::optional<std::uint64_t>> check_writable(const std::string& location,
                                                    const StoreContext& /*context*/) {
    ASB_TRY(const auto root, local::parse_location(location));
    return local::writable_space(root);
}

std::string room_warning(const std::string& location, const Settings& settings) {
    const auto root = local::parse_location(location);
    const auto used = root ? local::used_percent(*root) : std::nullopt;
    const auto limit = settings.number("BACKUP_DIR_LIMIT_PERCENT");
    if (!used || *used <= limit) return {};
    return fmt::format(
        "the disk of {} is {} % full, above BACKUP_DIR_LIMIT_PERCENT={}: remove old "
        "backups (expire), or give it more room",
        *root, *used, limit);
}

}  // namespace

const StoreDriver kLocalStore = {
    .scheme = "file",
    .summary = "a folder of this machine, or one mounted on it",
    .options = kOptions,
    .configured = configured,
    .open_reader = open_reader,
    .open_appender = open_appender,
    .open_eraser = open_eraser,
    .check_writable = check_writable,
    .room_warning = room_warning,
};

}  // namespace asb
