#pragma once
// Why this exists: a backup goes to every place that the settings name. Which of them can be
// reached is found out first, so that one that is away costs a line in the report and not the
// backup.

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "ops/fan_out.hpp"
#include "ops/sources.hpp"
#include "repo/log_history.hpp"

namespace asb {

struct Destination {
    Place place;
    std::string name;                     // StoreReader::place(), or the location
    std::unique_ptr<StoreReader> reader;  // null when it could not be opened
    std::optional<Error> failed;          // why nothing can be put there
    StopToken appending = {};             // gives up what is being put there
};

// How many destinations must have a backup for it to count as done: REQUIRED_DESTINATIONS, `all`,
// `any` or a number. `usage` when it is none of these, or more than there are.
Result<std::size_t> required_destinations(const Settings& settings, std::size_t count);

// How long one that is not required may hold up the others, in a run: SLOW_DESTINATION_SECONDS.
// `usage` when that is out of bounds.
Result<std::chrono::milliseconds> slow_destination_patience(const Settings& settings);

// Every configured place, each asked for one object. An error only when none is configured, or none
// can be read: then that of the first.
Result<std::vector<Destination>> look_at_destinations(const OpsContext& context);
// The same for verbs that read: only what REPOSITORY names, when it names one.
Result<std::vector<Destination>> look_at_repositories(const OpsContext& context);
// The first that can be read.
Destination& first_readable(std::vector<Destination>& destinations);
// How far one gets with what a destination holds.
struct Reached {
    CommitTime until = kNoTime;  // the last instant that can be restored
    std::string newest;          // of its whole backups
    friend auto operator<=>(const Reached&, const Reached&) = default;
};
Reached how_far(const Catalog& catalog, const LogHistory& history);
// The first of those with which one gets furthest: what a log or a backup goes on from is looked up
// there. A folder that is not mounted is empty, one that was full lacks what others go on from, and
// neither must begin everything anew.
Destination& furthest_readable(const OpsContext& context, std::vector<Destination>& destinations);

// Whether `bytes_needed` could be written there, found out without writing: what is free, or
// nullopt where there is no limit.
Result<std::optional<std::uint64_t>> check_room(const OpsContext& context,
                                                const Destination& destination,
                                                std::uint64_t bytes_needed);

// Rights to write at every destination that has not failed.
class WritableDestinations {
  public:
    // Takes each that has no room for `bytes_needed` as failed. An error when none is left, that of
    // the first.
    static Result<std::unique_ptr<WritableDestinations>> open(const OpsContext& context,
                                                              std::vector<Destination> destinations,
                                                              std::uint64_t bytes_needed);

    // Of that number, in the order of the settings, or where that one has failed the first.
    [[nodiscard]] StoreReader& reader(std::size_t preferred = 0) const;
    // Of all.
    StoreAppender& appender() { return *fan_out_; }
    // Removes what runs that died left behind, anywhere; failing to is a warning.
    void sweep() const;
    // One line for each that will soon be full.
    [[nodiscard]] std::vector<std::string> room_warnings() const;
    // The places of those that have no object of that name.
    [[nodiscard]] std::vector<std::string> lacking(const ObjectKey& key) const;
    // Puts RESTORE.txt where it is missing.
    Status ensure_notes();

    struct Outcome {
        std::string place;
        std::optional<Error> failed;
    };
    // What has become of each, in the order of the settings.
    [[nodiscard]] std::vector<Outcome> outcomes() const;

  private:
    explicit WritableDestinations(const OpsContext& context) : context_(context) {}
    [[nodiscard]] bool is_live(std::size_t number) const;
    void build_fan_out(FanOut::Bounds bounds);

    const OpsContext& context_;
    std::vector<Destination> destinations_;
    std::vector<Stores> stores_;  // by the same numbers; empty where it failed
    std::unique_ptr<FanOut> fan_out_;
};

}  // namespace asb
