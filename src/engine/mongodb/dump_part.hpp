#pragma once
// Why this exists: a tar entry needs its size beforehand, so documents are collected in memory into
// parts of a bounded size, each of which becomes one entry.

#include <atomic>
#include <functional>
#include <optional>
#include <string>

#include "base/byte_budget.hpp"
#include "base/bytes.hpp"
#include "base/progress.hpp"
#include "codec/tar.hpp"

namespace asb {

// Of one part; a single larger document is a part of its own. Large enough that an entry's header
// does not count, small enough that a few of them do not either.
inline constexpr std::size_t kPartBytes = 4 * kMiB;

// A finished part on its way to the archive.
struct DumpPart {
    ByteBudget::Lease lease;
    std::string entry;
    Buffer bytes;
};

// Names of the parts of one collection (or the oplog), numbered from 1 in the order they are asked
// for; what one reader reads stands under its own name when it is one part. Thread-safe.
class PartNames {
  public:
    using Name = std::function<std::string(std::optional<std::uint32_t> part)>;
    enum class Readers { one, several };
    explicit PartNames(Name name, Readers readers = Readers::one)
        : name_(std::move(name)), readers_(readers) {}
    [[nodiscard]] bool always_numbered() const { return readers_ == Readers::several; }
    [[nodiscard]] std::string whole() const { return name_(std::nullopt); }
    [[nodiscard]] std::string next() { return name_(++parts_); }

  private:
    Name name_;
    Readers readers_;
    std::atomic<std::uint32_t> parts_{0};
};

// Collects documents of one reader. One thread. `put` takes each part; its error ends the reader.
class PartCollector {
  public:
    using Put = std::function<Status(DumpPart part)>;
    // `budget`: what the parts of several readers may take together.
    PartCollector(PartNames& names, Put put, ByteBudget* budget = nullptr)
        : names_(names),
          put_(std::move(put)),
          budget_(budget),
          numbered_(names.always_numbered()) {}
    Status add(Bytes document);
    // The rest. A reader without any document writes one empty part, so that no collection is
    // without an entry.
    Status finish();
    [[nodiscard]] std::uint64_t documents() const { return documents_; }
    [[nodiscard]] std::uint64_t bytes() const { return bytes_; }

  private:
    Status flush(std::string entry);
    Status begin_part(std::size_t bytes);

    PartNames& names_;
    Put put_;
    ByteBudget* budget_;
    bool numbered_;
    ByteBudget::Lease lease_;
    Buffer part_;
    std::uint64_t documents_ = 0;
    std::uint64_t bytes_ = 0;
};

// Pushes a whole entry of the user's database, mode 0600.
Status push_entry(EntrySink& sink, std::string name, Bytes bytes);

}  // namespace asb
