#include "ops/destinations.hpp"

#include <algorithm>

#include "base/text.hpp"
#include "ops/known_manifests.hpp"
#include "repo/log_windows.hpp"
#include "repo/repository.hpp"

namespace asb {
namespace {

// `brief`: who asks first, where that is to be less patient than who reads then; else null.
Destination look_at(const OpsContext& context, const OpsContext* brief, const Place& place) {
    Destination destination{.place = place,
                            .name = place.location,
                            .reader = nullptr,
                            .failed = std::nullopt,
                            .appending = context.stop.linked()};
    auto reader = place.open_reader(brief == nullptr ? context : *brief);
    auto answer = reader ? ask(**reader) : Status(reader.error());
    if (reader) destination.name = (*reader)->place();
    if (answer.ok() && brief != nullptr) reader = place.open_reader(context);
    if (answer.ok() && !reader) answer = reader.error();
    if (reader) destination.reader = std::move(*reader);
    if (!answer.ok()) destination.failed = std::move(answer.error());
    return destination;
}

Error no_room(const std::string& place, std::uint64_t free, std::uint64_t needed) {
    return with_hint(fail(Code::space, "{} has {} free; this backup needs at least {}", place,
                          human_bytes(free), human_bytes(needed)),
                     "free some space there, or set BACKUP_DIR to a larger disk");
}

Status check_free(std::optional<std::uint64_t> free, const std::string& place,
                  std::uint64_t needed) {
    if (!free || *free >= needed) return {};
    return no_room(place, *free, needed);
}

Status check_appender(StoreAppender& appender, const std::string& place, std::uint64_t needed) {
    ASB_TRY(const auto free, appender.free_space());
    return check_free(free, place, needed);
}

Result<std::vector<Destination>> look_at_all(const OpsContext& context,
                                             const std::vector<Place>& places) {
    const BriefContext brief(context);
    const auto* asking = places.size() == 1 ? nullptr : &brief.get();
    auto destinations = for_each_place(
        places.size(), [&](std::size_t i) { return look_at(context, asking, places[i]); });
    ASB_CHECK(context.stop.check());
    if (std::ranges::all_of(destinations, [](const auto& one) { return one.failed.has_value(); }))
        return *destinations.front().failed;
    return destinations;
}

Result<Reached> look_how_far(const OpsContext& context, const Destination& destination) {
    if (destination.failed) return *destination.failed;
    StoreReader& store = *destination.reader;
    ASB_TRY(const auto catalog, load_known_catalog(context, destination.place, store));
    ASB_TRY(const auto history, load_log_history(store, catalog));
    return how_far(catalog, history);
}

}  // namespace

Result<std::size_t> required_destinations(const Settings& settings, std::size_t count) {
    const auto& text = settings.text("REQUIRED_DESTINATIONS");
    if (text == "all") return count;
    if (text == "any") return std::size_t{1};
    const auto number = parse_u64(text);
    if (!number || *number == 0)
        return with_hint(fail(Code::usage, "REQUIRED_DESTINATIONS={} is no number of destinations",
                              printable(text)),
                         "set it to all, any, or a number from 1 on");
    if (*number > count)
        return with_hint(fail(Code::usage, "REQUIRED_DESTINATIONS={}, and {} configured", *number,
                              count == 1 ? std::string("1 destination is")
                                         : fmt::format("{} destinations are", count)),
                         "set BACKUP_DIR, S3_BUCKET and GCS_BUCKET, or require fewer");
    return static_cast<std::size_t>(*number);
}

Result<std::chrono::milliseconds> slow_destination_patience(const Settings& settings) {
    ASB_TRY(const auto seconds, number_between(settings, "SLOW_DESTINATION_SECONDS", 1, 86'400));
    return std::chrono::milliseconds(std::chrono::seconds(seconds));
}

Result<std::vector<Destination>> look_at_destinations(const OpsContext& context) {
    ASB_TRY(const auto places, repository_places(context));
    return look_at_all(context, places);
}

Result<std::vector<Destination>> look_at_repositories(const OpsContext& context) {
    ASB_TRY(const auto named, named_repository(context));
    if (!named) return look_at_destinations(context);
    return look_at_all(context, {*named});
}

Destination& first_readable(std::vector<Destination>& destinations) {
    const auto found =
        std::ranges::find_if(destinations, [](const auto& one) { return !one.failed; });
    ASB_ASSERT(found != destinations.end());
    return *found;
}

Reached how_far(const Catalog& catalog, const LogHistory& history) {
    Reached reached;
    for (const auto& log : history.logs)
        for (const auto& window : restorable_windows(log).windows)
            reached.until = std::max(reached.until, window.to_time);
    if (const auto* latest = catalog.latest(); latest != nullptr) reached.newest = latest->name;
    return reached;
}

Destination& furthest_readable(const OpsContext& context, std::vector<Destination>& destinations) {
    if (destinations.size() == 1) return first_readable(destinations);
    const auto reached = for_each_place(
        destinations.size(), [&](std::size_t i) { return look_how_far(context, destinations[i]); });
    Destination* chosen = &first_readable(destinations);
    Reached furthest;
    for (std::size_t i = 0; i < reached.size(); ++i)
        if (reached[i] && *reached[i] > furthest) {
            chosen = &destinations[i];
            furthest = *reached[i];
        }
    return *chosen;
}

Result<std::optional<std::uint64_t>> check_room(const OpsContext& context,
                                                const Destination& destination,
                                                std::uint64_t bytes_needed) {
    ASB_TRY(const auto free, destination.place.check_writable(context));
    ASB_CHECK(check_free(free, destination.name, bytes_needed));
    return free;
}

Result<std::unique_ptr<WritableDestinations>> WritableDestinations::open(
    const OpsContext& context, std::vector<Destination> destinations, std::uint64_t bytes_needed) {
    ASB_TRY(const auto required, required_destinations(context.settings, destinations.size()));
    ASB_TRY(const auto patience, slow_destination_patience(context.settings));
    std::unique_ptr<WritableDestinations> all(new WritableDestinations(context));
    for (auto& destination : destinations) {
        Stores stores;
        if (!destination.failed) {
            auto opened = open_stores(context, destination.place, destination.appending);
            auto room = opened ? check_appender(*opened->appender, destination.name, bytes_needed)
                               : Status(opened.error());
            if (room.ok())
                stores = std::move(*opened);
            else
                destination.failed = std::move(room.error());
        }
        all->stores_.push_back(std::move(stores));
    }
    all->destinations_ = std::move(destinations);
    all->build_fan_out({.required = required, .patience = patience});
    const auto& fans = all->fan_out_->destinations();
    if (std::ranges::all_of(fans, [](const auto& one) { return one.failed.has_value(); }))
        return *fans.front().failed;
    return all;
}

void WritableDestinations::build_fan_out(FanOut::Bounds bounds) {
    std::vector<FanOut::Destination> fans;
    fans.reserve(destinations_.size());
    for (std::size_t i = 0; i < destinations_.size(); ++i)
        fans.push_back({.place = destinations_[i].name,
                        .appender = stores_[i].appender.get(),
                        .stop = destinations_[i].appending,
                        .failed = destinations_[i].failed});
    fan_out_ = std::make_unique<FanOut>(std::move(fans), bounds);
}

bool WritableDestinations::is_live(std::size_t number) const {
    return !fan_out_->destinations()[number].failed;
}

StoreReader& WritableDestinations::reader(std::size_t preferred) const {
    if (is_live(preferred)) return *stores_[preferred].reader;
    for (std::size_t i = 0; i < stores_.size(); ++i)
        if (is_live(i)) return *stores_[i].reader;
    return *destinations_.front().reader;
}

void WritableDestinations::sweep() const {
    const auto swept = for_each_place(stores_.size(), [&](std::size_t i) -> Result<std::size_t> {
        if (stores_[i].eraser == nullptr) return std::size_t{0};
        return sweep_leftovers(*stores_[i].reader, *stores_[i].eraser);
    });
    for (std::size_t i = 0; i < swept.size(); ++i) {
        if (!swept[i] && swept[i].error().code == Code::interrupted) continue;
        if (!swept[i])
            context_.log.warning("leftovers of an earlier run could not be removed from {}: {}",
                                 destinations_[i].name, swept[i].error().fact);
        else if (*swept[i] != 0)
            context_.log.info("removed {} leftovers of earlier runs that did not finish from {}",
                              *swept[i], destinations_[i].name);
    }
}

std::vector<std::string> WritableDestinations::room_warnings() const {
    std::vector<std::string> warnings;
    for (std::size_t i = 0; i < destinations_.size(); ++i) {
        if (!is_live(i)) continue;
        auto warning = destinations_[i].place.room_warning(context_);
        if (!warning.empty()) warnings.push_back(std::move(warning));
    }
    return warnings;
}

std::vector<std::string> WritableDestinations::lacking(const ObjectKey& key) const {
    std::vector<std::string> places;
    for (std::size_t i = 0; i < destinations_.size(); ++i) {
        if (!is_live(i)) continue;
        const auto found = stores_[i].reader->open(key);
        if (!found && found.error().code == Code::not_found)
            places.push_back(destinations_[i].name);
    }
    return places;
}

Status WritableDestinations::ensure_notes() {
    auto put = for_each_place(stores_.size(), [&](std::size_t i) -> Status {
        return is_live(i) ? ensure_recovery_note(*stores_[i].reader, *stores_[i].appender)
                          : Status();
    });
    for (std::size_t i = 0; i < put.size(); ++i)
        if (!put[i].ok()) ASB_CHECK(fan_out_->leave_out(i, std::move(put[i].error())));
    return {};
}

std::vector<WritableDestinations::Outcome> WritableDestinations::outcomes() const {
    std::vector<Outcome> outcomes;
    for (const auto& one : fan_out_->destinations())
        outcomes.push_back({.place = one.place, .failed = one.failed});
    return outcomes;
}

}  // namespace asb
