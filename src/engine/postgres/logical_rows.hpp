#pragma once
// Why this exists: with a dump there is no old database to compare a restored one with; but the
// dump itself says how many rows each table, which value each sequence and which large objects it
// has.

#include <cstdint>
#include <map>
#include <string>
#include <string_view>

#include "base/bytes.hpp"
#include "base/stop.hpp"
#include "engine/postgres/swap_check.hpp"
#include "engine/postgres/swap_source.hpp"

namespace asb::postgres {

// Names are quoted for SQL, with their schema.
struct DumpCounts {
    std::map<std::string, std::uint64_t> rows;     // of each table that has data in the dump
    std::map<std::string, std::string> sequences;  // name -> "1000, true", as setval takes it
    std::uint64_t large_objects = 0;
};

// Reads the script that `pg_restore --data-only --file=-` writes (or any plain dump), fed in pieces
// of any size. Data of COPY is counted, never kept. One thread.
class DumpCounter {
  public:
    void feed(std::string_view text);
    [[nodiscard]] const DumpCounts& counts() const { return counts_; }

  private:
    void end_line();
    void take_statement();
    // Longer than any COPY or setval statement of a table with 1600 columns of 63 bytes, quoted.
    static constexpr std::size_t kLineBytesKept = 256 * kKiB;

    DumpCounts counts_;
    std::string line_;                  // of the line that is being read, at most kLineBytesKept
    std::uint64_t* copying_ = nullptr;  // rows of the table whose data passes
};

// Runs pg_restore over the dump and counts; with `use_list`, a file for its --use-list, only that.
Result<DumpCounts> count_dump(const StoredDump& dump, const std::string& database,
                              const StopToken& stop, const std::string& use_list = {});

// `damaged`, naming the first difference, unless `copy` holds exactly these rows, values and large
// objects. Tables of an extension, which brings rows of its own, are left out.
Result<Compared> compare_with_dump(const DumpCounts& counted, Connection& copy);

}  // namespace asb::postgres
