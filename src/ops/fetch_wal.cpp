#include "ops/fetch_wal.hpp"

#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <filesystem>
#include <thread>

#include "base/text.hpp"
#include "io/file.hpp"
#include "ops/log_feeder.hpp"
#include "ops/recovery_reader.hpp"

namespace asb {
namespace {

namespace fs = std::filesystem;
using namespace std::chrono_literals;

constexpr int kNotThere = 1;
constexpr int kGiveUp = 200;  // plus the program's own exit status
constexpr auto kPollInterval = 1ms;
// A store that needs longer for one file is of no use to a recovery.
constexpr auto kFileMax = 15min;
// Of the process that fetches, for one file, when it ends without a word.
constexpr int kStartsMax = 5;
// Files that wait are taken without this program (the server's restore_command), which saves its
// start: 14 ms of processor time a file where the feeder makes one in 40 to 60 ms.
constexpr std::size_t kGatheredFiles = 4;
constexpr auto kGatherMax = 200ms;
constexpr auto kGatherInterval = 5ms;

std::string folder_of(const std::string& path) {
    const auto folder = std::filesystem::path(path).parent_path().string();
    return folder.empty() ? "." : folder;
}

FeederPlaces places_of(const std::string& source) {
    const auto folder = folder_of(source);
    return {.source = source,
            .server = folder + "/postmaster.pid",
            .folder = fmt::format("{}/{}", folder, kPrefetchFolder),
            .beginnings = folder + "/pg_wal"};
}

bool move_to(const FeederPlaces& places, const FetchOptions& options) {
    return rename((places.folder + "/" + options.name).c_str(), options.path.c_str()) == 0;
}

// Whether the feeder has gone past what is wanted, or will never come there.
bool is_of_no_use(const FeederState& state, const LogRange& wanted) {
    const LogPoint point{wanted.line, wanted.start};
    return state.next.line > point.line || state.next.at > point.at;
}

// Files that wait and come before what is wanted will not be asked for any more: without them the
// feeder has room to go on.
void forget_before(const FeederPlaces& places, const LogFileNames& names, const LogRange& wanted) {
    std::error_code error;
    for (const auto& entry : std::filesystem::directory_iterator(places.folder, error)) {
        const auto file = names.file(entry.path().filename().string());
        if (file && file->start < wanted.start) std::filesystem::remove(entry.path(), error);
    }
}

std::size_t waiting_files(const FeederPlaces& places, const LogFileNames& names) {
    std::error_code error;
    const fs::directory_iterator folder(places.folder, error);
    return static_cast<std::size_t>(std::ranges::count_if(folder, [&](const auto& entry) {
        return names.file(entry.path().filename().string()).has_value();
    }));
}

// The feeder is not ahead of the server: a moment's patience, and the next files wait already.
void let_files_gather(const FeederPlaces& places, const LogFileNames& names) {
    const auto deadline = after(kGatherMax);
    while (std::chrono::steady_clock::now() < deadline &&
           waiting_files(places, names) < kGatheredFiles && look_at_feeder(places).alive)
        std::this_thread::sleep_for(kGatherInterval);
}

Status serve_file(const FetchOptions& options, const FeederPlaces& places,
                  const LogFileNames& names, const LogRange& wanted, const Drivers& drivers) {
    const auto deadline = after(kFileMax);
    forget_before(places, names, wanted);
    int starts = 0;
    while (std::chrono::steady_clock::now() < deadline) {
        if (move_to(places, options)) return {};
        const auto state = look_at_feeder(places);
        // It may have appeared between the two looks.
        if (move_to(places, options)) return {};
        if (!state.alive) {
            if (starts > 0 && !state.error.empty()) return fail(Code::store, "{}", state.error);
            if (++starts > kStartsMax)
                return fail(Code::store, "the process that fetches {} ends again and again",
                            options.name);
            ASB_CHECK(start_feeder(places, drivers, {wanted.line, wanted.start}));
        } else if (starts == 0 && is_of_no_use(state, wanted)) {
            stop_feeder(places);
        }
        std::this_thread::sleep_for(kPollInterval);
    }
    return fail(Code::store, "{} did not come in time", options.name);
}

const LogRange* overlapping(const std::vector<LogRange>& cover, const LogRange& file) {
    // The newest line first: a file in which a line changes is the new line's.
    const auto found = std::find_if(cover.rbegin(), cover.rend(), [&](const LogRange& range) {
        return range.start < file.end && file.start < range.end;
    });
    return found == cover.rend() || found->line != file.line ? nullptr : &*found;
}

// nullopt: there is no such file.
Result<bool> serve(const FetchOptions& options, const Drivers& drivers) {
    const auto places = places_of(options.source);
    ASB_TRY(const auto text, read_file(options.source, kRecoverySourceBytesMax));
    ASB_TRY(const auto head, parse_recovery_head(text));
    RecoverySource source;
    source.head = head;
    source.repository = folder_of(options.source);
    ASB_TRY(const auto reader, RecoveryReader::open(source, drivers, StopToken()));
    ASB_TRY(const auto names, reader->file_names());
    if (const auto line = names->history(options.name)) {
        const auto way = ancestry(head.branches, *line);
        if (way.empty()) return false;
        ASB_CHECK(replace_file(options.path, names->history_text(way)));
        return true;
    }
    const auto file = names->file(options.name);
    if (!file || overlapping(head.cover, *file) == nullptr) return false;
    forget_leftovers(places);
    ASB_CHECK(serve_file(options, places, *names, *file, drivers));
    let_files_gather(places, *names);
    return true;
}

Status probe(const FetchOptions& options, const Drivers& drivers) {
    ASB_TRY(const auto text, read_file(options.source, kRecoverySourceBytesMax));
    ASB_TRY(const auto source, parse_recovery_source(text));
    ASB_TRY(const auto reader, RecoveryReader::open(source, drivers, StopToken()));
    if (source.spans.empty()) return {};
    auto first = source.spans.front();
    first.range.end = std::min(first.range.end, first.range.start + 1);
    return reader->read(first, [](const LogPoint&, Bytes) { return Status(); });
}

Status end_recovery(const FetchOptions& options) {
    const auto places = places_of(options.source);
    stop_feeder(places);
    ASB_CHECK(remove_tree(places.folder));
    if (unlink(options.source.c_str()) == 0 || errno == ENOENT) return {};
    return errno_error(errno, "cannot remove", options.source);
}

int give_up(const Error& error) {
    static_cast<void>(std::fprintf(stderr, "auth-service-backup: %s\n", to_text(error).c_str()));
    return kGiveUp + exit_status(error.code);
}

}  // namespace

int fetch_wal(const FetchOptions& options, const Drivers& drivers) {
    // A server that stops wants to see that its signal ended this; nothing here needs to be undone.
    for (const int number : {SIGTERM, SIGINT}) static_cast<void>(signal(number, SIG_DFL));
    if (options.end || options.probe) {
        const auto done = options.end ? end_recovery(options) : probe(options, drivers);
        return done.ok() ? 0 : give_up(done.error());
    }
    const auto served = serve(options, drivers);
    if (!served.ok()) return give_up(served.error());
    return *served ? 0 : kNotThere;
}

}  // namespace asb
