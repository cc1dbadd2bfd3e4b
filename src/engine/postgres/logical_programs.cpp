#include "engine/postgres/logical_programs.hpp"

#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>

#include "base/text.hpp"
#include "engine/postgres/private_instance_programs.hpp"
#include "engine/postgres/server_error.hpp"

namespace asb::postgres {
namespace {

constexpr std::chrono::seconds kVersionTimeout{20};  // it answers in milliseconds
// Beyond the majors that we know as servers: a newer pg_dump dumps older servers as well.
constexpr int kClientMajorMax = kServerMajorMax + 4;

std::string from_environment(const char* name) {
    const char* text = std::getenv(name);  // NOLINT(concurrency-mt-unsafe): nobody calls setenv
    return text == nullptr ? std::string() : std::string(text);
}

std::vector<std::string> folders_to_try(const std::string& bin_dir, int major) {
    if (!bin_dir.empty()) return {bin_dir};
    std::vector<std::string> folders;
    for (int each = major; each <= kClientMajorMax; ++each) {
        folders.push_back(fmt::format("/usr/lib/postgresql/{}/bin", each));
        folders.push_back(fmt::format("/usr/pgsql-{}/bin", each));
    }
    const auto found = find_on_path("pg_dump");
    if (!found.empty()) folders.push_back(std::filesystem::path(found).parent_path().string());
    return folders;
}

bool has_all_programs(const ClientPrograms& programs) {
    for (const char* program : {"pg_dump", "pg_dumpall", "pg_restore", "psql"})
        if (access(programs.path(program).c_str(), X_OK) != 0) return false;
    return true;
}

// "15.20" of "pg_dump (PostgreSQL) 15.20 (Debian ...)".
std::string version_in(const std::string& line) {
    const auto words = split(line, ' ');
    return words.size() > 2 ? printable(trim(words[2])) : std::string();
}

}  // namespace

Result<ClientPrograms> find_client_programs(const std::string& bin_dir, int major,
                                            const StopToken& stop) {
    std::string seen;
    for (const auto& folder : folders_to_try(bin_dir, major)) {
        ClientPrograms programs{folder, 0, {}};
        if (!has_all_programs(programs)) continue;
        // Started by its real name: Debian's /usr/bin/pg_dump is a wrapper that chooses one itself.
        ASB_TRY(const auto said, run_command({.arguments = {programs.path("pg_dump"), "--version"},
                                              .environment = {},
                                              .run_as = std::nullopt,
                                              .folder = ""},
                                             "", stop, after(kVersionTimeout)));
        programs.major = major_in(said.output);
        programs.version = version_in(said.output);
        if (programs.major >= major) return programs;
        seen += fmt::format("; {} has {}", folder, printable(trim(said.output)));
    }
    return with_hint(
        fail(Code::database,
             "a logical backup of PostgreSQL {0} needs pg_dump, pg_dumpall, pg_restore and psql of "
             "version {0} or newer{1}{2}",
             major, bin_dir.empty() ? "" : ", not found in POSTGRES_BIN_DIR=" + bin_dir, seen),
        fmt::format("install the package postgresql-client-{}, or set POSTGRES_BIN_DIR to the "
                    "folder that has them",
                    major));
}

Result<ProgramEnvironment> libpq_environment(const std::string& url,
                                             const std::string& application_name) {
    ASB_TRY(const auto words, parse_conninfo(url));
    const PgConninfo known(PQconndefaults());
    if (known == nullptr) return fail(Code::failed, "libpq has no memory left");
    ProgramEnvironment values;
    for (const PQconninfoOption* option = known.get(); option->keyword != nullptr; ++option) {
        if (option->envvar == nullptr || std::string_view(option->keyword) == "dbname") continue;
        auto value = word(words, option->keyword);
        if (value.empty()) value = from_environment(option->envvar);
        if (!value.empty()) values.emplace_back(option->envvar, std::move(value));
    }
    values.emplace_back("PGAPPNAME", application_name);
    return values;
}

std::string resolve_database(const ConninfoWords& words, const std::string& user) {
    if (auto name = word(words, "dbname"); !name.empty()) return name;
    if (auto name = from_environment("PGDATABASE"); !name.empty()) return name;
    return user;
}

std::string dbname_word(const std::string& database) {
    std::string quoted = "dbname='";
    for (const char c : database) {
        if (c == '\'' || c == '\\') quoted += '\\';
        quoted += c;
    }
    return quoted + "'";
}

Error program_error(const char* program, const std::string& database, int status,
                    const std::string& errors) {
    auto lines = split(trim(errors), '\n');
    constexpr std::size_t kLinesShown = 6;
    if (lines.size() > kLinesShown) lines.resize(kLinesShown);
    for (auto& line : lines) line = printable(line);
    auto error = fail(Code::database, "{} of database \"{}\" ended with status {}: {}", program,
                      database, status, join(lines, " | "));
    if (errors.find(kDiskFullText) == std::string::npos) return error;
    error.code = Code::space;
    return with_hint(std::move(error),
                     "free some space, for the restored data beside the old, on the database "
                     "server's disk (or, if pg_dump says it, in TMPDIR)");
}

}  // namespace asb::postgres
