#pragma once
// Why this exists: pulling a plain tar stream through parser and check into a sink is the same for
// every kind of archive.

#include "io/byte_stream.hpp"
#include "repo/archive_reader.hpp"
#include "repo/entry_check.hpp"

namespace asb {

class TarStream {
  public:
    TarStream(EntrySink& sink, const ReadOptions& options)
        : options_(options), check_(sink, options.stop), parser_(check_) {
        check_.attach(parser_);
    }
    // To the end of `source`; `damaged` when that is not the end of a tar stream.
    Status pump(ByteSource& source);
    EntryCheck& check() { return check_; }
    [[nodiscard]] std::uint64_t plain_bytes() const { return plain_bytes_; }

  private:
    const ReadOptions& options_;
    EntryCheck check_;
    TarParser parser_;
    std::uint64_t plain_bytes_ = 0;
};

}  // namespace asb
