// Writes one object into a local store, for tests that kill it, starve it, or look at it meanwhile:
//
//   local_store_writer write FOLDER KEY PIECES BYTES      writes PIECES appends of BYTES bytes each
//   local_store_writer hold FOLDER KEY                    the same, but says "ready" and waits for
//   the
//                                                         end of its stdin before it commits
//   local_store_writer tiny FOLDER KEY PIECES BYTES       as write, with a 1 MiB file system of its
//                                                         own at FOLDER; then names what lies there
//
// The exit status is that of the Error's code; its text goes to stderr.

#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <filesystem>
#include <span>
#include <string>
#include <vector>

#include "base/text.hpp"
#include "io/file.hpp"
#include "store/local/local_store.hpp"

namespace asb {
namespace {

struct Order {
    std::string verb;
    std::string folder;
    std::string key;
    std::size_t pieces = 0;
    std::size_t bytes = 0;
};

void wait_for_end_of_input() {
    std::puts("ready");
    static_cast<void>(std::fflush(stdout));
    char byte = 0;
    while (read(STDIN_FILENO, &byte, 1) > 0) {
    }
}

Status write_object(const Order& order) {
    const Settings settings;
    Log log(Log::Options{.run_id = "writer"});
    ASB_TRY(const auto appender,
            kLocalStore.open_appender(order.folder, {settings, log, StopToken()}));
    ASB_TRY(const auto key, ObjectKey::parse(order.key));
    ASB_TRY(const auto writer, appender->create(key));
    const std::vector<std::byte> piece(order.bytes, std::byte{'x'});
    for (std::size_t i = 0; i < order.pieces; ++i) ASB_CHECK(writer->append(piece));
    if (order.verb == "hold") wait_for_end_of_input();
    return writer->commit();
}

Status write_text(const std::string& path, const std::string& text) {
    ASB_TRY(const auto fd, open_file(path, O_WRONLY));
    return write_all(fd.get(), as_bytes(text), path);
}

// A file system of 1 MiB at `folder` that only this process sees, and that goes with it.
Status mount_tiny(const std::string& folder) {
    const auto user = geteuid();
    const auto group = getegid();
    const bool root = user == 0;
    if (unshare(root ? CLONE_NEWNS : CLONE_NEWNS | CLONE_NEWUSER) != 0)
        return errno_error(errno, "cannot unshare the mounts for", folder);
    if (!root) {
        ASB_CHECK(write_text("/proc/self/uid_map", fmt::format("{0} {0} 1", user)));
        ASB_CHECK(write_text("/proc/self/setgroups", "deny"));
        ASB_CHECK(write_text("/proc/self/gid_map", fmt::format("{0} {0} 1", group)));
    }
    if (mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0 ||
        mount("tmpfs", folder.c_str(), "tmpfs", 0, "size=1m") != 0)
        return errno_error(errno, "cannot mount", folder);
    return {};
}

Status write_where_it_is_tight(const Order& order) {
    ASB_CHECK(mount_tiny(order.folder));
    auto status = write_object(order);
    for (const auto& entry : std::filesystem::directory_iterator(order.folder))
        std::puts(entry.path().filename().c_str());
    return status;
}

int run(const Order& order) {
    const auto status = order.verb == "tiny" ? write_where_it_is_tight(order) : write_object(order);
    if (status.ok()) return 0;
    static_cast<void>(std::fprintf(stderr, "%s\n", to_text(status.error()).c_str()));
    return exit_status(status.error().code);
}

}  // namespace
}  // namespace asb

int main(int count, char** texts) {
    const std::span arguments(texts, static_cast<std::size_t>(count));
    const auto number = [&](std::size_t i) {
        return i < arguments.size() ? asb::parse_u64(arguments[i]).value_or(0) : 0;
    };
    ASB_ASSERT(arguments.size() >= 4);
    return asb::run({arguments[1], arguments[2], arguments[3], number(4), number(5)});
}
