#pragma once
// Why this exists: entries in, one body out: tar, gzip members, AES-256-CBC, segments, in this
// order and all at once.

#include <future>
#include <memory>
#include <optional>

#include "codec/kdf.hpp"
#include "codec/tar.hpp"
#include "repo/body_index.hpp"

namespace asb {

struct ArchiveOptions {
    bool compressed = true;
    // The body's keys, perhaps still being derived; waited for at the first byte. Absent: not
    // encrypted.
    std::optional<std::shared_future<BodyKeys>> keys;
    Salt salt{};
    std::size_t threads = 2;
};

struct ArchiveSummary {
    BodyIndex index;
    std::uint64_t plain_bytes = 0;
    std::uint64_t entry_count = 0;
    std::uint64_t inner_manifest_offset = 0;  // of its tar header in the tar stream
};

// Memory: the codec's bounds (docs/FORMAT.md, "Memory") plus about 200 bytes an entry. One thread
// at a time.
class ArchiveWriter final : public EntrySink {
  public:
    // `body` outlives the writer; it is written to from another thread.
    ArchiveWriter(ByteSink& body, const ArchiveOptions& options);
    ~ArchiveWriter() override;
    Status begin(const EntryHeader& header) override;
    Status write(Bytes bytes) override;
    Status end() override;
    // Writes the inner manifest and ends the body. Nothing may follow.
    Result<ArchiveSummary> finish();

  private:
    struct State;
    std::unique_ptr<State> state_;
};

}  // namespace asb
