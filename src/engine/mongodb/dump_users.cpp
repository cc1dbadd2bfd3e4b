#include "engine/mongodb/dump_users.hpp"

#include <algorithm>
#include <array>

namespace asb {
namespace {

// The fields of the stored documents; the commands add what they derive from them.
constexpr std::array kUserFields = {
    "_id",         "userId", "user",       "db",
    "credentials", "roles",  "customData", "authenticationRestrictions"};
constexpr std::array kRoleFields = {"role", "db", "privileges", "roles",
                                    "authenticationRestrictions"};

void append(BsonFile& file, const bson_t& document) {
    const auto* data = reinterpret_cast<const std::byte*>(bson_get_data(&document));
    file.insert(file.end(), data, data + document.len);
}

template <std::size_t kCount>
Bson only(const bson_t& document, const std::array<const char*, kCount>& fields) {
    BsonBuilder kept;
    for (const char* name : fields)
        if (const auto field = find_field(document, name)) kept.value(name, field->at);
    return kept.take();
}

enum class Shown { nothing, names, credentials };

// What the collection shows of users.
Result<Shown> shown_by_collection(MongoConnection& connection) {
    ASB_TRY(const Bson reply, connection.run_command("admin",
                                                     BsonBuilder()
                                                         .text("find", "system.users")
                                                         .number("limit", 1)
                                                         .flag("singleBatch", true)
                                                         .get(),
                                                     "admin.system.users"));
    const auto users = documents_at(*reply, "cursor.firstBatch");
    if (users.empty()) return Shown::nothing;
    return find_field(*users.front(), "credentials") ? Shown::credentials : Shown::names;
}

Bson users_question(const std::string& database) {
    BsonBuilder question;
    if (database.empty())
        question.document("usersInfo", BsonBuilder().flag("forAllDBs", true).get());
    else
        question.number("usersInfo", 1);
    question.flag("showCredentials", true);
    return question.take();
}

// Adds the users of `of` (empty: of all databases), asked in `database`; false when the role may
// not see them.
bool add_users(MongoConnection& connection, const std::string& database, const std::string& of,
               BsonFile& file) {
    const auto users = connection.run_command(database, *users_question(of));
    if (!users.ok()) return false;
    for (const Bson& user : documents_at(**users, "users")) append(file, *only(*user, kUserFields));
    return true;
}

// The databases whose users a backup of `database` (empty: of `databases`) holds.
std::vector<std::string> homes_of_users(const std::string& database,
                                        const std::vector<std::string>& databases) {
    if (!database.empty()) return {database};
    std::vector<std::string> homes = databases;
    if (std::ranges::find(homes, "admin") == homes.end()) homes.emplace_back("admin");
    return homes;
}

// As admin.system.roles holds it; not every server tells the _id, which follows from the rest.
Bson stored_role(const bson_t& role) {
    BsonBuilder stored;
    const auto database = text_at(role, "db").value_or("");
    stored.text("_id", fmt::format("{}.{}", database, text_at(role, "role").value_or("")));
    for (const char* name : kRoleFields)
        if (const auto field = find_field(role, name)) stored.value(name, field->at);
    return stored.take();
}

void add_roles(MongoConnection& connection, const std::string& database, BsonFile& file) {
    const auto roles = connection.run_command(
        database, BsonBuilder().number("rolesInfo", 1).flag("showPrivileges", true).get());
    if (!roles.ok()) return;
    for (const Bson& role : documents_at(**roles, "roles"))
        if (!flag_at(*role, "isBuiltin").value_or(false)) append(file, *stored_role(*role));
}

}  // namespace

Result<UsersAnswer> ask_for_users(MongoConnection& connection, const std::string& database,
                                  const std::vector<std::string>& databases) {
    ASB_TRY(const Shown shown, shown_by_collection(connection));
    if (shown == Shown::credentials) return UsersAnswer{};
    UsersByCommand found;
    bool may_view = true;
    if (database.empty()) may_view = add_users(connection, "admin", {}, found.users);
    // Some servers have no answer for all databases at once, only for each.
    if (may_view && found.users.empty())
        for (const std::string& name : homes_of_users(database, databases))
            may_view = add_users(connection, name, name, found.users) && may_view;
    for (const std::string& name : databases) add_roles(connection, name, found.roles);
    UsersAnswer answer;
    if (!may_view && !connection.url().user().empty())
        answer.missing =
            "the users: the server shows them only to a role that may view them "
            "(userAdminAnyDatabase)";
    else if (database.empty() && found.users.empty() && shown == Shown::names)
        answer.missing =
            "the users' credentials: the server does not show them (a restore makes users who "
            "cannot log in)";
    // Of a deployment whose users only the collection shows, an empty answer must not replace them.
    const bool users_are_known = shown == Shown::nothing || (!database.empty() && may_view);
    if (!found.users.empty() || (!found.roles.empty() && users_are_known))
        answer.by_command = std::move(found);
    return answer;
}

}  // namespace asb
