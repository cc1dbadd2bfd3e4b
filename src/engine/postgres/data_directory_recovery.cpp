#include "engine/postgres/data_directory_recovery.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>

#include "base/text.hpp"
#include "engine/log_files.hpp"
#include "engine/postgres/lsn.hpp"
#include "engine/postgres/restore_staging_area.hpp"
#include "io/subprocess.hpp"

namespace asb::postgres {
namespace {

// What restore_command reads, in the data directory; recovery_end_command removes it.
constexpr const char* kSource = "asb_recovery.json";
constexpr const char* kSignal = "recovery.signal";
// To open one object of the repository.
constexpr std::chrono::minutes kProbeMax{2};

// A value as postgresql.conf reads it back.
std::string in_quotes(std::string_view value) {
    std::string text = "'";
    for (const char c : value) {
        if (c == '\'' || c == '\\') text += c;
        text += c;
    }
    return text + "'";
}

// For a shell; '%' is the server's own sign.
std::string command_line(const Recovery& recovery, std::string_view rest) {
    std::string line;
    for (const auto& word : recovery.fetch_program)
        for (const char c : shell_quote(word) + " ") line.append(c == '%' ? 2 : 1, c);
    return fmt::format("{}--source {} {}", line, kSource, rest);
}

// What waits already needs no start of our program (14 ms of processor time, `mv` takes 1); unless
// it waits since before the server's start.
std::string restore_command(const Recovery& recovery) {
    return fmt::format(
        "test {0}/{1} -nt postmaster.pid && mv -f {0}/\"%f\" \"%p\" 2>/dev/null || exec {2}",
        kPrefetchFolder, kPrefetchState, command_line(recovery, "\"%f\" \"%p\""));
}

// Files that another process than the tree's writer has put there.
Status hand_over(const std::string& folder, const RecoveryFiles& files) {
    std::error_code error;
    for (const auto& entry : std::filesystem::directory_iterator(folder, error)) {
        if (!entry.is_regular_file(error)) continue;
        const auto path = entry.path().string();
        ASB_TRY(const auto file, open_file(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC));
        ASB_CHECK(give_to(files.owner, file.get(), path));
        if (files.durable) ASB_CHECK(sync_fd(file.get(), path));
    }
    if (error) return errno_error(error.value(), "cannot read", folder);
    return {};
}

}  // namespace

Result<WalWay> choose_wal_way(const Recovery& recovery, const std::optional<Owner>& owner,
                              const StopToken& stop) {
    if (geteuid() != 0 || !owner) return WalWay::fetched;
    ASB_TRY(const auto area, StagingArea::make(staging_base({}), owner));
    ASB_CHECK(area->tree().write_file(kSource, recovery.fetch_source.reveal()));
    ASB_CHECK(give_to(owner, area->tree().root_fd(), area->path()));
    Command probe{.arguments = recovery.fetch_program, .run_as = owner->user};
    for (const std::string& word :
         {std::string("--source"), area->below(kSource), std::string("--probe")})
        probe.arguments.push_back(word);
    const auto result = run_command(probe, {}, stop, after(kProbeMax));
    if (!result.ok() && result.error().code == Code::interrupted) return result.error();
    return result.ok() && result->exit_status == 0 ? WalWay::fetched : WalWay::unpacked;
}

std::vector<std::pair<std::string, std::string>> recovery_settings(const Recovery& recovery,
                                                                   WalWay way) {
    const bool fetched = way == WalWay::fetched;
    std::vector<std::pair<std::string, std::string>> settings = {
        {"restore_command", fetched ? restore_command(recovery) : "false"},
        {"recovery_end_command", fetched ? command_line(recovery, "--end") : ""},
        {"recovery_target_timeline", std::to_string(recovery.line)},
        {"recovery_target_action", "promote"},
    };
    if (!recovery.stop) {
        settings.emplace_back("recovery_target", "immediate");
        return settings;
    }
    settings.emplace_back("recovery_target_lsn", to_text(Lsn{recovery.stop->point.at}));
    settings.emplace_back("recovery_target_inclusive", recovery.stop->inclusive ? "on" : "off");
    return settings;
}

Status write_recovery(StagedTree& tree, const Recovery& recovery, RecoveryFiles files) {
    auto& text = files.auto_conf;
    text +=
        "\n# Written by auth-service-backup for one recovery; without recovery.signal they do "
        "nothing.\n";
    for (const auto& [name, value] : recovery_settings(recovery, files.way))
        text += fmt::format("{} = {}\n", name, in_quotes(value));
    text +=
        "# A copy must not archive where the original does. Set it anew when it takes the "
        "original's place.\n"
        "archive_mode = 'off'\n";
    ASB_CHECK(tree.write_file("postgresql.auto.conf", text));
    if (files.way == WalWay::fetched) {
        ASB_CHECK(tree.write_file(kSource, recovery.fetch_source.reveal()));
    } else {
        const auto folder = tree.root() + "/pg_wal";
        ASB_CHECK(recovery.unpack(folder));
        ASB_CHECK(hand_over(folder, files));
    }
    return tree.write_file(kSignal, "");
}

std::string describe_recovery(const Recovery& recovery) {
    if (!recovery.stop)
        return fmt::format("recover to {}, where the full backup ends, and promote",
                           recovery.target);
    return fmt::format("recover to {} ({} {} on timeline {}) and promote", recovery.target,
                       recovery.stop->inclusive ? "just after" : "just before",
                       to_text(Lsn{recovery.stop->point.at}), recovery.line);
}

}  // namespace asb::postgres
