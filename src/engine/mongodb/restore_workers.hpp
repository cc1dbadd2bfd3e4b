#pragma once
// Why this exists: entries come one after another from one thread, and a server takes documents
// faster from several connections; so batches are handed to threads that each have their own.

#include <condition_variable>
#include <functional>
#include <memory>
#include <optional>
#include <thread>
#include <vector>

#include "base/bounded_queue.hpp"
#include "base/byte_budget.hpp"
#include "base/thread_annotations.hpp"
#include "engine/mongodb/client.hpp"

namespace asb::mongodb {

// | call   | threads | blocks                              |
// | submit | one     | while the queue or the memory is full |
// | settle | one     | until every job given so far is done  |
// Both return the first error of any job; no job runs after one. A stop request ends the jobs that
// wait for the server. Destroying it lets the jobs that run end, and joins.
class RestoreWorkers {
  public:
    using Job = std::function<Status(MongoConnection&)>;
    // Opens `threads` connections.
    static Result<std::unique_ptr<RestoreWorkers>> start(const MongoUrl& url, unsigned threads,
                                                         const StopToken& stop);
    ~RestoreWorkers();
    RestoreWorkers(const RestoreWorkers&) = delete;
    RestoreWorkers& operator=(const RestoreWorkers&) = delete;

    // Of all jobs that are not done. Batches of inserts are 2 MiB at most; of what the oplog
    // stores, a document of 16 MiB goes alone, since libmongoc holds up to two copies of what it
    // sends.
    static constexpr std::uint64_t kBytesMax = 24 * kMiB;
    // `bytes`: what the job holds.
    Status submit(Job job, std::uint64_t bytes = 0);
    Status settle();

  private:
    struct Task {
        ByteBudget::Lease lease;
        Job job;
    };
    explicit RestoreWorkers(std::size_t depth) : budget_(kBytesMax), queue_(depth) {}
    void run(MongoConnection& connection);
    Status first_error() ASB_EXCLUDES(mutex_);
    void done(Status status) ASB_EXCLUDES(mutex_);

    ByteBudget budget_;
    BoundedQueue<Task> queue_;
    Mutex mutex_;
    std::condition_variable idle_;
    std::size_t open_jobs_ ASB_GUARDED_BY(mutex_) = 0;
    std::optional<Error> error_ ASB_GUARDED_BY(mutex_);
    std::vector<std::unique_ptr<MongoConnection>> connections_;
    std::vector<std::jthread> threads_;
};

}  // namespace asb::mongodb
