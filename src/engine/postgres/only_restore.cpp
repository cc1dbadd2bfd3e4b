#include "engine/postgres/only_restore.hpp"

#include <fcntl.h>

#include <algorithm>

#include "base/fail_point.hpp"
#include "base/text.hpp"
#include "engine/postgres/logical_programs.hpp"
#include "engine/postgres/logical_rows.hpp"
#include "io/file.hpp"

namespace asb::postgres {
namespace {

Status write_text(const std::string& path, std::string_view text) {
    ASB_TRY(const auto file, open_file(path, O_WRONLY | O_CREAT | O_TRUNC));
    return write_all(file.get(), as_bytes(text), path);
}

// What psql says on stdout before the one statement whose answer may be lost.
constexpr std::string_view kCommitting = "committing";
// psql's exit status when the server refused a statement; 2 is a lost connection (psql's manual
// page).
constexpr int kScriptError = 3;

// A file name as psql's \i takes it.
std::string psql_quoted(const std::string& path) {
    std::string quoted = "'";
    for (const char c : path) quoted.append(c == '\'' || c == '\\' ? 2 : 1, c);
    return quoted + "'";
}

// Whether somebody had made the schema public anew; usually it is there from the beginning.
bool creates_public(const std::vector<TocEntry>& toc) {
    return std::ranges::any_of(toc, [](const TocEntry& entry) {
        return entry.kind == "SCHEMA" && entry.tag == "public" &&
               entry.definition_start.starts_with("CREATE SCHEMA");
    });
}

// Ends the transaction unless exactly `rows` rows are in `table`, a name quoted for SQL.
std::string check_sql(const Connection& connection, const std::string& table, std::uint64_t rows) {
    const auto body = fmt::format(
        "DECLARE found bigint; BEGIN SELECT count(*) INTO found FROM ONLY {}; IF found <> {} THEN "
        "RAISE EXCEPTION '%: % rows in the backup, % restored', {}, {}, found; END IF; END",
        table, rows, connection.quoted_literal(table), rows);
    return fmt::format("DO {};\n", connection.quoted_literal(body));
}

}  // namespace

Result<PieceList> list_pieces(const StoredDump& dump, const OnlyWords& only) {
    PieceList list;
    list.dump = dump;
    ASB_TRY(list.toc, read_toc(dump.path));
    ASB_TRY(list.pieces, find_pieces(list.toc, only));
    return list;
}

Status write_use_list(const PieceList& list, const std::set<std::string>& missing_schemas,
                      Grants grants, const std::string& path) {
    std::string text;
    for (const auto* entry : collect_entries(list.toc, list.pieces, missing_schemas)) {
        const bool grant = entry->kind == "ACL";
        if (grants == Grants::with || grant == (grants == Grants::alone))
            text += fmt::format("{};\n", entry->id);
    }
    return write_text(path, text);
}

Status check_in_the_way(const InTheWay& found, const PieceOptions& options) {
    if (!found.empty() && !options.force)
        return with_hint(
            fail(Code::refused, "database \"{}\" has {} already", options.database, found.names()),
            "add --force to put what is stored in its place (what is there is kept in "
            "a schema of its own), or restore into another database");
    if (options.drop_old && !found.dependents.empty())
        return with_hint(fail(Code::refused, "{} cannot be dropped: {} hang on it", found.names(),
                              printable(join(found.dependents, ", "))),
                         "restore without --drop-old, see to those, then drop the old schema");
    return {};
}

Status PieceRestore::prepare() {
    ASB_TRY(auto connection, target_.connect(options_.database));
    ASB_TRY(found_, look_in_the_way(connection, list_.pieces));
    return check_in_the_way(found_, options_);
}

Status PieceRestore::run(bool keep_tablespaces) {
    context_.progress.begin_stage("restoring into database " + options_.database, 0);
    ASB_CHECK(write_script("pieces", Grants::without, keep_tablespaces));
    ASB_CHECK(write_script("grants", Grants::alone, keep_tablespaces));
    // Again: somebody may have made or changed something since.
    ASB_CHECK(prepare());
    ASB_TRY(const auto sql, transaction_sql());
    ASB_CHECK(write_text(area_.below("transaction.sql"), sql));
    ASB_CHECK(run_psql());
    describe();
    return {};
}

// "<name>.sql" from "<name>.list", both in the staging area.
Status PieceRestore::write_script(const char* name, Grants grants, bool keep_tablespaces) {
    const auto path = area_.below(name);
    ASB_CHECK(write_use_list(list_, found_.missing, grants, path + ".list"));
    Command command{.arguments = {list_.dump.pg_restore, "--use-list=" + path + ".list",
                                  "--file=" + path + ".sql"},
                    .environment = {},
                    .run_as = std::nullopt,
                    .folder = ""};
    if (!keep_tablespaces) command.arguments.emplace_back("--no-tablespaces");
    command.arguments.push_back(list_.dump.path);
    ASB_TRY(const auto result,
            run_command(command, "", context_.stop, after(kLongStatementTimeout)));
    if (result.exit_status == 0) return {};
    return program_error("pg_restore", options_.database, result.exit_status, result.errors);
}

Result<std::string> PieceRestore::transaction_sql() {
    ASB_TRY(const auto counted,
            count_dump(list_.dump, options_.database, context_.stop, area_.below("pieces.list")));
    ASB_TRY(const auto connection, target_.connect(options_.database));
    places_.clear();
    // A table that somebody keeps locked shall not be waited for while others wait behind us.
    std::string sql = "BEGIN;\nSET LOCAL lock_timeout = '60s';\n";
    sql += put_aside_sql(connection, found_, "before_" + target_.id(), target_.id(),
                         !creates_public(list_.toc), places_);
    sql += fmt::format("\\i {}\n", psql_quoted(area_.below("pieces.sql")));
    sql += reset_privileges_sql(
        connection, relations_of(collect_entries(list_.toc, list_.pieces, found_.missing)),
        list_.pieces.schemas);
    sql += fmt::format("\\i {}\n", psql_quoted(area_.below("grants.sql")));
    for (const auto& [table, rows] : counted.rows) {
        sql += check_sql(connection, table, rows);
        rows_ += rows;
        ++tables_;
    }
    if (options_.drop_old)
        for (const auto& place : places_)
            sql += fmt::format("DROP SCHEMA {} CASCADE;\n", connection.quoted_identifier(place));
    return sql + fmt::format("\\echo {}\nCOMMIT;\n", kCommitting);
}

Status PieceRestore::run_psql() {
    if (const int error = fail_point("only.transaction"))
        return errno_error(error, "cannot restore into database", options_.database);
    ASB_TRY(auto environment, target_.environment());
    environment.emplace_back(
        "PGOPTIONS",
        "-c client_min_messages=warning -c default_transaction_read_only=off -c "
        "statement_timeout=0 -c row_security=off");
    const Command command{
        .arguments = {list_.dump.psql, "--no-psqlrc", "--quiet", "--output=/dev/null",
                      "--set=ON_ERROR_STOP=1", "--file=" + area_.below("transaction.sql"),
                      "--dbname=" + dbname_word(options_.database)},
        .environment = std::move(environment),
        .run_as = std::nullopt,
        .folder = ""};
    ASB_TRY(const auto result,
            run_command(command, "", context_.stop, after(kLongStatementTimeout)));
    if (result.exit_status == 0) return {};
    auto error = program_error("psql", options_.database, result.exit_status, result.errors);
    const bool refused = result.exit_status == kScriptError;
    if (refused || result.output.find(kCommitting) == std::string::npos)
        return error.within("nothing was changed");
    return with_hint(
        error.within("the connection was lost while the change was being committed, and whether it "
                     "was made is not known"),
        "look at what should have come back before you run this again");
}

void PieceRestore::describe() {
    std::vector<std::string> restored;
    for (const auto& schema : list_.pieces.schemas) restored.push_back("schema " + schema);
    for (const auto& relation : list_.pieces.relations) restored.push_back(shown(relation));
    report_.push_back(fmt::format("{} in database \"{}\" at {}: {} rows in {} tables, all compared",
                                  join(restored, ", "), options_.database, target_.address(), rows_,
                                  tables_));
    if (options_.drop_old && !places_.empty())
        report_.push_back(fmt::format("dropped what was there: {}", found_.names()));
    if (options_.drop_old) return;
    for (const auto& place : places_)
        report_.push_back(fmt::format(
            "what was there is kept in schema \"{}\"; when you no longer need it: DROP SCHEMA {} "
            "CASCADE;",
            place, target_.maintenance().quoted_identifier(place)));
    for (const auto& dependent : found_.dependents)
        incomplete_.push_back(fmt::format("{} still refers to what was put aside ({})", dependent,
                                          join(places_, ", ")));
}

}  // namespace asb::postgres
