#pragma once
// Why this exists: between the tar stream and whoever takes the entries stands one check: names are
// safe, digests are taken, and the inner manifest at the end says the same as what has passed.

#include "base/stop.hpp"
#include "repo/inner_manifest.hpp"

namespace asb {

// Forwards every entry but the inner manifest. One thread at a time.
class EntryCheck final : public EntrySink {
  public:
    EntryCheck(EntrySink& next, StopToken stop) : next_(next), stop_(std::move(stop)) {}
    // The parser that pushes into this; asked for offsets. Outlives this.
    void attach(const TarParser& parser) { parser_ = &parser; }
    Status begin(const EntryHeader& header) override;
    Status write(Bytes bytes) override;
    Status end() override;

    [[nodiscard]] bool has_inner_manifest() const { return seen_inner_; }
    [[nodiscard]] std::uint64_t entry_count() const { return tally_.count(); }
    // After the last entry: `damaged` unless the inner manifest came last and matches.
    Status finish();

  private:
    EntrySink& next_;
    StopToken stop_;
    const TarParser* parser_ = nullptr;
    EntryTally tally_;
    InnerEntry entry_;
    EntryDigest digest_;
    std::string inner_digest_;
    bool in_inner_ = false;
    bool seen_inner_ = false;
};

}  // namespace asb
