#include "ops/stream_status.hpp"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "base/text.hpp"
#include "io/file.hpp"
#include "repo/log_json.hpp"

namespace asb {
namespace {

using std::chrono::milliseconds;

// It is written every two seconds. A store that does not answer holds it up for twenty, before the
// stream says that it waits: ten in which a request is tried again, and ten for the last answer.
constexpr milliseconds kSilenceMax{30'000};
constexpr std::size_t kFileBytesMax = 64 * kKiB;
constexpr mode_t kFileMode = 0640;
constexpr mode_t kFolderMode = 0750;

// When the kernel started the process, in its own ticks: a number that comes with the next process
// of the same id is another one. Empty when there is no such process.
std::string start_of(std::int64_t pid) {
    constexpr std::size_t kStartField = 19;  // after the name, which may hold anything (proc(5))
    const auto text = read_file(fmt::format("/proc/{}/stat", pid), kFileBytesMax);
    if (!text) return {};
    const auto name_end = text->rfind(") ");
    if (name_end == std::string::npos) return {};
    const auto fields = split(std::string_view(*text).substr(name_end + 2), ' ');
    return fields.size() > kStartField ? fields[kStartField] : std::string();
}

// A clock that all processes of this machine share, that nobody sets, and that stands still while
// the machine sleeps.
milliseconds uptime() {
    return std::chrono::duration_cast<milliseconds>(
        std::chrono::steady_clock::now().time_since_epoch());
}

Json to_json(const LogPoint& point, const std::string& text) {
    return {{"line", line_text(point.line)}, {"at", point_text(point.at)}, {"text", text}};
}

Json to_json(const StreamStatus& status) {
    Json document = {{"pid", getpid()},
                     {"process_start", start_of(getpid())},
                     {"written_at", to_iso8601(now())},
                     {"written_uptime_ms", uptime().count()},
                     {"state", status.state},
                     {"log", status.log_id},
                     {"engine", status.engine},
                     {"identity", status.identity},
                     {"taken", to_json(status.taken, status.taken_text)},
                     {"durable", to_json(status.durable, status.durable_text)},
                     {"lag_is", status.lag_is},
                     {"lag_bytes", status.lag_bytes},
                     {"lag_ms", status.lag_time.count()},
                     {"objects", status.objects},
                     {"bytes", status.bytes},
                     {"merged", status.merged},
                     {"since", to_iso8601(status.since)},
                     {"required", status.required},
                     {"others", Json::array()}};
    if (status.lag_is != kLagMeasured && status.lag_bytes == 0) document["lag_bytes"] = nullptr;
    for (const auto& other : status.others) {
        document["others"].push_back({{"place", other.place}, {"keeps_up", other.keeps_up}});
        if (!other.problem.empty()) document["others"].back()["problem"] = printable(other.problem);
    }
    if (status.connected_since) document["connected_since"] = to_iso8601(*status.connected_since);
    if (status.error_at)
        document["last_error"] = {{"at", to_iso8601(*status.error_at)},
                                  {"fact", printable(status.error)}};
    return document;
}

std::string path_in(const std::string& folder) {
    return fmt::format("{}/{}", folder, kStreamStatusName);
}

// Of a document whose shape is good.
std::size_t keeping_up(const Json& document) {
    const auto& others = document["others"];
    return 1 + static_cast<std::size_t>(std::ranges::count_if(
                   others, [](const Json& other) { return other.value("keeps_up", false); }));
}

std::string describe_others(const Json& document) {
    std::string out;
    for (const auto& other : document["others"]) {
        const auto problem = printable(other.value("problem", ""));
        const char* state = other.value("keeps_up", false) ? "keeps up"
                            : problem.empty()              ? "is brought what it lacks"
                                                           : "NOT KEPT THERE: ";
        out += fmt::format("  also in    {}: {}{}\n", printable(other.value("place", "?")), state,
                           problem);
    }
    return out;
}

std::string text_in(const Json& from, const char* key) {
    return from.contains(key) && from[key].is_string() ? printable(from[key].get<std::string>())
                                                       : std::string("?");
}

// 0: it is not there, or is not known.
std::uint64_t number_in(const Json& document, const char* key) {
    const auto found = document.find(key);
    return found != document.end() && found->is_number_unsigned() ? found->get<std::uint64_t>() : 0;
}

std::string describe_lag(const Json& document) {
    const auto bytes = number_in(document, "lag_bytes");
    const auto time =
        human_duration(milliseconds(static_cast<std::int64_t>(number_in(document, "lag_ms"))));
    const auto is = text_in(document, "lag_is");
    if (is == kLagMeasured) return fmt::format("{}, {}", human_bytes(bytes), time);
    const auto known =
        bytes == 0 ? std::string() : fmt::format("at least {}, ", human_bytes(bytes));
    if (is == kLagAtMost)
        return fmt::format("{}at most {}: since then it is not known", known, time);
    return fmt::format("{}not known: not caught up since the start, {} ago", known, time);
}

std::string describe_state(const Json& document) {
    if (!document["running"].get<bool>())
        return fmt::format("stream: NOT RUNNING; the last one said at {}: {}\n",
                           text_in(document, "written_at"), text_in(document, "state"));
    if (!document["stale"].get<bool>())
        return fmt::format("stream: {} (process {})\n", text_in(document, "state"),
                           number_in(document, "pid"));
    const milliseconds age(static_cast<std::int64_t>(number_in(document, "age_ms")));
    return fmt::format(
        "stream: NOTHING WAS WRITTEN FOR {}: hung, or stopped? it said: {} (process {})\n"
        "hint: look at /proc/{}/status and at stream.log; what hangs may be killed and started "
        "again: nothing that is kept is lost\n",
        human_duration(age), text_in(document, "state"), number_in(document, "pid"),
        number_in(document, "pid"));
}

std::string describe(const Json& document) {
    const auto number = [&](const char* key) { return number_in(document, key); };
    auto out = describe_state(document);
    out += fmt::format("  log        {} of {} {}\n", text_in(document, "log"),
                       text_in(document, "engine"), text_in(document, "identity"));
    out += fmt::format("  taken      {}\n  durable    {}\n", text_in(document["taken"], "text"),
                       text_in(document["durable"], "text"));
    out += fmt::format("  behind     {}\n", describe_lag(document));
    out += fmt::format("  written    {}, {} of the log since {}\n",
                       counted(number("objects"), "object"), human_bytes(number("bytes")),
                       text_in(document, "since"));
    out += describe_others(document);
    if (document.contains("last_error"))
        out += fmt::format("  last error {} at {}\n", text_in(document["last_error"], "fact"),
                           text_in(document["last_error"], "at"));
    return out;
}

// What `describe` relies on.
Status check_shape(const Json& document, const std::string& path) {
    const auto are_objects = [&](const char* key) {
        return document.contains(key) && document[key].is_array() &&
               std::ranges::all_of(document[key], [](const Json& one) { return one.is_object(); });
    };
    const bool good = document.is_object() && are_objects("others") && document.contains("taken") &&
                      document["taken"].is_object() && document.contains("durable") &&
                      document["durable"].is_object() && document.contains("pid") &&
                      document["pid"].is_number_unsigned();
    Fields fields(document, path);
    for (const char* key : {"lag_ms", "objects", "bytes", "required"})
        static_cast<void>(fields.number(key));
    if (!good) fields.bad("pid");
    return fields.status();
}

// Of a document whose shape is good.
bool is_alive(const Json& document) {
    const auto started = start_of(static_cast<std::int64_t>(document["pid"].get<std::uint64_t>()));
    return !started.empty() && document.value("state", "") != "ended" &&
           document.value("process_start", "") == started;
}

// How long ago it was written. Another boot of the machine has another uptime: of what does not
// live only the time of day is known, which somebody may have set back.
milliseconds age_of(const Json& document, bool alive) {
    const milliseconds written(static_cast<std::int64_t>(number_in(document, "written_uptime_ms")));
    if (alive) return std::max(milliseconds(0), uptime() - written);
    const auto at = parse_iso8601(text_in(document, "written_at"));
    return at ? std::max(milliseconds(0), now() - *at) : milliseconds(0);
}

// What a reader adds to a document whose shape is good. The lag of what says no more grows.
void judge(Json& document) {
    const bool alive = is_alive(document);
    const auto age = age_of(document, alive);
    const auto state = text_in(document, "state");
    const bool stale = alive && age > kSilenceMax && state != kStateBackup;
    document["running"] = alive;
    document["age_ms"] = static_cast<std::uint64_t>(age.count());
    document["stale"] = stale;
    const bool fresh = alive && !stale;
    if (fresh && document.value("lag_is", "") == kLagMeasured) return;
    document["lag_ms"] = number_in(document, "lag_ms") + static_cast<std::uint64_t>(age.count());
    if (document.value("lag_is", "") == kLagMeasured) document["lag_is"] = kLagAtMost;
    if (number_in(document, "lag_bytes") == 0) document["lag_bytes"] = nullptr;
}

}  // namespace

Result<bool> StreamStatusFile::write(const StreamStatus& status) const {
    struct stat info {};
    const bool gone = stat(folder_.c_str(), &info) != 0 && errno == ENOENT;
    if (gone) ASB_CHECK(make_folders(folder_, kFolderMode));
    ASB_CHECK(
        replace_file(path_in(folder_), fmt::format("{}\n", canonical(to_json(status))), kFileMode));
    return gone;
}

void StreamStatusFile::keep(const StreamStatus& status, Log& diary) {
    const auto made = write(status);
    if (made.ok() && *made) {
        diary.request_reopen();
        diary.warning("{} was gone and is made again", folder_);
    }
    if (!made.ok() && !failed_)
        diary.warning("the status cannot be written: {}", made.error().fact);
    failed_ = !made.ok();
}

bool StreamStatusFile::is_of_another_stream() const {
    const auto path = path_in(folder_);
    const auto text = read_file(path, kFileBytesMax);
    if (!text) return false;
    const auto document = parse_json(*text, path);
    return document.ok() && check_shape(*document, path).ok() &&
           document->at("pid").get<std::uint64_t>() != static_cast<std::uint64_t>(getpid()) &&
           is_alive(*document);
}

Result<Report> report_stream_status(const OpsContext& context) {
    const auto path = path_in(context.settings.text("LOG_DIR"));
    const auto text = read_file(path, kFileBytesMax);
    if (!text)
        return with_hint(
            fail(Code::not_found, "no stream has said anything: {}", text.error().fact),
            "start one: auth-service-backup stream; or name its LOG_DIR");
    ASB_TRY(auto document, parse_json(*text, path));
    ASB_CHECK(check_shape(document, path));
    judge(document);
    Report report;
    report.text = describe(document);
    const bool streaming = document["running"].get<bool>() && !document["stale"].get<bool>() &&
                           text_in(document, "state") == kStateStreaming;
    if (!streaming || keeping_up(document) < document["required"].get<std::size_t>())
        report.outcome = Code::incomplete;
    report.document = std::move(document);
    return report;
}

}  // namespace asb
