#include "base/settings.hpp"

#include <algorithm>

#include "base/text.hpp"

namespace asb {

void Settings::set(const Option& option, std::string text, std::string origin) {
    values_[std::string(option.name)] = Value{&option, Secret(std::move(text)), std::move(origin)};
}

const Settings::Value& Settings::value(std::string_view name) const {
    const auto found = values_.find(name);
    ASB_ASSERT(found != values_.end());
    return found->second;
}

const std::string& Settings::text(std::string_view name) const {
    return value(name).text.reveal();
}

bool Settings::flag(std::string_view name) const {
    ASB_ASSERT(value(name).option->kind == OptionKind::boolean);
    return text(name) == "true";
}

std::uint64_t Settings::number(std::string_view name) const {
    ASB_ASSERT(value(name).option->kind == OptionKind::number);
    return parse_u64(text(name)).value_or(0);
}

std::vector<std::string> Settings::list(std::string_view name) const {
    ASB_ASSERT(value(name).option->kind == OptionKind::list);
    auto parts = split(text(name), ':');
    std::erase(parts, std::string());
    return parts;
}

bool Settings::is_default(std::string_view name) const {
    return value(name).origin == "default";
}

Status validate(const Option& option, std::string_view text) {
    switch (option.kind) {
        case OptionKind::boolean:
            if (text == "true" || text == "false") return {};
            return with_hint(
                fail(Code::usage, "{}='{}' is not true or false", option.name, printable(text)),
                fmt::format("write {0}=true or {0}=false", option.name));
        case OptionKind::number:
            if (parse_u64(text)) return {};
            return with_hint(
                fail(Code::usage, "{}='{}' is not a whole number", option.name, printable(text)),
                fmt::format("write a number, as in {}={}", option.name,
                            option.default_value.empty() ? "1" : option.default_value));
        case OptionKind::choice: {
            const auto choices = split(option.choices, '|');
            if (std::find(choices.begin(), choices.end(), text) != choices.end()) return {};
            return with_hint(
                fail(Code::usage, "{}='{}' is not one of its values", option.name, printable(text)),
                fmt::format("choose {}", join(choices, ", ")));
        }
        case OptionKind::text:
        case OptionKind::path:
        case OptionKind::list:
        case OptionKind::url:
            break;
    }
    if (text.find('\0') != std::string_view::npos || text.find('\n') != std::string_view::npos)
        return with_hint(fail(Code::usage, "the value of {} holds a line break", option.name),
                         "a value is one line; remove the line break");
    return {};
}

}  // namespace asb
