#pragma once
// Why this exists: compressing, decompressing, fetching and checking run on all cores, but what
// comes out must come out in the order in which it went in. One bounded class does that for all of
// them.

#include <deque>
#include <functional>
#include <future>
#include <thread>
#include <vector>

#include "base/bounded_queue.hpp"
#include "base/result.hpp"

namespace asb {

// `threads` workers apply `work` to what is submitted; `take` gives the results in order of
// submission. At most `depth_max` items are inside (submitted and not yet taken).
//
// | call    | threads                 | blocks                                          |
// | submit  | one producer            | while depth_max items are inside; false once closed |
// | take    | one consumer            | until the oldest item is done; nullopt after finish and the
// last item | | finish  | the producer            | no: says that nothing more will be submitted |
// | close   | any                     | no: drops everything; submit and take return at once |
template <typename In, typename Out>
class OrderedPool {
  public:
    OrderedPool(std::size_t threads, std::size_t depth_max, std::function<Out(In)> work)
        : work_(std::move(work)), jobs_(depth_max), order_(depth_max) {
        for (std::size_t i = 0; i < threads; ++i) workers_.emplace_back([this] { run(); });
    }
    ~OrderedPool() { close(); }
    OrderedPool(const OrderedPool&) = delete;
    OrderedPool& operator=(const OrderedPool&) = delete;

    bool submit(In item) {
        std::promise<Out> promise;
        if (!order_.push(promise.get_future())) return false;
        return jobs_.push(Job{std::move(item), std::move(promise)});
    }
    std::optional<Out> take() {
        auto future = order_.pop();
        if (!future) return std::nullopt;
        try {
            return future->get();
        } catch (const std::future_error&) {
            return std::nullopt;  // closed: the job was dropped before a worker took it
        }
    }
    void finish() {
        jobs_.close();
        order_.close();
    }
    void close() {
        finish();
        while (jobs_.pop()) {
        }
    }

  private:
    struct Job {
        In item;
        std::promise<Out> promise;
    };
    void run() {
        while (auto job = jobs_.pop()) job->promise.set_value(work_(std::move(job->item)));
    }

    std::function<Out(In)> work_;
    BoundedQueue<Job> jobs_;
    BoundedQueue<std::future<Out>> order_;
    std::vector<std::jthread> workers_;
};

}  // namespace asb
