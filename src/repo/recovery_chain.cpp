#include "repo/recovery_chain.hpp"

#include <algorithm>

namespace asb {
namespace {

using Kind = LogTarget::Kind;

class Chain {
  public:
    Chain(const LogTrack& track, const LogBase& base, const LogTrack::Reach& reach,
          const LogTarget& target)
        : track_(track), base_(base), reach_(reach), target_(target) {}

    RecoveryPlan plan() {
        add_base();
        bool stopped = is_position() && at_ >= last_position(target_);
        while (!stopped) {
            const auto best = next();
            if (!best) break;
            stopped = add(*best);
        }
        if (target_.kind == Kind::time && !stopped) drop_idle_end();
        if (is_position() && stopped) look_beyond();
        return finished();
    }

  private:
    [[nodiscard]] bool is_position() const {
        return target_.kind == Kind::position || target_.kind == Kind::limit;
    }
    [[nodiscard]] const LogSpan& span(std::size_t link) const { return track_.span(links_[link]); }

    // What the base's archive holds is read with it, so it comes first and whole.
    void add_base() {
        at_ = base_.consistent.at;
        for (auto i = reach_.first; i < reach_.last; ++i)
            if (track_.span(i).backup == base_.backup) {
                const auto item = track_.item(i);
                link(i, item.start, item.end);
                at_ = std::max(at_, item.end);
            }
    }

    // The item that goes on from at_ and gets furthest.
    [[nodiscard]] std::optional<std::size_t> next() const {
        std::optional<std::size_t> best;
        std::uint64_t best_end = at_;
        for (auto i = track_.first_ending_after(at_, reach_); i < reach_.last; ++i) {
            const auto item = track_.item(i);
            if (item.start > at_) break;
            const bool is_surer = best && item.end == best_end && track_.is_cut_short(*best);
            if (item.end > best_end || is_surer) best = i;
            best_end = std::max(best_end, item.end);
        }
        return best;
    }

    // Whether nothing more is needed.
    bool add(std::size_t index) {
        const auto end = track_.item(index).end;
        link(index, at_, end);
        at_ = end;
        if (is_position()) return at_ >= last_position(target_);
        return target_.kind == Kind::time && track_.has_newest_after(index, base_.consistent.at) &&
               track_.span(index).newest_commit > target_.time;
    }

    void link(std::size_t index, std::uint64_t start, std::uint64_t end) {
        links_.push_back(index);
        const LogRange range{.line = track_.span(index).line, .start = start, .end = end};
        plan_.spans.push_back({.span = track_.item(index).span, .range = range});
    }

    // The commits of the last link may all be before the position.
    void look_beyond() {
        while (const auto best = next()) {
            const auto end = track_.item(*best).end;
            const LogRange range{.line = track_.span(*best).line, .start = at_, .end = end};
            plan_.beyond.push_back({.span = track_.item(*best).span, .range = range});
            at_ = end;
            if (track_.has_newest_after(*best, range.start) && track_.span(*best).has_commits())
                return;
        }
    }

    // No commit is certainly later than the target. After the last span with commits, one that
    // proves that none is missing is enough.
    void drop_idle_end() {
        std::size_t needed = links_.size();
        while (needed > 0 && !span(needed - 1).has_commits()) --needed;
        for (auto i = needed == 0 ? 0 : needed - 1; i < links_.size(); ++i)
            if (!track_.is_cut_short(links_[i]) && span(i).covered_until >= target_.time)
                return keep(i + 1);
    }
    void keep(std::size_t count) {
        links_.resize(count);
        plan_.spans.resize(count);
    }

    RecoveryPlan finished() {
        plan_.target = target_;
        plan_.base = base_;
        plan_.end = base_.consistent;
        if (!plan_.spans.empty()) {
            const auto& last = plan_.spans.back().range;
            plan_.end = std::max(plan_.end, {.line = last.line, .at = last.end});
        }
        plan_.branches = track_.branches_to(plan_.end.line);
        plan_.search = search();
        return std::move(plan_);
    }

    // The first link in which the stop can be; the number of links when it is after all of them.
    [[nodiscard]] std::size_t first_with_stop() const {
        if (is_position()) return links_.empty() ? 0 : links_.size() - 1;
        std::size_t i = 0;
        if (target_.kind == Kind::time)
            while (i < links_.size() &&
                   !(span(i).has_commits() && span(i).newest_commit > target_.time))
                ++i;
        return target_.kind == Kind::time ? i : links_.size();
    }

    // Commits of before the base was consistent, with times after the target, must not be taken for
    // the stop: then it begins at that point. Otherwise it begins with the last span that surely
    // holds a commit before the stop, so that the last one in can be named.
    [[nodiscard]] RecoveryPlan::Search search() const {
        if (links_.empty() || target_.kind == Kind::name) return search_from(base_.consistent.at);
        const auto stop = first_with_stop();
        for (auto i = stop; i-- > 0;) {
            const bool surely = span(i).has_commits() && track_.has_newest_after(links_[i], 0);
            if (!surely) continue;
            const auto item = track_.item(links_[i]);
            return {
                .first = i, .from = {.line = span(i).line, .at = item.start}, .until = plan_.end};
        }
        const auto start = plan_.spans[std::min(stop, links_.size() - 1)].range.start;
        if (target_.kind == Kind::time && stop < links_.size())
            return search_from(std::max(start, base_.consistent.at));
        return search_from(start);
    }

    [[nodiscard]] RecoveryPlan::Search search_from(std::uint64_t at) const {
        std::size_t first = 0;
        while (first + 1 < links_.size() && plan_.spans[first].range.end <= at) ++first;
        const auto line = links_.empty() ? base_.consistent.line : span(first).line;
        return {.first = first, .from = {.line = line, .at = at}, .until = plan_.end};
    }

    const LogTrack& track_;  // all four outlive this, in chain_from
    const LogBase& base_;
    const LogTrack::Reach& reach_;
    const LogTarget& target_;
    RecoveryPlan plan_;
    std::vector<std::size_t> links_;  // items of the track, beside plan_.spans
    std::uint64_t at_ = 0;            // up to where the links lead
};

}  // namespace

std::uint64_t last_position(const LogTarget& target) {
    const auto at = target.position.at;
    return target.kind == Kind::limit && at > 0 ? at - 1 : at;
}

RecoveryPlan chain_from(const LogTrack& track, const LogBase& base, const LogTrack::Reach& reach,
                        const LogTarget& target) {
    return Chain(track, base, reach, target).plan();
}

}  // namespace asb
