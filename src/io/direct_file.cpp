#include "io/direct_file.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>

namespace asb {
namespace {

// Write-back of each this many bytes is started while more are being made, so that the fsync at the
// end finds little left to do.
constexpr std::uint64_t kWriteBackBytes = 1 * kMiB;

bool aligned(std::uint64_t number) {
    return number % kDirectAlignment == 0;
}

}  // namespace

Status DirectFile::append(Bytes bytes) {
    choose_way(bytes);
    auto written = write_all(fd_.get(), bytes, path_);
    if (!written.ok() && direct_) written = write_through_cache(bytes);
    ASB_CHECK(std::move(written));
    size_ += bytes.size();
    start_write_back();
    return {};
}

void DirectFile::choose_way(Bytes bytes) {
    const bool fits = bytes.size() >= kBytesMin && aligned(size_) && aligned(bytes.size()) &&
                      aligned(reinterpret_cast<std::uintptr_t>(bytes.data()));
    if (fits == direct_ || (fits && direct_refused_)) return;
    const int flags = fcntl(fd_.get(), F_GETFL);
    const bool done = fcntl(fd_.get(), F_SETFL, fits ? flags | O_DIRECT : flags & ~O_DIRECT) == 0;
    if (done) direct_ = fits;
    direct_refused_ = direct_refused_ || !done;
}

// Some file systems take the flag and refuse the write: the same bytes once more, the ordinary way,
// at the same place.
Status DirectFile::write_through_cache(Bytes bytes) {
    direct_refused_ = true;
    choose_way(bytes.first(0));
    if (lseek(fd_.get(), static_cast<off_t>(size_), SEEK_SET) < 0)
        return errno_error(errno, "cannot write", path_);
    return write_all(fd_.get(), bytes, path_);
}

void DirectFile::start_write_back() {
    if (direct_) {
        write_back_begun_ = size_;
        return;
    }
    if (size_ - write_back_begun_ < kWriteBackBytes) return;
    // Advice only: a file system that cannot do it leaves the work to fsync.
    sync_file_range(fd_.get(), static_cast<off_t>(write_back_begun_),
                    static_cast<off_t>(size_ - write_back_begun_), SYNC_FILE_RANGE_WRITE);
    write_back_begun_ = size_;
}

}  // namespace asb
