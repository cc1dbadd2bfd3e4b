#include "store/local/local_store.hpp"

#include "store/local/folder.hpp"
#include "store/local/rights.hpp"

namespace asb {
namespace {

Result<std::unique_ptr<StoreReader>> open_reader(const std::string& location) {
    ASB_TRY(auto root, local::parse_location(location));
    return local::make_reader(std::move(root));
}

Result<std::unique_ptr<StoreAppender>> open_appender(const std::string& location) {
    ASB_TRY(auto root, local::parse_location(location));
    return local::make_appender(std::move(root));
}

Result<std::unique_ptr<StoreEraser>> open_eraser(const std::string& location) {
    ASB_TRY(auto root, local::parse_location(location));
    return local::make_eraser(std::move(root));
}

Result<std::optional<std::uint64_t>> check_writable(const std::string& location) {
    ASB_TRY(const auto root, local::parse_location(location));
    return local::writable_space(root);
}

}  // namespace

const StoreDriver kLocalStore = {
    .scheme = "file",
    .summary = "a folder of this machine, or one mounted on it",
    .open_reader = open_reader,
    .open_appender = open_appender,
    .open_eraser = open_eraser,
    .check_writable = check_writable,
};

}  // namespace asb
