#pragma once
// Why this exists: the last entry of every archive, inside the encryption: each entry with its
// place, size and digest. Verify and restore compare what arrived with it; selective restore will
// find entries by it.

#include <string>
#include <vector>

#include "codec/digest.hpp"
#include "codec/tar.hpp"

namespace asb {

inline constexpr std::string_view kInnerManifestName = "manifest-inner.json";
// More than ten million entries with long names; a bound against absurd input, not a promise.
inline constexpr std::uint64_t kInnerManifestBytesMax = 2 * kGiB;

struct InnerEntry {
    std::string name;
    EntryType type = EntryType::file;
    std::uint64_t offset = 0;  // of the entry's data in the tar stream; 0 where there is no data
    std::uint64_t size = 0;
    std::string digest;  // "sha256:<hex>" or "crc32c:<hex>" of the data, files only
};

// Takes the digest that the format gives an entry of that name. Files of a PostgreSQL data
// directory, which the server's own manifest (itself an entry under SHA-256) covers with CRC-32C,
// carry that: a second SHA-256 of a whole database would be a sixth of a backup's processor time,
// and what is authenticated are the segments. Everything else carries SHA-256.
class EntryDigest {
  public:
    void begin(std::string_view name);
    void update(Bytes bytes);
    std::string finish();

  private:
    bool cheap_ = false;
    std::uint32_t crc_ = 0;
    Sha256 sha256_;
};

// Collects the document while the archive is written: JSON, one entry a line, each line canonical
// (docs/FORMAT.md). A name that is not UTF-8 is written as hex. Memory: about 200 bytes an entry.
class InnerManifestText {
  public:
    void add(const InnerEntry& entry);
    [[nodiscard]] std::uint64_t count() const { return count_; }
    // The whole document; ends the collection.
    std::string finish();

  private:
    std::string text_;
    std::uint64_t count_ = 0;
};

// A fingerprint of the list that needs no list: two streams of equal entries have equal
// fingerprints. Reading an archive with a million entries keeps 32 bytes this way instead of the
// list.
class EntryTally {
  public:
    void add(const InnerEntry& entry);
    [[nodiscard]] std::uint64_t count() const { return count_; }
    // SHA-256 of the document that InnerManifestText gives for the same entries. Ends the tally.
    Digest finish();

  private:
    Sha256 hash_;
    std::uint64_t count_ = 0;
};

// The inverse of InnerManifestText. `damaged` with the number of the entry for anything that it
// would not have written: offsets that overlap or lie past `end`, where the document itself begins,
// included. Memory: about 150 bytes an entry.
Result<std::vector<InnerEntry>> parse_inner_manifest(std::string_view text, std::uint64_t end);

// Where the data of `entry`, a file, ends in the tar stream, filled up to whole blocks.
std::uint64_t data_end(const InnerEntry& entry);

}  // namespace asb
