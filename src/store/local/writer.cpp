#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>

#include "base/fail_point.hpp"
#include "store/local/reservation.hpp"
#include "store/local/rights.hpp"

namespace asb::local {
namespace {

// Write-back of each this many bytes is started while more are being made, so that the fsync at the
// end finds little left to do.
constexpr std::uint64_t kWriteBackBytes = 1 * kMiB;
// Smaller pieces are better off in the page cache.
constexpr std::size_t kDirectBytesMin = 1 * kMiB;

// Gives the file its published name unless that is taken; 0 or errno.
int rename_without_replacing(int folder_fd, const std::string& from, const std::string& to) {
    if (renameat2(folder_fd, from.c_str(), folder_fd, to.c_str(), RENAME_NOREPLACE) == 0) return 0;
    if (errno != EINVAL && errno != ENOSYS) return errno;
    // File systems without RENAME_NOREPLACE (NFS, some FUSE): link(2) does not replace either.
    if (linkat(folder_fd, from.c_str(), folder_fd, to.c_str(), 0) != 0) return errno;
    if (unlinkat(folder_fd, from.c_str(), 0) == 0) return 0;
    const int error = errno;
    unlinkat(folder_fd, to.c_str(), 0);
    return error;
}

Error taken(const Spot& spot) {
    return with_hint(fail(Code::busy, "{} exists already", spot.path),
                     "names are written once: use another, or wait a second for the next");
}

// Begins as a locked, empty partial file. Any failure is final: later calls fail too, and
// destruction removes what there is.
class LocalWriter : public ObjectWriter {
  public:
    LocalWriter(std::string root, ObjectKey key, Spot spot, UniqueFd fd)
        : root_(std::move(root)),
          key_(std::move(key)),
          spot_(std::move(spot)),
          fd_(std::move(fd)) {}

    LocalWriter(const LocalWriter&) = delete;
    LocalWriter& operator=(const LocalWriter&) = delete;
    // Before the lock goes with fd_, so that no other writer's file can be the one removed.
    ~LocalWriter() override {
        if (named_partial_) unlinkat(spot_.folder.get(), partial_name(spot_.name).c_str(), 0);
    }

    // Asked once the name is reserved: from then on nobody else can publish it.
    [[nodiscard]] Status check_name_free() const {
        struct stat info {};
        if (fstatat(spot_.folder.get(), spot_.name.c_str(), &info, AT_SYMLINK_NOFOLLOW) == 0)
            return taken(spot_);
        if (errno == ENOENT) return {};
        return step_error(errno, "cannot write", spot_.path, root_);
    }

    Status append(Bytes bytes) override {
        ASB_CHECK(begin_step());
        ASB_CHECK(pass("store.local.write", "cannot write"));
        choose_direct(bytes);
        auto written = write_all(fd_.get(), bytes, spot_.path);
        if (!written.ok() && direct_) written = write_through_cache(bytes);
        if (!written.ok()) return as_store_error(std::move(written.error()), root_);
        size_ += bytes.size();
        start_write_back();
        return end_step();
    }

    Status commit() override {
        ASB_CHECK(begin_step());
        ASB_CHECK(sync_file());
        ASB_CHECK(check_length());
        ASB_CHECK(publish());
        auto durable = sync_names();
        if (!durable.ok()) {
            unlinkat(spot_.folder.get(), spot_.name.c_str(), 0);
            return durable;
        }
        return end_step();
    }

  private:
    Status begin_step() {
        if (!usable_) return fail(Code::failed, "{} can no longer be written", spot_.path);
        usable_ = false;
        return {};
    }
    Status end_step() {
        usable_ = named_partial_;
        return {};
    }

    [[nodiscard]] Status pass(std::string_view point, std::string_view action) const {
        const int injected = fail_point(point);
        if (injected != 0) return step_error(injected, action, spot_.path, root_);
        return {};
    }

    // Large aligned pieces go to the disk past the page cache, which saves copying them (a quarter
    // of the processor time of a backup is the kernel's otherwise) and leaves the cache to the
    // database. A file system that cannot do it says so here, and everything stays as it was.
    void choose_direct(Bytes bytes) {
        const bool fits = bytes.size() >= kDirectBytesMin && size_ % kDirectAlignment == 0 &&
                          bytes.size() % kDirectAlignment == 0 &&
                          reinterpret_cast<std::uintptr_t>(bytes.data()) % kDirectAlignment == 0;
        if (fits == direct_ || (fits && direct_refused_)) return;
        const int flags = fcntl(fd_.get(), F_GETFL);
        const bool done =
            fcntl(fd_.get(), F_SETFL, fits ? flags | O_DIRECT : flags & ~O_DIRECT) == 0;
        if (done) direct_ = fits;
        direct_refused_ = direct_refused_ || !done;
    }

    // Some file systems take the flag and refuse the write: the same bytes once more, the ordinary
    // way, at the same place.
    [[nodiscard]] Status write_through_cache(Bytes bytes) {
        direct_refused_ = true;
        choose_direct(bytes.first(0));
        if (lseek(fd_.get(), static_cast<off_t>(size_), SEEK_SET) < 0)
            return step_error(errno, "cannot write", spot_.path, root_);
        return write_all(fd_.get(), bytes, spot_.path);
    }

    void start_write_back() {
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

    [[nodiscard]] Status sync_file() const {
        ASB_CHECK(pass("store.local.sync", "cannot sync"));
        if (fsync(fd_.get()) != 0) return step_error(errno, "cannot sync", spot_.path, root_);
        return {};
    }

    [[nodiscard]] Status check_length() const {
        struct stat info {};
        if (fstat(fd_.get(), &info) != 0)
            return step_error(errno, "cannot check", spot_.path, root_);
        if (static_cast<std::uint64_t>(info.st_size) == size_) return {};
        return with_hint(fail(Code::store, "{} has {} bytes on disk, but {} were written",
                              spot_.path, info.st_size, size_),
                         "something else changed the file while it was being written");
    }

    Status publish() {
        ASB_CHECK(pass("store.local.rename", "cannot publish"));
        const int error =
            rename_without_replacing(spot_.folder.get(), partial_name(spot_.name), spot_.name);
        if (error == EEXIST) return taken(spot_);
        if (error != 0) return step_error(error, "cannot publish", spot_.path, root_);
        named_partial_ = false;
        return {};
    }

    [[nodiscard]] Status sync_names() const {
        ASB_CHECK(pass("store.local.sync_folder", "cannot sync the folder of"));
        return sync_folders(root_, spot_, key_);
    }

    const std::string root_;
    const ObjectKey key_;
    const Spot spot_;
    const UniqueFd fd_;
    std::uint64_t size_ = 0;
    std::uint64_t write_back_begun_ = 0;
    bool direct_ = false;
    bool direct_refused_ = false;
    bool named_partial_ = true;
    bool usable_ = true;
};

class LocalAppender : public StoreAppender {
  public:
    explicit LocalAppender(std::string root) : root_(std::move(root)) {}

    Result<std::unique_ptr<ObjectWriter>> create(const ObjectKey& key) override {
        ASB_TRY(auto spot, make_spot(root_, key));
        ASB_TRY(auto fd, reserve(root_, spot));
        auto writer = std::make_unique<LocalWriter>(root_, key, std::move(spot), std::move(fd));
        ASB_CHECK(writer->check_name_free());
        return std::unique_ptr<ObjectWriter>(std::move(writer));
    }

    Result<std::optional<std::uint64_t>> free_space() override {
        auto bytes = asb::free_space(nearest_existing(root_));
        if (!bytes.ok()) return as_store_error(std::move(bytes.error()), root_);
        return std::optional(*bytes);
    }

  private:
    const std::string root_;
};

}  // namespace

std::unique_ptr<StoreAppender> make_appender(std::string root) {
    return std::make_unique<LocalAppender>(std::move(root));
}

}  // namespace asb::local
