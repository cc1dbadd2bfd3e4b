#include "ops/log_mirrors.hpp"

#include <algorithm>

namespace asb {
namespace {

// How often a wait looks whether it was asked to stop.
constexpr std::chrono::milliseconds kLook{100};

}  // namespace

void LogMirrors::begin(const MirroredLog& log) {
    mirrors_.clear();
    published_ = {{.number = 0, .end = log.tail.end, .bytes = 0, .began = {}}};
    for (const auto& place : places_)
        mirrors_.push_back(std::make_unique<LogMirror>(context_, place, log, signal_));
}

void LogMirrors::add(const WrittenObject& object, const LogPoint& end, Deadline began) {
    const auto number = published_.back().number + 1;
    published_.push_back({number, end, object.plain_bytes, began});
    for (const auto& mirror : mirrors_) mirror->add(object, number);
}

// With signal_.mutex; absent before `begin` too. Among the first destination and the mirrors, the
// `required_`-th furthest.
std::optional<std::uint64_t> LogMirrors::kept_number() const {
    if (published_.empty()) return std::nullopt;
    std::vector<std::uint64_t> reached = {published_.back().number};
    for (const auto& mirror : mirrors_)
        if (const auto& number = mirror->state().reached) reached.push_back(*number);
    if (reached.size() < required_) return std::nullopt;
    std::ranges::sort(reached, std::greater());
    return reached[required_ - 1];
}

std::optional<LogPoint> LogMirrors::kept() {
    const std::scoped_lock lock(signal_.mutex);
    const auto number = kept_number();
    if (!number) return std::nullopt;
    while (published_.front().number < *number) published_.pop_front();
    return published_.front().end;
}

std::optional<LogMirrors::Missing> LogMirrors::missing() {
    const std::scoped_lock lock(signal_.mutex);
    const auto number = kept_number();
    if (!number) return std::nullopt;
    Missing missing;
    for (const auto& one : published_) {
        if (one.number <= *number) continue;
        if (!missing.since) missing.since = one.began;
        missing.bytes += one.bytes;
    }
    return missing;
}

Result<bool> LogMirrors::wait_for_all(const StopToken& stop, Deadline deadline) {
    std::unique_lock lock(signal_.mutex);
    while (kept_number() != published_.back().number) {
        ASB_CHECK(stop.check());
        if (std::chrono::steady_clock::now() >= deadline) return false;
        signal_.changed.wait_for(lock, kLook);
    }
    return true;
}

// With signal_.mutex.
bool LogMirrors::all_caught_up() const {
    return std::ranges::all_of(mirrors_, [&](const auto& mirror) {
        const auto& state = mirror->state();
        return !state.keeps_up || state.reached == published_.back().number;
    });
}

void LogMirrors::wait_until(Deadline deadline) {
    std::unique_lock lock(signal_.mutex);
    signal_.changed.wait_until(lock, deadline, [&] { return all_caught_up(); });
}

std::optional<std::string> LogMirrors::complete_one() {
    const std::scoped_lock lock(signal_.mutex);
    for (const auto& mirror : mirrors_) {
        const auto& state = mirror->state();
        if (state.keeps_up && state.reached == published_.back().number) return state.place;
    }
    return std::nullopt;
}

std::vector<LogMirror::State> LogMirrors::states() {
    const std::scoped_lock lock(signal_.mutex);
    std::vector<LogMirror::State> states;
    states.reserve(mirrors_.size());
    for (const auto& mirror : mirrors_) states.push_back(mirror->state());
    return states;
}

}  // namespace asb
