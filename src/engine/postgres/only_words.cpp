#include "engine/postgres/only_words.hpp"

#include <algorithm>

#include "base/text.hpp"

namespace asb::postgres {
namespace {

constexpr std::size_t kPartsMax = 3;
constexpr const char* kSpelling =
    "name DATABASE, DATABASE.SCHEMA or DATABASE.SCHEMA.TABLE; * and ? stand for any text and any "
    "character, so ? for a dot in a name";

bool continues_character(char c) {
    return (static_cast<unsigned char>(c) & 0xC0U) == 0x80;
}

Result<OnlyWord> parse_word(const std::string& text) {
    auto parts = split(text, '.');
    const bool empty_part =
        std::ranges::any_of(parts, [](const auto& part) { return part.empty(); });
    if (parts.size() > kPartsMax || empty_part)
        return with_hint(
            fail(Code::usage, "--only {}: not a database, schema or table", printable(text)),
            kSpelling);
    parts.resize(kPartsMax);
    return OnlyWord{.text = text, .database = parts[0], .schema = parts[1], .table = parts[2]};
}

}  // namespace

Result<OnlyWords> parse_only(const std::vector<std::string>& words) {
    OnlyWords only;
    for (const auto& text : words) {
        ASB_TRY(auto word, parse_word(text));
        const bool piece = !word.schema.empty();
        if (!only.empty() && piece != only.pieces)
            return with_hint(fail(Code::usage,
                                  "--only {} and {}: a whole database and parts of "
                                  "one cannot be put in place in one step",
                                  printable(only.words.front().text), printable(text)),
                             "restore the databases in one run and the schemas and tables in "
                             "another");
        only.pieces = piece;
        only.words.push_back(std::move(word));
    }
    return only;
}

bool matches_glob(std::string_view pattern, std::string_view name) {
    std::size_t at = 0;
    std::size_t in_name = 0;
    std::size_t star = std::string_view::npos;
    std::size_t star_name = 0;
    while (in_name < name.size()) {
        if (at < pattern.size() && pattern[at] == '*') {
            star = at++;
            star_name = in_name;
        } else if (at < pattern.size() && pattern[at] == '?') {
            ++at;
            do ++in_name;
            while (in_name < name.size() && continues_character(name[in_name]));
        } else if (at < pattern.size() && pattern[at] == name[in_name]) {
            ++at;
            ++in_name;
        } else if (star != std::string_view::npos) {
            at = star + 1;
            in_name = ++star_name;
        } else {
            return false;
        }
    }
    return pattern.find_first_not_of('*', at) == std::string_view::npos;
}

Result<std::vector<std::string>> choose_named(const OnlyWords& only,
                                              const std::vector<std::string>& databases) {
    if (only.empty()) return databases;
    std::vector<bool> named(databases.size());
    for (const auto& word : only.words) {
        bool found = false;
        for (std::size_t i = 0; i < databases.size(); ++i) {
            if (!matches_glob(word.database, databases[i])) continue;
            named[i] = found = true;
        }
        if (!found)
            return with_hint(fail(Code::not_found, "--only {}: the backup holds no such database",
                                  printable(word.text)),
                             fmt::format("it holds: {}", printable(join(databases, ", "))));
    }
    std::vector<std::string> chosen;
    for (std::size_t i = 0; i < databases.size(); ++i)
        if (named[i]) chosen.push_back(databases[i]);
    if (only.pieces && chosen.size() > 1)
        return with_hint(fail(Code::usage, "--only names parts of several databases: {}",
                              printable(join(chosen, ", "))),
                         "they take their places in one transaction, so restore those of one "
                         "database a run");
    return chosen;
}

}  // namespace asb::postgres
