#include "repo/log_tail.hpp"

#include <algorithm>

namespace asb {
namespace {

LogTail tail_of(const CatalogEntry& entry) {
    const LogFacts& facts = entry.manifest.log->facts;
    return {.log_id = facts.log_id,
            .identity = facts.identity,
            .end = facts.end(),
            .branches = facts.branches,
            .tail = facts.tail,
            .written_by = entry.name,
            .written_by_id = entry.manifest.id};
}

// Whether the backup's ranges go on from `end`: one of them holds it, and what follows is later.
bool goes_on(const LogFacts& facts, const LogPoint& end) {
    return facts.end() >= end && std::ranges::any_of(facts.ranges, [&](const LogRange& range) {
               return range.line == end.line && range.start <= end.at && end.at <= range.end;
           });
}

}  // namespace

std::vector<LogTail> log_tails(const Catalog& catalog, std::string_view engine) {
    std::vector<LogTail> tails;
    for (const auto& entry : catalog.entries) {  // oldest first
        const auto& log = entry.manifest.log;
        if (entry.state != CatalogEntry::State::ok || !log || log->engine != engine) continue;
        const auto known = std::ranges::find(tails, log->facts.identity, &LogTail::identity);
        const bool is_base = log->facts.consistent.has_value();
        if (known == tails.end()) {
            if (is_base) tails.push_back(tail_of(entry));
        } else if (is_base ||
                   (known->log_id == log->facts.log_id && goes_on(log->facts, known->end))) {
            *known = tail_of(entry);
        }
    }
    return tails;
}

}  // namespace asb
