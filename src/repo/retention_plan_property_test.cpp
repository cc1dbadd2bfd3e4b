// Thousands of random repositories and policies: what the plan leaves must hold every promise, and
// the planner of recovery, which knows nothing of retention, is the judge.

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "repo/retention_world.hpp"

namespace asb {
namespace {

using std::chrono::days;

// What is left after a plan.
struct Left {
    Catalog catalog;
    StreamedLogs streamed;
    LogHistory history;
};

Left left_after(const RetentionWorld& world, const LogHistory& history, const RetentionPlan& plan) {
    Left left;
    for (std::size_t i = 0; i < plan.backups.size(); ++i)
        if (plan.backups[i].keep) left.catalog.entries.push_back(world.catalog.entries[i]);
    std::set<std::string> gone;
    for (const auto& removed : plan.objects)
        for (std::size_t i = 0; i < removed.spans.size(); ++i)
            gone.insert(key_of(history, removed, i).text());
    left.streamed = world.streamed;
    for (auto& [id, log] : left.streamed)
        std::erase_if(log.spans, [&, &log_id = id](const LogSpan& span) {
            return gone.contains(key_of(log_id, span).text());
        });
    for (const auto& removed : plan.objects)
        if (removed.is_whole_log) left.streamed.erase(history.logs[removed.log].id);
    left.history = make_log_history(left.catalog, left.streamed);
    return left;
}

std::set<std::string> removed_names(const LogHistory& history, const RetentionPlan& plan) {
    std::set<std::string> names;
    for (const auto& fate : plan.backups)
        if (!fate.keep) names.insert(fate.name);
    for (const auto& removed : plan.objects)
        for (std::size_t i = 0; i < removed.spans.size(); ++i)
            names.insert(key_of(history, removed, i).text());
    return names;
}

// Of one log only, as a restore of a named backup sees it.
LogHistory only(const LogHistory& history, const std::string& log_id) {
    LogHistory one = history;
    std::erase_if(one.logs, [&](const DatabaseLog& log) { return log.id != log_id; });
    return one;
}

class Check {
  public:
    Check(RetentionWorld& world, unsigned seed)
        : world_(world),
          random_(seed),
          before_(make_log_history(world.catalog, world.streamed)),
          plan_(plan_retention(before_, world.catalog, world.policy, world.holds, world.now)),
          left_(left_after(world, before_, plan_)) {}

    void all() {
        ASSERT_EQ(plan_.backups.size(), world_.catalog.entries.size());
        instants();
        fulls_and_incrementals();
        ages();
        holds();
        last_good();
        counts();
        damaged();
        order();
        again_and_later();
    }
    [[nodiscard]] std::size_t removed() const { return removed_names(before_, plan_).size(); }
    [[nodiscard]] std::size_t instants_checked() const { return instants_checked_; }

  private:
    [[nodiscard]] const CatalogEntry& entry(std::size_t i) const {
        return world_.catalog.entries[i];
    }
    [[nodiscard]] bool is_good(std::size_t i) const {
        return entry(i).state == CatalogEntry::State::ok;
    }
    [[nodiscard]] bool keeps(std::size_t i) const { return plan_.backups[i].keep; }
    [[nodiscard]] Instant time_of(std::size_t i) const {
        const auto& manifest = entry(i).manifest;
        if (manifest.finished_at != Instant{}) return manifest.finished_at;
        // Only the name is left of it; names ascend with time.
        auto first = kWorldBegin - days(60);
        for (auto step = days(200) / std::chrono::seconds(1); step > 0; step /= 2)
            while (backup_name(first + std::chrono::seconds(step)) <= entry(i).name)
                first += std::chrono::seconds(step);
        return first;
    }
    [[nodiscard]] bool keeps(const std::string& name) const {
        return left_.catalog.find(name) != nullptr;
    }

    // At the edges of what is kept, and in between.
    std::vector<CommitTime> some_instants() {
        const CommitTime now = world_.now;
        const CommitTime first = now - days(world_.policy.database.days);
        std::vector<CommitTime> edges = {first, now};
        for (const auto& log : before_.logs) {
            for (const auto& base : log.bases)
                if (base.consistent_at != kNoTime) edges.push_back(base.consistent_at);
            for (const auto& span : log.spans) {
                if (span.covered_until != kNoTime) edges.push_back(span.covered_until);
                if (span.has_commits())
                    edges.push_back(span.newest_commit - std::chrono::microseconds(1));
            }
        }
        std::vector<CommitTime> chosen;
        for (int tries = 0; tries < 80 && chosen.size() < 25; ++tries) {
            const auto at =
                std::uniform_int_distribution<std::size_t>(0, edges.size() - 1)(random_);
            const auto more = std::uniform_int_distribution<int>(-1, 1)(random_);
            const auto time = edges[at] + std::chrono::microseconds(more);
            if (time >= first && time <= now) chosen.push_back(time);
        }
        return chosen;
    }

    void instants() {
        if (world_.policy.database.days == 0) return;
        for (const auto time : some_instants()) {
            const auto was = plan_recovery(before_, time_target(time));
            const auto* old = std::get_if<RecoveryPlan>(&was);
            if (old == nullptr) continue;
            ++instants_checked_;
            const auto is = plan_recovery(left_.history, time_target(time));
            const auto* now = std::get_if<RecoveryPlan>(&is);
            ASSERT_NE(now, nullptr) << to_iso8601_us(time) << " is out of reach";
            EXPECT_EQ(left_.history.logs[now->log].id, before_.logs[old->log].id);
            EXPECT_EQ(now->end, old->end) << to_iso8601_us(time);
            EXPECT_EQ(left_.history.backups[now->base.backup], before_.backups[old->base.backup]);
            EXPECT_EQ(now->spans.size(), old->spans.size());
        }
    }

    void fulls_and_incrementals() const {
        for (std::size_t i = 0; i < plan_.backups.size(); ++i) {
            const auto& manifest = entry(i).manifest;
            if (!keeps(i) || !is_good(i) || !manifest.log) continue;
            const auto& facts = manifest.log->facts;
            auto point = facts.end();
            auto was = only(before_, facts.log_id);
            auto is = only(left_.history, facts.log_id);
            // One that another database wrote under the log's name is no part of it.
            if (was.logs.front().identity != facts.identity) continue;
            if (manifest.type == BackupType::full) {
                point = *facts.consistent;
                for (auto* history : {&was, &is})
                    for (auto& log : history->logs)
                        std::erase_if(log.bases, [&](const LogBase& base) {
                            return history->backups[base.backup] != entry(i).name;
                        });
            }
            const auto reached = [&](const LogHistory& history) {
                const auto planned = plan_recovery(history, position_target(point));
                return std::holds_alternative<RecoveryPlan>(planned);
            };
            if (reached(was)) {
                EXPECT_TRUE(reached(is)) << entry(i).name << " is kept in vain";
            }
        }
    }

    // With all that it goes on from.
    void expect_whole_chain(std::size_t i) const {
        const CatalogEntry* at = &entry(i);
        for (int links = 0; links < 100 && at->manifest.parent; ++links) {
            const auto* parent = world_.catalog.find(at->manifest.parent->name);
            if (parent == nullptr || parent->manifest.id != at->manifest.parent->id) return;
            EXPECT_TRUE(keeps(parent->name)) << at->name << " goes on from " << parent->name;
            at = parent;
        }
    }
    void expect_kept(std::size_t i) const {
        EXPECT_TRUE(keeps(i)) << entry(i).name << ": " << plan_.backups[i].reason;
        expect_whole_chain(i);
    }

    void ages() const {
        const auto& policy = world_.policy;
        for (std::size_t i = 0; i < plan_.backups.size(); ++i) {
            const auto time = time_of(i);
            const auto limit =
                std::max(policy.min_age_days, policy.rules_of(entry(i).manifest.type).days);
            if (limit != 0 && time >= world_.now - days(limit)) expect_kept(i);
            if (time > world_.now) expect_kept(i);
            const bool is_too_old =
                policy.max_age_days != 0 && time < world_.now - days(policy.max_age_days);
            EXPECT_EQ(plan_.backups[i].conflict, is_too_old && keeps(i));
            EXPECT_FALSE(plan_.backups[i].reason.empty());
            if (!policy.any()) {
                EXPECT_TRUE(keeps(i));
            }
        }
        for (const auto& removed : plan_.objects)
            for (const auto span : removed.spans)
                EXPECT_LT(before_.logs[removed.log].spans[span].covered_until,
                          CommitTime(world_.now - days(std::max(1U, policy.min_age_days))));
    }

    void holds() const {
        for (const auto& hold : world_.holds)
            for (std::size_t i = 0; i < plan_.backups.size(); ++i)
                if (entry(i).name == hold.backup && hold.is_in_force(world_.now)) expect_kept(i);
    }

    void last_good() const {
        std::map<std::string, std::size_t> last;
        for (std::size_t i = 0; i < plan_.backups.size(); ++i) {
            const auto& manifest = entry(i).manifest;
            if (!is_good(i) || time_of(i) > world_.now) continue;
            last[std::string(to_text(manifest.type))] = i;
            if (manifest.type == BackupType::full)
                last[manifest.log ? manifest.log->facts.identity : ""] = i;
        }
        for (const auto& [key, i] : last) expect_kept(i);
    }

    // By names alone: their first eight digits are the day, the first six the month.
    void counts() const {
        const auto& rules = world_.policy.database;
        expect_newest_of_each(rules.daily, 8);
        expect_newest_of_each(rules.monthly, 6);
        expect_newest_of_each(rules.yearly, 4);
        expect_newest_of_each(rules.last, 15);
    }
    void expect_newest_of_each(std::size_t count, std::size_t digits) const {
        std::map<std::string, std::map<std::string, std::size_t>> newest;  // by database, period
        for (std::size_t i = 0; i < plan_.backups.size(); ++i) {
            const auto& manifest = entry(i).manifest;
            if (!is_good(i) || manifest.type != BackupType::full || time_of(i) > world_.now)
                continue;
            const auto period = entry(i).name.substr(kNamePrefix.size(), digits);
            newest[manifest.log ? manifest.log->facts.identity : ""][period] = i;
        }
        for (const auto& [database, periods] : newest) {
            std::size_t found = 0;
            for (auto period = periods.rbegin(); period != periods.rend() && found < count;
                 ++period, ++found) {
                const bool is_too_old =
                    world_.policy.max_age_days != 0 &&
                    time_of(period->second) < world_.now - days(world_.policy.max_age_days);
                if (!is_too_old) expect_kept(period->second);
            }
        }
    }

    void damaged() const {
        for (std::size_t i = 0; i < plan_.backups.size(); ++i) {
            if (is_good(i) || keeps(i)) continue;
            const auto& policy = world_.policy;
            const auto limit = policy.rules_of(entry(i).manifest.type).days;
            const bool by_days = limit != 0 && time_of(i) < world_.now - days(limit);
            const bool by_age =
                policy.max_age_days != 0 && time_of(i) < world_.now - days(policy.max_age_days);
            EXPECT_TRUE(by_days || by_age) << entry(i).name;
        }
    }

    void order() const {
        std::map<std::string, std::size_t> place;
        for (const auto i : plan_.removal_order) {
            EXPECT_FALSE(keeps(i));
            place.emplace(entry(i).name, place.size());
        }
        EXPECT_EQ(place.size() + left_.catalog.entries.size(), plan_.backups.size());
        for (const auto i : plan_.removal_order) {
            const auto& parent = entry(i).manifest.parent;
            if (!parent || !place.contains(parent->name)) continue;
            const auto* other = world_.catalog.find(parent->name);
            if (other->manifest.id == parent->id) {
                EXPECT_LT(place[entry(i).name], place[parent->name]);
            }
        }
    }

    void again_and_later() {
        const auto again =
            plan_retention(left_.history, left_.catalog, world_.policy, world_.holds, world_.now);
        const auto more = removed_names(left_.history, again);
        EXPECT_TRUE(more.empty()) << *more.begin();
        const auto hours_later = std::uniform_int_distribution<int>(1, 40 * 24)(random_);
        const auto later = plan_retention(before_, world_.catalog, world_.policy, world_.holds,
                                          world_.now + std::chrono::hours(hours_later));
        const auto gone_then = removed_names(before_, later);
        for (const auto& name : removed_names(before_, plan_))
            EXPECT_TRUE(gone_then.contains(name))
                << name << " comes back " << hours_later << " h later";
    }

    RetentionWorld& world_;
    std::mt19937 random_;
    LogHistory before_;
    RetentionPlan plan_;
    Left left_;
    std::size_t instants_checked_ = 0;
};

class RandomRepositories : public testing::TestWithParam<unsigned> {};

TEST_P(RandomRepositories, KeepWhatTheirPolicyPromises) {
#if defined(ASB_SANITIZED)
    constexpr unsigned kWorlds = 20;
#else
    constexpr unsigned kWorlds = 1000;
#endif
    std::size_t removed = 0;
    std::size_t instants = 0;
    for (unsigned seed = GetParam() * kWorlds; seed < (GetParam() + 1) * kWorlds; ++seed) {
        SCOPED_TRACE(seed);
        RetentionWorld world(seed);
        Check check(world, seed);
        check.all();
        removed += check.removed();
        instants += check.instants_checked();
        ASSERT_FALSE(HasFailure()) << "world " << seed;
    }
    // They are worth something only when much goes and much was to be kept.
    EXPECT_GT(removed, kWorlds);
    EXPECT_GT(instants, kWorlds);
}

INSTANTIATE_TEST_SUITE_P(TenThousand, RandomRepositories, testing::Range(0U, 10U));

}  // namespace
}  // namespace asb
