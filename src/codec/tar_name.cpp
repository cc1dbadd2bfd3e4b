#include "base/text.hpp"
#include "codec/tar.hpp"

namespace asb {
namespace {

constexpr std::size_t kComponentBytesMax = 255;  // NAME_MAX on Linux
constexpr std::size_t kNameBytesMax = 4095;      // PATH_MAX on Linux, without its NUL

std::string_view objection_to_component(std::string_view component) {
    if (component.empty()) return "has an empty component";
    if (component == "." || component == "..") return "has a '.' or '..' component";
    if (component.size() > kComponentBytesMax) return "has a component of more than 255 bytes";
    return {};
}

// Why `name` may not become a path; empty when it may.
std::string_view objection_to(std::string_view name) {
    if (name.empty()) return "is empty";
    if (name.front() == '/') return "is absolute";
    if (name.find('\0') != std::string_view::npos) return "holds a NUL byte";
    if (name.size() > kNameBytesMax) return "is longer than 4095 bytes";
    while (true) {
        const auto slash = name.find('/');
        const auto objection = objection_to_component(name.substr(0, slash));
        if (!objection.empty() || slash == std::string_view::npos) return objection;
        name.remove_prefix(slash + 1);
    }
}

}  // namespace

Status safe_name(std::string_view name) {
    const auto objection = objection_to(name);
    if (objection.empty()) return {};
    return fail(Code::damaged, "the archive's name '{}' {}",
                printable(name.substr(0, kComponentBytesMax)), objection);
}

}  // namespace asb
