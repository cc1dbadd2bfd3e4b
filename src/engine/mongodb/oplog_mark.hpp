#pragma once
// Why this exists: where a stretch of the oplog may begin and end, what it commits and when, is
// read from a few fields of each entry. Backup, stream and search must read them in the same way.

#include <optional>
#include <string>

#include "base/bytes.hpp"
#include "base/result.hpp"
#include "engine/log.hpp"
#include "engine/mongodb/optime.hpp"

namespace asb {

struct EntryMark {
    enum class Kind {
        note,   // an election, a heartbeat: changes nothing
        open,   // part of a transaction that a later entry ends
        abort,  // ends one that never happened
        commit,
    };
    OpTime optime;
    std::int64_t term = -1;  // -1: not told
    Kind kind = Kind::commit;
    CommitTime wall{};  // the server's clock; of a server that does not tell it the optime's second
    // Of a server that writes a transaction as single entries, each at a position of its own: what
    // tells those of one transaction. mongod writes them as one entry, or as a chain.
    std::string transaction;
    // Of an entry of such a chain (mongod): what tells those of one.
    std::string chain;

    // mongod's own positions are those of entries; other servers count on between writes.
    [[nodiscard]] bool is_exact() const { return term != -1; }
    [[nodiscard]] bool continues(const EntryMark& before) const {
        return !transaction.empty() && transaction == before.transaction;
    }
    // No cut may be between the two.
    [[nodiscard]] bool belongs_to(const EntryMark& before) const {
        return optime == before.optime || continues(before);
    }
};

// `damaged` for bytes that are no oplog entry.
Result<EntryMark> read_mark(Bytes entry);

// As LogPoint has it, and back.
std::uint64_t point_of(const OpTime& optime);
OpTime optime_of(std::uint64_t at);

}  // namespace asb
