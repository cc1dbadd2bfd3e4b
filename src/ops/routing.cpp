#include "ops/routing.hpp"

namespace asb {

Status RoutingSink::begin(const EntryHeader& header) {
    current_ = nullptr;
    for (const auto& route : routes_)
        if (header.name.starts_with(route.prefix)) current_ = route.session;
    if (current_ == nullptr) return {};
    ++routed_;
    return current_->begin(header);
}

Status RoutingSink::write(Bytes bytes) {
    return current_ == nullptr ? Status() : current_->write(bytes);
}

Status RoutingSink::end() {
    return current_ == nullptr ? Status() : current_->end();
}

}  // namespace asb
