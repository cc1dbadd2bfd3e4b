#include "engine/mongodb/restore_scope.hpp"

#include <fnmatch.h>

#include <algorithm>

#include "base/text.hpp"
#include "engine/mongodb/layout.hpp"
#include "engine/mongodb/restore_catalog.hpp"

namespace asb::mongodb {
namespace {

bool matches(const std::string& pattern, const std::string& name) {
    return fnmatch(pattern.c_str(), name.c_str(), 0) == 0;
}

std::vector<std::string> databases_of(const Json& facts) {
    std::vector<std::string> names;
    const auto list = facts.find("databases");
    if (list == facts.end() || !list->is_array()) return names;
    for (const auto& name : *list)
        if (name.is_string()) names.push_back(name.get<std::string>());
    return names;
}

bool is_one_database(const Json& facts) {
    const auto scope = facts.find("scope");
    return scope != facts.end() && *scope == "database";
}

// Databases that a server keeps for itself: never replaced as a whole.
bool is_internal(std::string_view database) {
    return database == "local" || database == "config";
}

}  // namespace

Result<RestoreScope> RestoreScope::decide(const MongoUrl& url, const RestoreRequest& request,
                                          const Json& facts) {
    RestoreScope scope;
    scope.only_ = request.only;
    const auto held = databases_of(facts);
    if (request.all_databases) {
        for (const auto& name : held)
            if (!is_internal(name)) scope.homes_.push_back(name);
        return scope;
    }
    scope.target_ = url.database();
    if (scope.target_.empty())
        return with_hint(fail(Code::usage, "DATABASE_URL names no database to restore into"),
                         "add it to the URL's path (mongodb://host/NAME), or say --all-databases");
    scope.source_ = is_one_database(facts) && held.size() == 1 ? held.front() : scope.target_;
    if (!held.empty() && std::ranges::find(held, *scope.source_) == held.end())
        return with_hint(
            fail(Code::not_found, "the backup holds no database '{}'", printable(*scope.source_)),
            fmt::format("it holds {}", printable(join(held, ", "))));
    scope.homes_ = {scope.target_};
    return scope;
}

bool RestoreScope::in_database(std::string_view database) const {
    return source_ ? database == *source_ : !is_internal(database);
}

bool RestoreScope::chosen(std::string_view database, std::string_view collection) const {
    if (only_.empty()) return true;
    const std::string name(database);
    const auto full = fmt::format("{}.{}", database, collection);
    return std::ranges::any_of(only_, [&](const std::string& pattern) {
        return matches(pattern, name) || matches(pattern, full);
    });
}

bool RestoreScope::is_kept(std::string_view database, std::string_view collection) {
    if (collection == "system.js") return true;
    return database == "admin" && (collection == "system.users" || collection == "system.roles");
}

bool RestoreScope::wants(std::string_view database, std::string_view collection) const {
    if (database == "admin" && is_kept(database, collection))
        return only_.empty() && collection != "system.js";
    if (!in_database(database)) return false;
    if (collection.starts_with("system.") && collection != "system.js") return false;
    return collection.find('$') == std::string_view::npos && chosen(database, collection);
}

bool RestoreScope::wants_users_of(std::string_view database) const {
    return only_.empty() && (!source_ || database == *source_);
}

std::string RestoreScope::home(std::string_view database) const {
    return source_ && database == *source_ ? target_ : std::string(database);
}

bool RestoreScope::replaces(std::string_view home, std::string_view collection) const {
    if (only_.empty()) return true;
    return chosen(source_ ? *source_ : home, collection);
}

std::vector<std::string> RestoreScope::unmatched(const std::vector<std::string>& names) const {
    std::vector<std::string> rest;
    for (const auto& pattern : only_)
        if (std::ranges::none_of(names, [&](const auto& name) { return matches(pattern, name); }))
            rest.push_back(pattern);
    return rest;
}

std::optional<EntryNamespace> namespace_of(std::string_view folder, std::string_view stem) {
    const auto name = unescape_stem(stem);
    if (!name) return std::nullopt;
    if (name->starts_with(kAdminCopyPrefix))
        return EntryNamespace{"admin", name->substr(kAdminCopyPrefix.size())};
    return EntryNamespace{std::string(folder), std::string(plain_name(*name))};
}

}  // namespace asb::mongodb
