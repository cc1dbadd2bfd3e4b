#include "ops/log_feeder.hpp"

#include <fcntl.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <thread>

#include "base/fail_point.hpp"
#include "base/text.hpp"
#include "io/file.hpp"
#include "ops/recovery_reader.hpp"

namespace asb {
namespace {

namespace fs = std::filesystem;
using namespace std::chrono_literals;

// So much waits for the server at most, but always one file while another is being made.
constexpr std::uint64_t kWaitingBytesMax = 256 * kMiB;
constexpr std::size_t kWaitingFilesMin = 2;
constexpr auto kPollInterval = 2ms;
// A server that asks for nothing for so long has stopped at its target, or is gone.
constexpr auto kIdleMax = 10min;
constexpr auto kEndMax = 10s;
constexpr std::size_t kStateBytesMax = 4 * kKiB;

std::string lock_path(const FeederPlaces& places) {
    return places.folder + "/.lock";
}
std::string state_path(const FeederPlaces& places) {
    return fmt::format("{}/{}", places.folder, kPrefetchState);
}

bool exists(const std::string& path) {
    return access(path.c_str(), F_OK) == 0;
}

// A server that was killed leaves its file, whose first line is its process.
bool is_alive(const std::string& server) {
    const auto text = read_file(server, kStateBytesMax);
    const auto pid = text.ok() ? parse_u64(text->substr(0, text->find('\n'))) : std::nullopt;
    return pid && *pid > 1 && (kill(static_cast<pid_t>(*pid), 0) == 0 || errno == EPERM);
}

// The feeder's own lock, held as long as it lives.
Result<UniqueFd> open_lock(const FeederPlaces& places) {
    return open_file(lock_path(places), O_RDWR | O_CREAT | O_CLOEXEC);
}

// "next LINE POINT" or "error TEXT"
FeederState parse_state(std::string_view text) {
    FeederState state;
    const auto words = split(trim(text), ' ');
    if (words.size() == 3 && words[0] == "next") {
        state.next = {parse_line(words[1]).value_or(0), parse_point(words[2]).value_or(0)};
    } else if (text.starts_with("error ")) {
        state.error = trim(text.substr(6));
    }
    return state;
}

std::size_t waiting_files(const std::string& folder) {
    std::size_t count = 0;
    std::error_code error;
    for (const auto& entry : fs::directory_iterator(folder, error))
        if (!entry.path().filename().string().starts_with('.')) ++count;
    return count;
}

class Feeder {
  public:
    Feeder(FeederPlaces places, const Drivers& drivers)
        : places_(std::move(places)), drivers_(drivers) {}

    Status run(const LogPoint& first) {
        ASB_TRY(const auto text, read_file(places_.source, kRecoverySourceBytesMax));
        ASB_TRY(const auto source, parse_recovery_source(text));
        ASB_TRY(const auto reader, RecoveryReader::open(source, drivers_, StopToken()));
        ASB_TRY(const auto files,
                reader->files({.folder = places_.folder,
                               .beginnings = places_.beginnings,
                               .before_file = [this] { return wait_for_room(); },
                               .after_file = [this](const LogPoint& end) { return note(end); }}));
        ASB_CHECK(note(first));
        ASB_CHECK(reader->read_from(
            first, [&](const LogPoint& start, Bytes bytes) { return files->feed(start, bytes); }));
        return files->finish();
    }

  private:
    [[nodiscard]] Status note(const LogPoint& next) const {
        return replace_file(state_path(places_),
                            fmt::format("next {} {}", line_text(next.line), point_text(next.at)));
    }
    [[nodiscard]] bool is_wanted() const {
        return exists(places_.source) && is_alive(places_.server);
    }
    Status wait_for_room() {
        if (const int error = fail_point("fetch.file"))
            return errno_error(error, "cannot make a file in", places_.folder);
        const auto idle = after(kIdleMax);
        while (waiting_files(places_.folder) >= files_max()) {
            if (!is_wanted() || std::chrono::steady_clock::now() > idle)
                return fail(Code::interrupted, "nobody asks for more");
            std::this_thread::sleep_for(kPollInterval);
        }
        return {};
    }
    [[nodiscard]] std::size_t files_max() const {
        std::error_code error;
        std::uint64_t bytes = 1;
        for (const auto& entry : fs::directory_iterator(places_.folder, error))
            bytes = std::max<std::uint64_t>(bytes, entry.file_size(error));
        return std::max<std::size_t>(kWaitingFilesMin,
                                     kWaitingBytesMax / std::max<std::uint64_t>(bytes, kMiB));
    }

    FeederPlaces places_;
    const Drivers& drivers_;
};

// In the child: nothing of the server's stays open, and it is nobody's child.
void leave_the_server() {
    setsid();
    const int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    for (const int fd : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) dup2(null, fd);
    prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
    static_cast<void>(signal(SIGTERM, SIG_DFL));
    static_cast<void>(signal(SIGINT, SIG_IGN));
    static_cast<void>(signal(SIGHUP, SIG_IGN));
}

[[noreturn]] void run_child(const FeederPlaces& places, const Drivers& drivers, UniqueFd lock,
                            const LogPoint& first) {
    leave_the_server();
    const auto pid = std::to_string(getpid());
    if (ftruncate(lock.get(), 0) != 0 ||
        !pwrite_all(lock.get(), as_bytes(pid), 0, lock_path(places)).ok())
        _exit(1);
    const auto done = Feeder(places, drivers).run(first);
    if (!done.ok() && done.error().code != Code::interrupted)
        static_cast<void>(replace_file(state_path(places), "error " + to_text(done.error())));
    _exit(done.ok() ? 0 : 1);
}

void remove_waiting(const FeederPlaces& places) {
    std::error_code error;
    for (const auto& entry : fs::directory_iterator(places.folder, error))
        if (entry.path().filename() != ".lock") fs::remove(entry.path(), error);
}

}  // namespace

FeederState look_at_feeder(const FeederPlaces& places) {
    const auto text = read_file(state_path(places), kStateBytesMax);
    FeederState state = text.ok() ? parse_state(*text) : FeederState();
    const auto lock = open_lock(places);
    state.alive = lock.ok() && flock(lock->get(), LOCK_SH | LOCK_NB) != 0;
    return state;
}

Status start_feeder(const FeederPlaces& places, const Drivers& drivers, const LogPoint& first) {
    ASB_CHECK(make_folders(places.folder, 0700));
    ASB_TRY(auto lock, open_lock(places));
    if (flock(lock.get(), LOCK_EX | LOCK_NB) != 0) return {};
    remove_waiting(places);
    const pid_t child = fork();
    if (child < 0) return errno_error(errno, "cannot start a process for", places.folder);
    if (child > 0) return {};
    // The lock is the open file's, which both processes have: it lasts until the child ends.
    if (fork() != 0) _exit(0);
    run_child(places, drivers, std::move(lock), first);
}

void stop_feeder(const FeederPlaces& places) {
    const auto text = read_file(lock_path(places), kStateBytesMax);
    const auto pid = text.ok() ? parse_u64(trim(*text)) : std::nullopt;
    const auto deadline = after(kEndMax);
    while (look_at_feeder(places).alive && std::chrono::steady_clock::now() < deadline) {
        if (pid && *pid > 1) kill(static_cast<pid_t>(*pid), SIGTERM);
        std::this_thread::sleep_for(kPollInterval);
    }
    remove_waiting(places);
}

void forget_leftovers(const FeederPlaces& places) {
    std::error_code error;
    const auto started = fs::last_write_time(places.server, error);
    if (error) return;
    const auto last = fs::last_write_time(state_path(places), error);
    if (!error && last <= started && !look_at_feeder(places).alive) remove_waiting(places);
}

std::vector<LogBranch> ancestry(const std::vector<LogBranch>& branches, std::uint32_t line) {
    std::vector<LogBranch> way;
    for (auto at = line; true;) {
        const auto found = std::ranges::find(branches, at, &LogBranch::line);
        if (found == branches.end()) return way;
        way.insert(way.begin(), *found);
        at = found->parent;
    }
}

Status unpack_log(const RecoverySource& source, const Drivers& drivers, const std::string& folder,
                  const StopToken& stop) {
    ASB_TRY(const auto reader, RecoveryReader::open(source, drivers, stop));
    ASB_TRY(const auto names, reader->file_names());
    for (const auto& branch : source.head.branches) {
        const auto path = folder + "/" + names->history_name(branch.line);
        ASB_TRY(const auto file, open_file(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC));
        const auto text = names->history_text(ancestry(source.head.branches, branch.line));
        ASB_CHECK(write_all(file.get(), as_bytes(text), path));
    }
    if (source.head.cover.empty()) return {};
    ASB_TRY(const auto files,
            reader->files({.folder = folder,
                           .beginnings = folder,
                           .before_file = [&stop] { return stop.check(); },
                           .after_file = [](const LogPoint&) { return Status(); }}));
    const auto& first = source.head.cover.front();
    ASB_CHECK(reader->read_from({first.line, first.start}, [&](const LogPoint& start, Bytes bytes) {
        return files->feed(start, bytes);
    }));
    return files->finish();
}

}  // namespace asb
