#include "codec/segment.hpp"

#include <algorithm>
#include <numeric>
#include <thread>

#include "base/bounded_queue.hpp"
#include "codec/buffer_pool.hpp"
#include "codec/first_error.hpp"
#include "io/ordered_pool.hpp"

namespace asb {

// One segment is being filled, one waits in the queue, one is digested and written: three in all.
struct SegmentSink::State {
    explicit State(ByteSink& next_sink) : next(next_sink), worker([this] { run(); }) {}
    ~State() { queue.close(); }
    State(const State&) = delete;
    State& operator=(const State&) = delete;

    ByteSink& next;
    BufferPool buffers{kSegmentBytes};
    BoundedQueue<Buffer> queue{1};
    FirstError failure;
    std::vector<Digest> digests;  // the worker's until it has ended
    std::uint64_t length = 0;
    Buffer filling;
    std::jthread worker;  // last: starts when everything else is there, is joined first

    void run();
    Status pass_on(const Buffer& segment);
    Status submit();
};

void SegmentSink::State::run() {
    while (auto segment = queue.pop()) {
        if (auto passed = pass_on(*segment); !passed.ok()) {
            failure.set(std::move(passed.error()));
            queue.close();
            return;
        }
        buffers.give(std::move(*segment));
    }
}

Status SegmentSink::State::pass_on(const Buffer& segment) {
    digests.push_back(sha256(segment.view()));
    return next.write(segment.view());
}

Status SegmentSink::State::submit() {
    if (!queue.push(std::exchange(filling, Buffer()))) return failure.check();
    return {};
}

SegmentSink::SegmentSink(ByteSink& next) : state_(std::make_unique<State>(next)) {}

SegmentSink::~SegmentSink() = default;

Status SegmentSink::write(Bytes bytes) {
    ASB_CHECK(state_->failure.check());
    state_->length += bytes.size();
    while (!bytes.empty()) {
        if (state_->filling.capacity() == 0) state_->filling = state_->buffers.take();
        bytes = bytes.subspan(state_->filling.append(bytes));
        if (state_->filling.room() == 0) ASB_CHECK(state_->submit());
    }
    return {};
}

Status SegmentSink::finish() {
    if (!state_->filling.empty()) ASB_CHECK(state_->submit());
    state_->queue.close();
    state_->worker.join();
    ASB_CHECK(state_->failure.check());
    return state_->next.finish();
}

const std::vector<Digest>& SegmentSink::digests() const {
    return state_->digests;
}

std::uint64_t SegmentSink::length() const {
    return state_->length;
}

// `next` itself keeps the workers supplied, so no thread only hands out work: one segment is lent
// to the caller, the others (as many as there are workers) are being fetched.
struct SegmentSource::State {
    State(ReadAt reader, std::uint64_t bytes, std::vector<Digest> expected,
          std::vector<std::size_t> wanted, std::size_t threads)
        : read_at(std::move(reader)),
          length(bytes),
          digests(std::move(expected)),
          numbers(std::move(wanted)),
          ahead_max(threads),
          pool(threads, threads, [this](std::size_t number) { return fetch(number); }) {}

    ReadAt read_at;
    std::uint64_t length;
    std::vector<Digest> digests;
    std::vector<std::size_t> numbers;  // of the segments to give
    std::size_t ahead_max;
    std::size_t submitted = 0;
    std::size_t taken = 0;
    BufferPool buffers{kSegmentBytes};
    Buffer lent;
    std::optional<Error> failure;
    OrderedPool<std::size_t, Result<Buffer>> pool;  // last: its workers use all of the above

    [[nodiscard]] Status check_count() const;
    Result<Buffer> fetch(std::size_t number);
    Result<Bytes> take();
};

Status SegmentSource::State::check_count() const {
    const auto expected = length / kSegmentBytes + (length % kSegmentBytes != 0 ? 1 : 0);
    if (digests.size() == expected) return {};
    return fail(Code::damaged, "a body of {} bytes has {} segments, but the index lists {}", length,
                expected, digests.size());
}

Result<Buffer> SegmentSource::State::fetch(std::size_t number) {
    const std::uint64_t offset = number * kSegmentBytes;
    Buffer segment = buffers.take();
    segment.resize(std::min<std::uint64_t>(kSegmentBytes, length - offset));
    ASB_CHECK(read_at(offset, {segment.data(), segment.size()}));
    if (!equal_in_constant_time(sha256(segment.view()), digests[number]))
        return fail(Code::damaged,
                    "segment {} of {} (bytes {}-{}) does not match its digest in the index",
                    number + 1, digests.size(), offset, offset + segment.size() - 1);
    return segment;
}

Result<Bytes> SegmentSource::State::take() {
    while (submitted < numbers.size() && submitted - taken < ahead_max)
        pool.submit(numbers[submitted++]);
    if (taken == numbers.size()) return Bytes{};
    auto segment = pool.take();
    ASB_ASSERT(segment.has_value());
    ++taken;
    ASB_TRY(lent, std::move(*segment));
    return lent.view();
}

namespace {

std::vector<std::size_t> all_numbers(std::size_t count) {
    std::vector<std::size_t> numbers(count);
    std::iota(numbers.begin(), numbers.end(), std::size_t{0});
    return numbers;
}

}  // namespace

SegmentSource::SegmentSource(ReadAt read_at, std::uint64_t length,
                             const std::vector<Digest>& digests, std::size_t threads)
    : SegmentSource(std::move(read_at), length, digests, all_numbers(digests.size()), threads) {}

SegmentSource::SegmentSource(ReadAt read_at, std::uint64_t length, std::vector<Digest> digests,
                             std::vector<std::size_t> numbers, std::size_t threads)
    : state_(std::make_unique<State>(std::move(read_at), length, std::move(digests),
                                     std::move(numbers), threads)) {
    if (auto counted = state_->check_count(); !counted.ok())
        state_->failure = std::move(counted.error());
}

SegmentSource::~SegmentSource() = default;

Result<Bytes> SegmentSource::next() {
    if (state_->failure) return *state_->failure;
    state_->buffers.give(std::exchange(state_->lent, Buffer()));
    auto bytes = state_->take();
    if (!bytes.ok()) state_->failure = bytes.error();
    return bytes;
}

}  // namespace asb
