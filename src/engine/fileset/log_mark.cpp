#include "engine/fileset/log_mark.hpp"

#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "base/text.hpp"
#include "io/file.hpp"

namespace asb::fileset {
namespace {

// Up to `count` bytes at `offset`; fewer where the file ends.
Result<std::string> read_at(int fd, std::uint64_t offset, std::uint64_t count,
                            const std::string& path) {
    std::string text(static_cast<std::size_t>(count), '\0');
    std::size_t filled = 0;
    while (filled < text.size()) {
        const ssize_t got = pread(fd, text.data() + filled, text.size() - filled,
                                  static_cast<off_t>(offset + filled));
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) return errno_error(errno, "cannot read", printable(path));
        if (got == 0) break;
        filled += static_cast<std::size_t>(got);
    }
    text.resize(filled);
    return text;
}

}  // namespace

Result<LogMark> LogMark::of_file(int fd, std::uint64_t size, const std::string& path) {
    const auto part = std::min<std::uint64_t>(size, kMarkBytes);
    LogMark mark;
    ASB_TRY(mark.first_, read_at(fd, 0, part, path));
    ASB_TRY(mark.last_, read_at(fd, size - part, part, path));
    return mark;
}

void LogMark::add(Bytes bytes) {
    const auto text = as_text(bytes);
    if (first_.size() < kMarkBytes) first_ += text.substr(0, kMarkBytes - first_.size());
    last_ += text.substr(text.size() - std::min(text.size(), kMarkBytes));
    if (last_.size() > kMarkBytes) last_.erase(0, last_.size() - kMarkBytes);
}

Digest LogMark::digest() const {
    Sha256 hash;
    hash.update(as_bytes(first_));
    hash.update(as_bytes(last_));
    return hash.finish();
}

}  // namespace asb::fileset
