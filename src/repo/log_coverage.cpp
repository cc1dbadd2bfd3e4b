#include "repo/log_coverage.hpp"

#include <algorithm>
#include <set>
#include <tuple>

#include "repo/log_history.hpp"
#include "repo/log_names.hpp"

namespace asb {
namespace {

struct Missing {
    LogRange range;
    ObjectKey key;
};

bool comes_first(const LogRange& a, const LogRange& b) {
    return std::tie(a.line, a.start, b.end) < std::tie(b.line, b.start, a.end);
}

}  // namespace

void LogCoverage::add(const LogRange& range) {
    ranges_.push_back(range);
    joined_ = false;
}

void LogCoverage::join() {
    std::ranges::sort(ranges_, comes_first);
    std::size_t last = 0;
    for (std::size_t i = 1; i < ranges_.size(); ++i) {
        if (ranges_[i].line == ranges_[last].line && ranges_[i].start <= ranges_[last].end)
            ranges_[last].end = std::max(ranges_[last].end, ranges_[i].end);
        else
            ranges_[++last] = ranges_[i];
    }
    if (!ranges_.empty()) ranges_.resize(last + 1);
    joined_ = true;
}

bool LogCoverage::covers(const LogRange& range) {
    if (!joined_) join();
    const auto after = std::ranges::upper_bound(
        ranges_, std::pair(range.line, range.start), {},
        [](const LogRange& known) { return std::pair(known.line, known.start); });
    if (after == ranges_.begin()) return false;
    const auto& known = *std::prev(after);
    return known.line == range.line && range.end <= known.end;
}

Status visit_log(StoreReader& store, std::string_view log_id,
                 const std::function<void(std::string_view, const LogName&)>& visit) {
    return store.visit_names(fmt::format("{}{}/", kLogPrefix, log_id),
                             [&](std::string_view key) -> Status {
                                 if (const auto name = parse_log_name(key)) visit(key, *name);
                                 return {};
                             });
}

Result<std::vector<ObjectKey>> find_missing_log(StoreReader& from, StoreReader& to,
                                                std::string_view log_id) {
    LogCoverage covered;
    std::set<std::uint32_t> lines;
    ASB_CHECK(visit_log(to, log_id, [&](std::string_view /*key*/, const LogName& name) {
        if (name.kind == LogName::Kind::history) lines.insert(name.line);
        if (name.kind == LogName::Kind::object) covered.add(name.object.range);
    }));
    std::vector<ObjectKey> keys;
    std::vector<Missing> missing;
    ASB_CHECK(visit_log(from, log_id, [&](std::string_view key, const LogName& name) {
        if (name.kind == LogName::Kind::history && !lines.contains(name.line))
            keys.push_back(ObjectKey::known(std::string(key)));
        if (name.kind == LogName::Kind::object && !covered.covers(name.object.range))
            missing.push_back({name.object.range, ObjectKey::known(std::string(key))});
    }));
    std::ranges::sort(missing, comes_first, &Missing::range);
    LogCoverage taken;
    for (auto& piece : missing) {
        // Of a merge that has not removed the small ones yet, the large one is enough.
        if (taken.covers(piece.range)) continue;
        taken.add(piece.range);
        keys.push_back(std::move(piece.key));
    }
    return keys;
}

}  // namespace asb
