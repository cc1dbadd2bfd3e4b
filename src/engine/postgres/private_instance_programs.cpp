#include "engine/postgres/private_instance_programs.hpp"

#include <unistd.h>

#include <filesystem>
#include <vector>

#include "base/text.hpp"
#include "io/subprocess.hpp"

namespace asb::postgres {
namespace {

constexpr std::chrono::seconds kVersionTimeout{20};  // it answers in milliseconds

std::vector<std::string> folders_to_try(const std::string& bin_dir, int major) {
    if (!bin_dir.empty()) return {bin_dir};
    std::vector<std::string> folders = {fmt::format("/usr/lib/postgresql/{}/bin", major),
                                        fmt::format("/usr/pgsql-{}/bin", major)};
    const auto found = find_on_path("postgres");
    if (!found.empty()) folders.push_back(std::filesystem::path(found).parent_path().string());
    return folders;
}

bool has_all_programs(const ServerPrograms& programs) {
    for (const char* program : {"postgres", "pg_dump", "pg_restore"})
        if (access(programs.path(program).c_str(), X_OK) != 0) return false;
    return true;
}

}  // namespace

int major_in(const std::string& version_line) {
    constexpr std::string_view kMark = "(PostgreSQL) ";
    const auto at = version_line.find(kMark);
    if (at == std::string::npos) return 0;
    const auto version = std::string_view(version_line).substr(at + kMark.size());
    const auto end = version.find_first_not_of("0123456789");
    return static_cast<int>(parse_u64(version.substr(0, end)).value_or(0));
}

Result<ServerPrograms> find_server_programs(const std::string& bin_dir, int major,
                                            const StopToken& stop) {
    std::string seen;
    for (const auto& folder : folders_to_try(bin_dir, major)) {
        const ServerPrograms programs{folder, major};
        if (!has_all_programs(programs)) continue;
        ASB_TRY(const auto version,
                run_command({.arguments = {programs.path("postgres"), "--version"},
                             .environment = {},
                             .run_as = std::nullopt,
                             .folder = ""},
                            "", stop, after(kVersionTimeout)));
        if (major_in(version.output) == major) return programs;
        seen += fmt::format("; {} has {}", folder, printable(trim(version.output)));
    }
    return with_hint(
        fail(Code::database,
             "restoring into the database needs the PostgreSQL {0} server programs "
             "(postgres, pg_dump, pg_restore){1}{2}",
             major,
             bin_dir.empty() ? "" : fmt::format(", not found in POSTGRES_BIN_DIR={}", bin_dir),
             seen),
        fmt::format("install the package postgresql-{}, or set POSTGRES_BIN_DIR, or restore with "
                    "--target-dir",
                    major));
}

}  // namespace asb::postgres
