#pragma once
// Why this exists: a restore gets its files in small pieces; gathered into large aligned blocks,
// and written by a thread of their own while the next block is being filled, they go past the page
// cache.

#include <memory>

#include "io/direct_file.hpp"

namespace asb {

// Fills one new file after the other. One thread at a time; memory: two blocks of 4 MiB.
class FileFiller {
  public:
    FileFiller();
    ~FileFiller();
    FileFiller(FileFiller&&) noexcept;
    FileFiller& operator=(FileFiller&&) noexcept;

    // `path` is for errors.
    void begin(UniqueFd file, std::string path);
    // An error of the thread shows here or at `end`; it is `space` when the disk is full.
    Status write(Bytes bytes);
    // Everything is with the kernel (not yet forced to disk), and the file is closed.
    Status end();

  private:
    struct State;
    std::unique_ptr<State> state_;
};

}  // namespace asb
