#pragma once
// Why this exists: the half of retention that looks at the log. What is to be reached from a base
// needs every stretch of the log from there on; a span that touches one of those stretches stays,
// wherever it lies, in a backup or in a streamed object. So what can be reached afterwards is not
// merely something: the same planner finds it on the same way.

#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "repo/log_track.hpp"
#include "repo/retention_rules.hpp"

namespace asb {

// Stretches of positions, by line, both ends included. Add, settle, then ask.
class NeededStretches {
  public:
    void add(std::uint32_t line, std::uint64_t start, std::uint64_t end);
    // All that the way has from `start` to `end`.
    void add(const LogTrack& track, std::uint64_t start, std::uint64_t end);
    void settle();
    [[nodiscard]] bool touches(const LogSpan& span) const;
    [[nodiscard]] bool has(std::uint32_t line) const { return lines_.contains(line); }

  private:
    using Stretch = std::pair<std::uint64_t, std::uint64_t>;
    std::map<std::uint32_t, std::vector<Stretch>> lines_;
};

// What of the logs stays.
class RetainedLogs {
  public:
    // Borrows all of them. `kept` has what stays by its own right, with what it goes on from; what
    // the log needs beyond that is added to it.
    RetainedLogs(const LogHistory& history, const RetentionCatalog& catalog,
                 const RetentionPolicy& policy, Instant now, KeptBackups& kept);

    // Adds what is needed; once.
    void find();
    // The streamed objects that go; after find().
    [[nodiscard]] std::vector<RemovedObjects> removed_objects() const;

  private:
    // What is known of one log.
    struct Log {
        std::vector<std::size_t> members;    // entries: its good backups, oldest first
        std::vector<std::size_t> strangers;  // good ones with its id that another database wrote
        NeededStretches needed;
        NeededStretches spare;     // only the streamed objects in them stay
        bool is_promised = false;  // instants of the last days are reached in it
    };

    void find_members();
    void find_last_full();
    void find_needs(std::size_t log);
    bool add_window(std::size_t log, const LogTrack& track);
    void add_last_full(std::size_t log, const LogTrack& track);
    void add_incremental(std::size_t log, const LogTrack& track, std::size_t entry);
    [[nodiscard]] const LogBase* base_for(const LogTrack& track, std::size_t entry) const;
    [[nodiscard]] const LogBase* root_base(const LogTrack& track, std::size_t entry) const;
    void keep_line(std::size_t log, std::uint32_t line);
    void keep_touched(std::size_t log);
    void keep_branches(std::size_t log);
    [[nodiscard]] std::vector<std::uint32_t> lines_that_matter(std::size_t log) const;
    void keep_identity(std::size_t log);

    // An incremental one with all that it needs.
    void keep(std::size_t entry, std::string reason);
    [[nodiscard]] bool stays(std::size_t entry) const {
        return kept_.is_kept(entry) || is_touched_[entry] != 0;
    }
    [[nodiscard]] bool has_rules() const;  // for the log
    [[nodiscard]] bool is_old(const LogSpan& span) const;
    [[nodiscard]] bool has_backup(std::size_t log) const;
    [[nodiscard]] std::string removal_reason() const;

    const LogHistory& history_;
    const RetentionCatalog& catalog_;
    const RetentionPolicy& policy_;
    Instant now_;
    KeptBackups& kept_;                  // own right; in the end what is touched, too
    std::vector<std::size_t> entry_of_;  // of an index into LogHistory::backups
    std::vector<Log> logs_;              // as LogHistory::logs
    std::vector<char> is_last_full_;     // by entry: of its database
    std::vector<char> is_touched_;       // by entry: a needed stretch goes through it
    bool has_grown_ = false;             // more is kept than the stretches were made for
};

}  // namespace asb
