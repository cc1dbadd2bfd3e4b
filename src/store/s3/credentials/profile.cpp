#include "store/s3/credentials/profile.hpp"

#include <optional>

#include "base/text.hpp"

namespace asb::s3 {
namespace {

constexpr std::string_view kProfile = "profile";

Error bad_line(std::string_view path, std::size_t number) {
    return with_hint(
        fail(Code::usage, "{} line {} is neither [section] nor name = value", path, number),
        "correct the file; `aws configure` writes it");
}

// The profile that a section stands for; nullopt for other sections.
std::optional<std::string> profile_of(std::string_view section, ProfileFile kind) {
    if (kind == ProfileFile::credentials || section == "default") return std::string(section);
    if (section.substr(0, kProfile.size()) != kProfile) return std::nullopt;
    const auto name = section.substr(kProfile.size());
    if (name.empty() || (name.front() != ' ' && name.front() != '\t')) return std::nullopt;
    return std::string(trim(name));
}

bool is_blank_or_comment(std::string_view line) {
    const auto text = trim(line);
    return text.empty() || text.front() == '#' || text.front() == ';';
}

// "value # comment" -> "value": a comment needs a space before it.
std::string_view without_comment(std::string_view value) {
    for (std::size_t i = 1; i < value.size(); ++i)
        if ((value[i] == '#' || value[i] == ';') && (value[i - 1] == ' ' || value[i - 1] == '\t'))
            return trim(value.substr(0, i));
    return trim(value);
}

}  // namespace

Result<Profiles> parse_profiles(std::string_view text, ProfileFile kind, std::string_view path) {
    Profiles profiles;
    ProfileLines* current = nullptr;
    std::size_t number = 0;
    for (const auto& raw : split(text, '\n')) {
        ++number;
        if (is_blank_or_comment(raw)) continue;
        const bool is_nested = raw.front() == ' ' || raw.front() == '\t';
        if (is_nested) continue;
        const auto line = trim(raw);
        if (line.front() == '[') {
            const auto end = line.find(']');
            if (end == std::string_view::npos) return bad_line(path, number);
            const auto name = profile_of(trim(line.substr(1, end - 1)), kind);
            current = name ? &profiles[*name] : nullptr;
            continue;
        }
        const auto equals = line.find('=');
        if (equals == std::string_view::npos) return bad_line(path, number);
        if (current != nullptr)
            (*current)[std::string(trim(line.substr(0, equals)))] =
                without_comment(line.substr(equals + 1));
    }
    return profiles;
}

}  // namespace asb::s3
