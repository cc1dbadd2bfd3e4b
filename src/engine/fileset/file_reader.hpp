#pragma once
// Why this exists: applications write their files while we read them. What is stored must have
// exactly the size its header promised, and whoever restores it must know when it is not one
// moment's content.

#include <functional>
#include <string>

#include "base/bytes.hpp"
#include "codec/tar.hpp"
#include "engine/engine.hpp"
#include "io/file.hpp"

namespace asb::fileset {

// Up to here a file is read whole into memory before its header is written, and read again when it
// changed meanwhile. Configuration is nearly always smaller; it is one block of the byte path.
inline constexpr std::uint64_t kWholeReadBytesMax = 4 * kMiB;
// A file saved by an editor is at rest at the second look; one that is not at the third never is.
inline constexpr int kReadsMax = 3;

// Points of reading at which the world may change the file under us.
enum class ReadStep { listed, measured, block_stored };
// Called at each of them with the file's path; empty in the product, a test changes the file.
using ReadHook = std::function<void(ReadStep, const std::string& path)>;

// What the file did while it was read.
struct ReadOutcome {
    std::string note;         // "grew while ..."; empty when it kept still
    bool is_whole = true;     // false: what is stored may mix two moments, or end in zeros
    bool was_cut = false;     // nothing is stored: what was to be gone on from is no longer there
    std::uint64_t bytes = 0;  // stored
};

// Where in a file the reading begins: what is before is known from an earlier time.
struct ReadFrom {
    std::uint64_t offset = 0;
    // Whether what is before `offset` is still what it was; empty: nothing is before it.
    std::function<Result<bool>()> is_unchanged = {};
};

// One thread at a time.
class FileReader {
  public:
    FileReader(SessionContext& context, const ReadHook& hook);

    // Stores the open file `fd` (position 0, a regular file): header, data, end. `header` has
    // everything but size, owner, mode and times, which are those of the content that is stored:
    // `fill` sets them from a stat. `may_grow`: appending is this file's normal life, so the part
    // that was there when it was opened is whole. With `from`, only what comes after its offset.
    Result<ReadOutcome> store(int fd, const std::string& path, EntryHeader header,
                              const std::function<void(EntryHeader&, const struct stat&)>& fill,
                              bool may_grow, EntrySink& sink, const ReadFrom& from = {});

  private:
    struct Source {
        int fd;
        const std::string& path;
        bool may_grow;
        const ReadFrom& from;
    };
    struct WholeRead {
        struct stat before {};
        struct stat after {};
    };
    Result<struct stat> measure(const Source& source);
    static Result<bool> was_cut(const Source& source, const struct stat& info);
    Result<WholeRead> read_whole(const Source& source, struct stat before);
    Result<std::size_t> read_block(const Source& source, std::uint64_t offset,
                                   std::uint64_t bytes_max);
    Result<ReadOutcome> stream(const Source& source, const struct stat& before, EntrySink& sink);
    Status store_zeros(std::uint64_t count, EntrySink& sink);

    SessionContext& context_;
    const ReadHook& hook_;
    Buffer block_;
};

}  // namespace asb::fileset
