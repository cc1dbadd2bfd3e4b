#pragma once
// Why this exists: a repository that was put back to an older state, or from which backups were
// taken away or replaced, still verifies backup by backup. What shows it is that each manifest
// carries the digest of the one before it, and that somebody remembers the newest. Retention does
// not run on a list that does not match: it would remove what is left for the sake of what is gone.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "repo/catalog.hpp"
#include "repo/removal_record.hpp"

namespace asb {

inline constexpr int kHeadVersion = 1;
inline constexpr std::size_t kHeadBytesMax = 16 * kKiB;  // the place is a path or a URL

// What a machine, or another destination, remembers of a repository.
struct RepositoryHead {
    std::string place;        // StoreReader::place(); UTF-8
    std::string newest;       // name; empty: there was no backup
    Digest digest{};          // of its manifest
    std::uint64_t count = 0;  // of backups that there were ever: those there, and those removed
    friend bool operator==(const RepositoryHead&, const RepositoryHead&) = default;
};

// Of the newest backup whose manifest can be read.
RepositoryHead head_of(const Catalog& catalog, const RemovalRecords& removals, std::string place);
// Canonical JSON and a newline; and the inverse: `damaged`, naming `what`, for anything else.
std::string to_text(const RepositoryHead& head);
Result<RepositoryHead> parse_head(std::string_view text, std::string_view what);

struct HistoryFinding {
    enum class Kind {
        missing,          // a backup that a later one names, without a record of its removal
        replaced,         // it has another manifest than the one that was named
        record_missing,   // a record of removal that a later one names
        record_replaced,  // it is another one than was named
        record_damaged,
        rolled_back,  // the remembered newest backup is missing
        thinned_out,  // fewer backups than are remembered were ever there
    };
    Kind kind = Kind::missing;
    std::string name;  // of the backup or the record; empty: of none in particular
    std::string text;  // one line for a person
};
// "missing", "replaced", ...
std::string_view to_text(HistoryFinding::Kind kind);

struct HistoryCheck {
    std::vector<HistoryFinding> findings;
    [[nodiscard]] bool ok() const { return findings.empty(); }
};

// Two backups that name the same one before them ran at the same time: no finding. A backup that is
// there although a record says that it was removed is one that a crash spared: no finding. What
// nobody names, a run at the same time as another, can be taken away without a trace here, as long
// as nobody remembers the count.
HistoryCheck check_manifest_history(const Catalog& catalog, const RemovalRecords& removals,
                                    const std::optional<RepositoryHead>& remembered);

}  // namespace asb
