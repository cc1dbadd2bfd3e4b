#pragma once
// Why this exists: two repositories may hold the same stretch of a log cut in different ways, since
// each merges small objects at its own time. What one lacks is asked by what is covered, not by
// names.

#include <functional>
#include <string_view>
#include <vector>

#include "engine/log.hpp"
#include "repo/log_names.hpp"

namespace asb {

// Stretches of one log, in any order; those that touch count as one.
class LogCoverage {
  public:
    void add(const LogRange& range);
    // Whether all of `range` was added, in one or several pieces.
    [[nodiscard]] bool covers(const LogRange& range);

  private:
    void join();
    std::vector<LogRange> ranges_;
    bool joined_ = true;
};

// The record, the histories and the objects of one log, by their names.
Status visit_log(StoreReader& store, std::string_view log_id,
                 const std::function<void(std::string_view key, const LogName& name)>& visit);

// The histories of lines and the objects of the log that `to` lacks and `from` has: histories
// first, then by line and start, the longest of those that begin at one place alone. Reads names
// only: 24 bytes for each of `to`.
Result<std::vector<ObjectKey>> find_missing_log(StoreReader& from, StoreReader& to,
                                                std::string_view log_id);

}  // namespace asb
