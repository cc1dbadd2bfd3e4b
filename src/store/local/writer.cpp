#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>

#include "base/fail_point.hpp"
#include "io/direct_file.hpp"
#include "store/local/reservation.hpp"
#include "store/local/rights.hpp"

namespace asb::local {
namespace {

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
    LocalWriter(std::string root, ObjectKey key, Spot spot, UniqueFd fd,
                std::shared_ptr<NameSync> names)
        : root_(std::move(root)),
          key_(std::move(key)),
          spot_(std::move(spot)),
          names_(std::move(names)),
          file_(std::move(fd), spot_.path) {}

    LocalWriter(const LocalWriter&) = delete;
    LocalWriter& operator=(const LocalWriter&) = delete;
    // Before the lock goes with file_, so that no other writer's file can be the one removed.
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
        auto written = file_.append(bytes);
        if (!written.ok()) return as_store_error(std::move(written.error()), root_);
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

    [[nodiscard]] Status sync_file() const {
        ASB_CHECK(pass("store.local.sync", "cannot sync"));
        if (fsync(file_.fd()) != 0) return step_error(errno, "cannot sync", spot_.path, root_);
        return {};
    }

    [[nodiscard]] Status check_length() const {
        struct stat info {};
        if (fstat(file_.fd(), &info) != 0)
            return step_error(errno, "cannot check", spot_.path, root_);
        if (static_cast<std::uint64_t>(info.st_size) == file_.size()) return {};
        return with_hint(fail(Code::store, "{} has {} bytes on disk, but {} were written",
                              spot_.path, info.st_size, file_.size()),
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
        return names_->sync(root_, spot_, key_);
    }

    const std::string root_;
    const ObjectKey key_;
    const Spot spot_;
    const std::shared_ptr<NameSync> names_;
    DirectFile file_;
    bool named_partial_ = true;
    bool usable_ = true;
};

class LocalAppender : public StoreAppender {
  public:
    explicit LocalAppender(std::string root) : root_(std::move(root)) {}

    Result<std::unique_ptr<ObjectWriter>> create(const ObjectKey& key) override {
        ASB_TRY(auto spot, make_spot(root_, key));
        ASB_TRY(auto fd, reserve(root_, spot));
        auto writer =
            std::make_unique<LocalWriter>(root_, key, std::move(spot), std::move(fd), names_);
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
    const std::shared_ptr<NameSync> names_ = std::make_shared<NameSync>();
};

}  // namespace

std::unique_ptr<StoreAppender> make_appender(std::string root) {
    return std::make_unique<LocalAppender>(std::move(root));
}

}  // namespace asb::local
