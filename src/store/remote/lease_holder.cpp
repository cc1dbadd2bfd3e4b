#include "store/remote/lease_holder.hpp"

#include <signal.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <set>
#include <vector>

#include "base/clock.hpp"
#include "base/host.hpp"
#include "base/json.hpp"
#include "base/text.hpp"
#include "base/thread_annotations.hpp"
#include "codec/digest.hpp"
#include "io/file.hpp"

namespace asb::remote {
namespace {

constexpr std::size_t kProcFileBytesMax = 4 * kKiB;

class HeldWriters {
  public:
    void add(const std::string& writer) ASB_EXCLUDES(mutex_) {
        const UniqueLock lock(mutex_);
        writers_.insert(writer);
    }
    void remove(const std::string& writer) ASB_EXCLUDES(mutex_) {
        const UniqueLock lock(mutex_);
        writers_.erase(writer);
    }
    bool has(const std::string& writer) ASB_EXCLUDES(mutex_) {
        const UniqueLock lock(mutex_);
        return writers_.contains(writer);
    }

  private:
    Mutex mutex_;
    std::set<std::string> writers_ ASB_GUARDED_BY(mutex_);
};

HeldWriters& held_writers() {
    static HeldWriters held;
    return held;
}

std::string random_writer() {
    std::array<std::byte, 16> bytes{};
    random_bytes(bytes);
    return to_hex(Bytes(bytes));
}

std::string this_boot() {
    const auto text = read_file("/proc/sys/kernel/random/boot_id", kProcFileBytesMax);
    return text.ok() ? std::string(trim(*text)) : std::string();
}

std::string this_pid_namespace() {
    std::array<char, 64> name{};
    const auto size = readlink("/proc/self/ns/pid", name.data(), name.size());
    return size > 0 ? std::string(name.data(), static_cast<std::size_t>(size)) : std::string();
}

// "state" and "starttime" of proc(5); nullopt when they cannot be seen.
struct ProcessLook {
    bool is_zombie = false;
    std::string start;
};
std::optional<ProcessLook> look_at_process(std::int64_t pid) {
    constexpr std::size_t kStartField = 19;  // after the name, which may hold anything
    const auto text = read_file(fmt::format("/proc/{}/stat", pid), kProcFileBytesMax);
    if (!text.ok()) return std::nullopt;
    const auto name_end = text->rfind(") ");
    if (name_end == std::string::npos) return std::nullopt;
    const auto fields = split(std::string_view(*text).substr(name_end + 2), ' ');
    if (fields.size() <= kStartField) return std::nullopt;
    return ProcessLook{.is_zombie = fields[0] == "Z" || fields[0] == "X",
                       .start = fields[kStartField]};
}

bool is_of_this_machine(const LeaseHolder& holder) {
    return !holder.boot_id.empty() && !holder.pid_namespace.empty() && holder.host == host_name() &&
           holder.boot_id == this_boot() && holder.pid_namespace == this_pid_namespace();
}

bool process_lives(const LeaseHolder& holder) {
    if (holder.pid <= 0) return false;
    if (kill(static_cast<pid_t>(holder.pid), 0) != 0 && errno == ESRCH) return false;
    const auto look = look_at_process(holder.pid);
    // There, but hidden from this user: then it cannot be told from a later one of its id.
    if (!look) return true;
    return !look->is_zombie && look->start == holder.process_start;
}

std::string text_of(const Json& document, const char* name) {
    const auto found = document.find(name);
    return found != document.end() && found->is_string() ? found->get<std::string>()
                                                         : std::string();
}

}  // namespace

LeaseHolder new_holder() {
    const auto look = look_at_process(getpid());
    return {.writer = random_writer(),
            .host = host_name(),
            .boot_id = this_boot(),
            .pid_namespace = this_pid_namespace(),
            .pid = getpid(),
            .process_start = look ? look->start : std::string(),
            .began = to_iso8601(now())};
}

std::string to_line(const LeaseHolder& holder) {
    return canonical(Json{{"writer", holder.writer},
                          {"host", holder.host},
                          {"boot_id", holder.boot_id},
                          {"pid_namespace", holder.pid_namespace},
                          {"pid", holder.pid},
                          {"process_start", holder.process_start},
                          {"began", holder.began}}) +
           "\n";
}

std::optional<LeaseHolder> parse_line(std::string_view text) {
    const auto document = parse_json(text, "a lease");
    if (!document.ok() || !document->is_object()) return std::nullopt;
    const auto pid = document->find("pid");
    LeaseHolder holder{.writer = text_of(*document, "writer"),
                       .host = text_of(*document, "host"),
                       .boot_id = text_of(*document, "boot_id"),
                       .pid_namespace = text_of(*document, "pid_namespace"),
                       .process_start = text_of(*document, "process_start"),
                       .began = text_of(*document, "began")};
    if (pid != document->end() && pid->is_number_integer()) holder.pid = pid->get<std::int64_t>();
    if (holder.writer.empty()) return std::nullopt;
    return holder;
}

std::optional<bool> lives(const LeaseHolder& holder) {
    if (!is_of_this_machine(holder)) return std::nullopt;
    const bool alive = process_lives(holder);
    if (!alive || holder.pid != getpid()) return alive;
    return held_writers().has(holder.writer);
}

std::string describe(const LeaseHolder& holder) {
    return fmt::format("host {}, process {}", printable(holder.host), holder.pid);
}

HeldHere::HeldHere(std::string writer) : writer_(std::move(writer)) {
    held_writers().add(writer_);
}

HeldHere::~HeldHere() {
    held_writers().remove(writer_);
}

}  // namespace asb::remote
