#include "engine/mongodb/restore_users.hpp"

#include <algorithm>
#include <set>

#include "base/fail_point.hpp"
#include "base/text.hpp"

namespace asb::mongodb {
namespace {

constexpr std::uint32_t kRoleExists =
    51002;  // mongo/src/mongo/db/commands/user_management_commands.cpp

// "db.name" of the users who are connected now.
Result<std::set<std::string>> connected_users(MongoConnection& connection) {
    ASB_TRY(const auto reply,
            run(connection, "admin", BsonWriter().add_int32("connectionStatus", 1).finish()));
    std::set<std::string> names;
    for (const auto& user : view_of(reply).child("authInfo").child("authenticatedUsers"))
        names.insert(fmt::format("{}.{}", view_of(user).text("db"), view_of(user).text("user")));
    return names;
}

std::string full_name(BsonView document, std::string_view field) {
    return fmt::format("{}.{}", document.text("db"), document.text(field));
}

// What createRole and updateRole take of a stored role.
std::string role_command(BsonView role, std::string_view command) {
    BsonWriter writer;
    writer.add_text(command, role.text("role"));
    const auto empty = BsonWriter().finish();
    for (const std::string_view field : {"privileges", "roles", "authenticationRestrictions"}) {
        const auto value = role.find(field);
        if (value && value->is(BsonType::array))
            writer.add(*value);
        else if (field != "authenticationRestrictions")
            writer.add_array(field, as_bytes(empty));
    }
    return writer.finish();
}

Status merge_role(MongoConnection& connection, BsonView role) {
    const auto database = role.text("db");
    ASB_CHECK(run_tolerating(connection, database, role_command(role, "createRole"), kRoleExists));
    ASB_TRY([[maybe_unused]] const auto reply,
            run(connection, database, role_command(role, "updateRole")));
    return {};
}

// Whether the server has this very user already.
bool is_there(MongoConnection& connection, BsonView user) {
    const auto who =
        BsonWriter().add_text("user", user.text("user")).add_text("db", user.text("db")).finish();
    const auto command = BsonWriter()
                             .add_document("usersInfo", as_bytes(who))
                             .add_bool("showCredentials", true)
                             .finish();
    const auto reply = run(connection, "admin", command);
    if (!reply.ok()) return false;
    const auto same = [&](BsonView there, std::string_view field) {
        return as_text(there.child(field).bytes()) == as_text(user.child(field).bytes());
    };
    for (const auto& there : view_of(*reply).child("users"))
        if (same(view_of(there), "credentials") && same(view_of(there), "roles")) return true;
    return false;
}

Status fail_here() {
    if (const int error = fail_point("mongo.users"))
        return fail(Code::failed, "cannot write the users: {}",
                    std::generic_category().message(error));
    return {};
}

const StagedCollection* kept_of(const RestoreCatalog& catalog, std::string_view name) {
    return catalog.named("admin", name);
}

Status merge_roles(MongoConnection& connection, const StagedCollection& roles,
                   const RestoreScope& scope, MergedUsers& merged) {
    for (const auto& [key, document] : roles.documents) {
        const auto role = view_of(document);
        if (!scope.wants_users_of(role.text("db"))) continue;
        ASB_CHECK(fail_here());
        const auto done = merge_role(connection, role);
        if (done.ok())
            ++merged.roles;
        else if (done.error().code == Code::interrupted)
            return done.error();
        else
            merged.incomplete.push_back(
                fmt::format("role {}: {}", printable(full_name(role, "role")), done.error().fact));
    }
    return {};
}

}  // namespace

Result<MergedUsers> merge_users(MongoConnection& connection, const RestoreCatalog& catalog,
                                const RestoreScope& scope) {
    MergedUsers merged;
    // Roles first: users name them.
    if (const auto* roles = kept_of(catalog, "system.roles"))
        ASB_CHECK(merge_roles(connection, *roles, scope, merged));
    const auto* users = kept_of(catalog, "system.users");
    if (users == nullptr || users->documents.empty()) return merged;
    ASB_TRY(const auto connected, connected_users(connection));
    for (const auto& [key, document] : users->documents) {
        const auto user = view_of(document);
        const auto name = full_name(user, "user");
        if (!scope.wants_users_of(user.text("db")) || connected.contains(name) ||
            is_there(connection, user))
            continue;
        ASB_CHECK(fail_here());
        const auto stored = store_documents(connection, {"admin", "system.users"}, {document});
        if (stored.ok())
            ++merged.users;
        else if (stored.error().code == Code::interrupted)
            return stored.error();
        else
            merged.incomplete.push_back(
                fmt::format("user {} is not restored: {}", printable(name), stored.error().fact));
    }
    return merged;
}

Result<std::uint64_t> merge_functions(MongoConnection& connection, const RestoreCatalog& catalog) {
    std::uint64_t count = 0;
    for (const auto& collection : catalog.all()) {
        if (!collection->kept || collection->name != "system.js") continue;
        std::vector<std::string> documents;
        for (const auto& [key, document] : collection->documents) documents.push_back(document);
        ASB_CHECK(fail_here());
        ASB_CHECK(store_documents(connection, {collection->home, "system.js"}, documents));
        count += documents.size();
    }
    return count;
}

}  // namespace asb::mongodb
