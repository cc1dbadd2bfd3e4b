#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "store/local/folder.hpp"
#include "store/local/rights.hpp"

namespace asb::local {
namespace {

Instant to_instant(const timespec& time) {
    const auto since_epoch =
        std::chrono::seconds(time.tv_sec) + std::chrono::nanoseconds(time.tv_nsec);
    return Instant(std::chrono::floor<std::chrono::milliseconds>(since_epoch));
}

class LocalObject : public StoredObject {
  public:
    LocalObject(UniqueFd fd, std::uint64_t size, std::string path, std::string root)
        : fd_(std::move(fd)), size_(size), path_(std::move(path)), root_(std::move(root)) {}

    [[nodiscard]] std::uint64_t size() const override { return size_; }

    Status read_at(std::uint64_t offset, MutableBytes out) override {
        if (offset > size_ || out.size() > size_ - offset)
            return fail(Code::damaged,
                        "{} ends at byte {}, before byte {} + {} that should be there", path_,
                        size_, offset, out.size());
        auto status = pread_exact(fd_.get(), out, offset, path_);
        if (status.ok() || status.error().code == Code::damaged) return status;
        return as_store_error(std::move(status.error()), root_);
    }

  private:
    UniqueFd fd_;
    const std::uint64_t size_;
    const std::string path_;
    const std::string root_;
};

class LocalReader : public StoreReader {
  public:
    explicit LocalReader(std::string root) : root_(std::move(root)) {}

    Result<std::vector<ObjectInfo>> list(std::string_view prefix) override {
        std::vector<ObjectInfo> objects;
        ASB_CHECK(walk(root_, prefix,
                       [&](const Visit& visit) { return add_published(visit, prefix, objects); }));
        std::sort(objects.begin(), objects.end(),
                  [](const ObjectInfo& a, const ObjectInfo& b) { return a.key < b.key; });
        return objects;
    }

    Status visit_names(std::string_view prefix,
                       const std::function<Status(std::string_view key)>& visit) override {
        std::string key;
        return walk(root_, prefix, [&](const Visit& found) -> Status {
            key.assign(found.folder_key).append(found.name);
            if (found.name.starts_with('.') || !key.starts_with(prefix)) return {};
            return ObjectKey::is_valid(key) && is_plain_file(found) ? visit(key) : Status();
        });
    }

    Result<std::unique_ptr<StoredObject>> open(const ObjectKey& key) override {
        ASB_TRY(const auto spot, find_spot(root_, key));
        if (!spot) return missing(key);
        // O_NONBLOCK: a FIFO of that name must not make us wait for its writer.
        UniqueFd fd(openat(spot->folder.get(), spot->name.c_str(),
                           O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
        if (!fd.valid() && errno == ENOENT) return missing(key);
        if (!fd.valid() && errno == ELOOP) return not_a_file(spot->path);
        if (!fd.valid()) return step_error(errno, "cannot open", spot->path, root_);
        struct stat info {};
        if (fstat(fd.get(), &info) != 0) return step_error(errno, "cannot open", spot->path, root_);
        if (!S_ISREG(info.st_mode)) return not_a_file(spot->path);
        std::unique_ptr<StoredObject> object = std::make_unique<LocalObject>(
            std::move(fd), static_cast<std::uint64_t>(info.st_size), spot->path, root_);
        return object;
    }

    [[nodiscard]] std::string place() const override { return root_; }

  private:
    // Asks the disk only where the folder does not say it.
    static bool is_plain_file(const Visit& visit) {
        if (visit.type != DT_UNKNOWN) return visit.type == DT_REG;
        struct stat info {};
        return fstatat(visit.folder_fd, visit.name.data(), &info, AT_SYMLINK_NOFOLLOW) == 0 &&
               S_ISREG(info.st_mode);
    }

    static Status add_published(const Visit& visit, std::string_view prefix,
                                std::vector<ObjectInfo>& objects) {
        if (visit.name.starts_with('.')) return {};
        std::string text(visit.folder_key);
        text += visit.name;
        if (!text.starts_with(prefix)) return {};
        auto key = ObjectKey::parse(text);
        if (!key.ok()) return {};
        struct stat info {};
        // Gone since it was listed: erased by another run, which is no error.
        if (fstatat(visit.folder_fd, visit.name.data(), &info, AT_SYMLINK_NOFOLLOW) != 0) return {};
        if (!S_ISREG(info.st_mode)) return {};
        objects.push_back({.key = std::move(*key),
                           .size = static_cast<std::uint64_t>(info.st_size),
                           .modified = to_instant(info.st_mtim)});
        return {};
    }

    [[nodiscard]] Error missing(const ObjectKey& key) const {
        return fail(Code::not_found, "there is no {} in {}", key.text(), root_);
    }

    static Error not_a_file(const std::string& path) {
        return with_hint(
            fail(Code::store, "{} is not a plain file", path),
            "an object is never a link, folder or device: look at who put it there, and remove it");
    }

    const std::string root_;
};

}  // namespace

std::unique_ptr<StoreReader> make_reader(std::string root) {
    return std::make_unique<LocalReader>(std::move(root));
}

}  // namespace asb::local
