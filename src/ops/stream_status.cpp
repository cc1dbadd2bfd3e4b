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

Json to_json(const LogPoint& point, const std::string& text) {
    return {{"line", line_text(point.line)}, {"at", point_text(point.at)}, {"text", text}};
}

Json to_json(const StreamStatus& status) {
    Json document = {{"pid", getpid()},
                     {"process_start", start_of(getpid())},
                     {"written_at", to_iso8601(now())},
                     {"state", status.state},
                     {"log", status.log_id},
                     {"engine", status.engine},
                     {"identity", status.identity},
                     {"taken", to_json(status.taken, status.taken_text)},
                     {"durable", to_json(status.durable, status.durable_text)},
                     {"lag_bytes", status.lag_bytes},
                     {"lag_ms", status.lag_time.count()},
                     {"objects", status.objects},
                     {"bytes", status.bytes},
                     {"merged", status.merged},
                     {"since", to_iso8601(status.since)},
                     {"required", status.required},
                     {"others", Json::array()}};
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

std::string describe(const Json& document, bool alive) {
    const auto text = [&](const Json& from, const char* key) {
        return from.contains(key) && from[key].is_string() ? printable(from[key].get<std::string>())
                                                           : std::string("?");
    };
    const auto number = [&](const char* key) { return document.value(key, std::uint64_t{0}); };
    std::string out =
        alive ? fmt::format("stream: {} (process {})\n", text(document, "state"), number("pid"))
              : fmt::format("stream: NOT RUNNING; the last one said at {}: {}\n",
                            text(document, "written_at"), text(document, "state"));
    out += fmt::format("  log        {} of {} {}\n", text(document, "log"),
                       text(document, "engine"), text(document, "identity"));
    out += fmt::format("  taken      {}\n  durable    {}\n", text(document["taken"], "text"),
                       text(document["durable"], "text"));
    out += fmt::format("  behind     {}, {}\n", human_bytes(number("lag_bytes")),
                       human_duration(std::chrono::milliseconds(number("lag_ms"))));
    out += fmt::format("  written    {}, {} of the log since {}\n",
                       counted(number("objects"), "object"), human_bytes(number("bytes")),
                       text(document, "since"));
    out += describe_others(document);
    if (document.contains("last_error"))
        out += fmt::format("  last error {} at {}\n", text(document["last_error"], "fact"),
                           text(document["last_error"], "at"));
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
    for (const char* key : {"lag_bytes", "lag_ms", "objects", "bytes", "required"})
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
    const bool alive = is_alive(document);
    Report report;
    report.text = describe(document, alive);
    document["running"] = alive;
    const bool streaming = alive && document.value("state", "") == "streaming";
    if (!streaming || keeping_up(document) < document["required"].get<std::size_t>())
        report.outcome = Code::incomplete;
    report.document = std::move(document);
    return report;
}

}  // namespace asb
