#include <strings.h>

#include <algorithm>

#include "net/http.hpp"

namespace asb {
namespace {

bool same_name(std::string_view left, std::string_view right) {
    return left.size() == right.size() && strncasecmp(left.data(), right.data(), left.size()) == 0;
}

template <typename All>
auto find(All& all, std::string_view name) {
    return std::find_if(all.begin(), all.end(),
                        [&](const auto& header) { return same_name(header.first, name); });
}

}  // namespace

void HttpHeaders::add(std::string name, std::string value) {
    all_.emplace_back(std::move(name), std::move(value));
}

void HttpHeaders::set(std::string name, std::string value) {
    all_.erase(std::remove_if(all_.begin(), all_.end(),
                              [&](const auto& header) { return same_name(header.first, name); }),
               all_.end());
    add(std::move(name), std::move(value));
}

std::string_view HttpHeaders::get(std::string_view name) const {
    const auto found = find(all_, name);
    return found == all_.end() ? std::string_view() : std::string_view(found->second);
}

bool HttpHeaders::has(std::string_view name) const {
    return find(all_, name) != all_.end();
}

}  // namespace asb
