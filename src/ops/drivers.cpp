#include "ops/drivers.hpp"

#include <algorithm>

namespace asb {

const StoreDriver* Drivers::store(std::string_view scheme) const {
    const auto wanted = scheme.empty() ? std::string_view("file") : scheme;
    const auto found = std::ranges::find(stores, wanted, &StoreDriver::scheme);
    return found == stores.end() ? nullptr : *found;
}

std::vector<const Option*> Drivers::options_of(const StoreDriver& store) const {
    std::vector<const Option*> options;
    options.reserve(store.options.size() + store_options.size());
    for (const auto& option : store.options) options.push_back(&option);
    for (const auto& option : store_options) options.push_back(&option);
    return options;
}

const EngineDriver* Drivers::engine(std::string_view name) const {
    const auto found = std::ranges::find(engines, name, &EngineDriver::name);
    return found == engines.end() ? nullptr : *found;
}

std::string_view scheme_of(std::string_view location) {
    const auto end = location.find("://");
    return end == std::string_view::npos ? std::string_view() : location.substr(0, end);
}

}  // namespace asb
