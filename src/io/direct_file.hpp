#pragma once
// Why this exists: large pieces of a new file go to the disk past the page cache, which saves
// copying them (a quarter of the processor time of a backup, half of a restore's, is the kernel's
// otherwise) and leaves the cache to the database.

#include "base/bytes.hpp"
#include "io/file.hpp"

namespace asb {

// A file that is written once, from its beginning to its end, by one thread. Pieces of at least
// kBytesMin, aligned in memory, in the file and in length to kDirectAlignment, go past the page
// cache; the others through it, with write-back begun early. A file system that cannot do it gets
// everything the ordinary way. Forces nothing to disk at the end: sync_fd does.
class DirectFile {
  public:
    static constexpr std::size_t kBytesMin =
        1 * kMiB;  // smaller pieces are better off in the cache

    // `path` is for errors.
    DirectFile(UniqueFd fd, std::string path) : fd_(std::move(fd)), path_(std::move(path)) {}

    Status append(Bytes bytes);
    [[nodiscard]] int fd() const { return fd_.get(); }
    [[nodiscard]] std::uint64_t size() const { return size_; }

  private:
    void choose_way(Bytes bytes);
    [[nodiscard]] Status write_through_cache(Bytes bytes);
    void start_write_back();

    UniqueFd fd_;
    std::string path_;
    std::uint64_t size_ = 0;
    std::uint64_t write_back_begun_ = 0;
    bool direct_ = false;
    bool direct_refused_ = false;
};

}  // namespace asb
