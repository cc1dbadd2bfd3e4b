#include "ops/fan_out.hpp"

#include <algorithm>
#include <condition_variable>
#include <mutex>
#include <thread>

#include "base/text.hpp"

namespace asb {
namespace {

using Clock = std::chrono::steady_clock;
using Destinations = std::vector<FanOut::Destination>;

std::vector<std::size_t> live(const Destinations& destinations) {
    std::vector<std::size_t> numbers;
    for (std::size_t i = 0; i < destinations.size(); ++i)
        if (!destinations[i].failed) numbers.push_back(i);
    return numbers;
}

// Marks those that answered with an error; an error when none is left.
Status settle(Destinations& destinations, std::vector<Status> answers) {
    for (std::size_t i = 0; i < destinations.size(); ++i)
        if (!answers[i].ok()) destinations[i].failed = std::move(answers[i].error());
    if (!live(destinations).empty()) return {};
    return *destinations.front().failed;
}

const Error* first_of(const std::vector<Status>& answers, Code code) {
    const auto found = std::ranges::find_if(
        answers, [&](const Status& answer) { return !answer.ok() && answer.error().code == code; });
    return found == answers.end() ? nullptr : &found->error();
}

// A stop ends the run and is no destination's fault; a name that is taken is nobody's.
const Error* no_fault(const std::vector<Status>& answers) {
    if (const auto* error = first_of(answers, Code::interrupted)) return error;
    return first_of(answers, Code::busy);
}

}  // namespace

// One call at every live destination, from its beginning to the last answer.
class FanOut::Race {
  public:
    Race(Destinations& destinations, Bounds bounds, const Work& work)
        : destinations_(destinations),
          bounds_(bounds),
          pending_(live(destinations)),
          answers_(destinations.size()),
          given_up_(destinations.size()) {
        threads_.reserve(pending_.size());
        for (const auto i : std::vector(pending_))
            threads_.emplace_back([this, i, &work] { take(i, work(i)); });
    }

    std::vector<Status> finish() {
        std::unique_lock lock(mutex_);
        while (!pending_.empty()) {
            const auto next = next_to_give_up();
            if (!next)
                answered_.wait(lock);
            else if (answered_.wait_until(lock, give_up_at(*next)) == std::cv_status::timeout)
                give_up(*next);
        }
        return std::move(answers_);
    }

  private:
    [[nodiscard]] bool others_wait() const { return good_ >= bounds_.required; }

    void take(std::size_t number, Status answer) {
        const std::scoped_lock lock(mutex_);
        if (others_wait())
            destinations_[number].waited +=
                std::chrono::duration_cast<std::chrono::milliseconds>(Clock::now() - ahead_since_);
        if (answer.ok() && ++good_ == bounds_.required) ahead_since_ = Clock::now();
        answers_[number] = given_up_[number] ? too_slow() : std::move(answer);
        std::erase(pending_, number);
        answered_.notify_one();
    }

    [[nodiscard]] Clock::time_point give_up_at(std::size_t number) const {
        return ahead_since_ + bounds_.patience - destinations_[number].waited;
    }

    // Absent while nobody waits, and when all that are late were given up.
    [[nodiscard]] std::optional<std::size_t> next_to_give_up() const {
        std::optional<std::size_t> next;
        if (!others_wait()) return next;
        for (const auto i : pending_)
            if (!given_up_[i] && (!next || give_up_at(i) < give_up_at(*next))) next = i;
        return next;
    }

    void give_up(std::size_t number) {
        given_up_[number] = true;
        destinations_[number].stop.request();
    }

    [[nodiscard]] Status too_slow() const {
        return with_hint(
            fail(Code::store, "it has held up the other destinations for {}",
                 human_duration(bounds_.patience)),
            "SLOW_DESTINATION_SECONDS says how long it may; sync brings there what is missing");
    }

    Destinations& destinations_;
    const Bounds bounds_;
    std::mutex mutex_;  // of everything below, and of Destination::waited
    std::condition_variable answered_;
    std::vector<std::size_t> pending_;
    std::size_t good_ = 0;
    Clock::time_point ahead_since_{};  // when the last required one had answered
    std::vector<Status> answers_;
    std::vector<bool> given_up_;
    std::vector<std::jthread> threads_;  // ended before the rest goes
};

class FanOut::Writer final : public ObjectWriter {
  public:
    Writer(FanOut& fan, std::vector<std::unique_ptr<ObjectWriter>> writers)
        : fan_(fan), writers_(std::move(writers)) {}

    Status append(Bytes bytes) override {
        return each([&](ObjectWriter& writer) { return writer.append(bytes); });
    }
    Status commit() override {
        return each([](ObjectWriter& writer) { return writer.commit(); });
    }

  private:
    template <typename Work>
    Status each(const Work& work) {
        auto& destinations = fan_.destinations_;
        auto answers = fan_.at_once([&](std::size_t i) { return work(*writers_[i]); });
        if (const auto* stopped = first_of(answers, Code::interrupted)) return *stopped;
        auto settled = settle(destinations, std::move(answers));
        for (std::size_t i = 0; i < writers_.size(); ++i)
            if (destinations[i].failed) writers_[i].reset();
        return settled;
    }

    FanOut& fan_;
    std::vector<std::unique_ptr<ObjectWriter>> writers_;  // null where the destination has failed
};

FanOut::FanOut(std::vector<Destination> destinations, Bounds bounds)
    : destinations_(std::move(destinations)), bounds_(bounds) {
    ASB_ASSERT(!destinations_.empty());
}

std::vector<Status> FanOut::at_once(const Work& work) {
    const auto numbers = live(destinations_);
    if (numbers.size() != 1) return Race(destinations_, bounds_, work).finish();
    std::vector<Status> answers(destinations_.size());
    answers[numbers.front()] = work(numbers.front());
    return answers;
}

Status FanOut::leave_out(std::size_t number, Error why) {
    std::vector<Status> answers(destinations_.size());
    answers[number] = std::move(why);
    return settle(destinations_, std::move(answers));
}

Result<std::unique_ptr<ObjectWriter>> FanOut::create(const ObjectKey& key) {
    std::vector<std::unique_ptr<ObjectWriter>> writers(destinations_.size());
    auto answers = at_once([&](std::size_t i) -> Status {
        ASB_TRY(writers[i], destinations_[i].appender->create(key));
        return {};
    });
    if (const auto* error = no_fault(answers)) return *error;
    ASB_CHECK(settle(destinations_, std::move(answers)));
    return std::unique_ptr<ObjectWriter>(std::make_unique<Writer>(*this, std::move(writers)));
}

Result<std::optional<std::uint64_t>> FanOut::free_space() {
    std::optional<std::uint64_t> least;
    std::vector<Status> answers(destinations_.size());
    for (const auto i : live(destinations_)) {
        auto free = destinations_[i].appender->free_space();
        if (!free)
            answers[i] = free.error();
        else if (*free)
            least = std::min(least.value_or(**free), **free);
    }
    ASB_CHECK(settle(destinations_, std::move(answers)));
    return least;
}

Status FanOut::put(const ObjectKey& key, Bytes bytes) {
    auto answers =
        at_once([&](std::size_t i) { return destinations_[i].appender->put(key, bytes); });
    if (const auto* error = no_fault(answers)) return *error;
    return settle(destinations_, std::move(answers));
}

}  // namespace asb
