#include "engine/postgres/conninfo.hpp"

#include <algorithm>

#include "engine/postgres/handles.hpp"

namespace asb {
namespace {

Error not_a_conninfo() {
    return with_hint(fail(Code::usage, "DATABASE_URL is not a PostgreSQL address"),
                     "write it as postgresql://user:password@host:5432/database; in the password, "
                     "@ is %40, / is %2F, : is %3A, ? is %3F, # is %23 and % is %25");
}

auto find_word(const ConninfoWords& words, std::string_view keyword) {
    return std::ranges::find(words, keyword, [](const auto& pair) { return pair.first; });
}

}  // namespace

Result<ConninfoWords> parse_conninfo(std::string_view text) {
    const std::string conninfo(text);
    char* message = nullptr;
    const PgConninfo options(PQconninfoParse(conninfo.c_str(), &message));
    const PgText message_owner(message);  // not shown: it quotes the text, password and all
    if (options == nullptr || conninfo.empty()) return not_a_conninfo();
    ConninfoWords words;
    for (const PQconninfoOption* option = options.get(); option->keyword != nullptr; ++option)
        if (option->val != nullptr) words.emplace_back(option->keyword, option->val);
    return words;
}

void set_word(ConninfoWords& words, std::string_view keyword, std::string_view value) {
    std::erase_if(words, [&](const auto& pair) { return pair.first == keyword; });
    words.emplace_back(keyword, value);
}

void set_default_word(ConninfoWords& words, std::string_view keyword, std::string_view value) {
    if (find_word(words, keyword) == words.end()) words.emplace_back(keyword, value);
}

std::string word(const ConninfoWords& words, std::string_view keyword) {
    const auto found = find_word(words, keyword);
    return found == words.end() ? std::string() : found->second;
}

}  // namespace asb
