#include "engine/mongodb/restore_workers.hpp"

namespace asb::mongodb {

Result<std::unique_ptr<RestoreWorkers>> RestoreWorkers::start(const MongoUrl& url, unsigned threads,
                                                              const StopToken& stop) {
    // One batch waits for each thread: enough to keep it busy, and what bounds the memory.
    std::unique_ptr<RestoreWorkers> workers(new RestoreWorkers(threads));
    for (unsigned i = 0; i < threads; ++i) {
        ASB_TRY(auto connection, MongoConnection::open(url, stop));
        workers->connections_.push_back(std::make_unique<MongoConnection>(std::move(connection)));
    }
    for (const auto& connection : workers->connections_)
        workers->threads_.emplace_back(
            [pool = workers.get(), own = connection.get()] { pool->run(*own); });
    return workers;
}

RestoreWorkers::~RestoreWorkers() {
    queue_.close();
}

void RestoreWorkers::run(MongoConnection& connection) {
    while (auto task = queue_.pop()) {
        auto status = first_error().ok() ? task->job(connection) : Status();
        task.reset();
        done(std::move(status));
    }
}

Status RestoreWorkers::first_error() {
    const UniqueLock lock(mutex_);
    return error_ ? Status(*error_) : Status();
}

void RestoreWorkers::done(Status status) {
    const UniqueLock lock(mutex_);
    if (!status.ok() && !error_) error_ = std::move(status.error());
    if (--open_jobs_ == 0) idle_.notify_all();
}

Status RestoreWorkers::submit(Job job, std::uint64_t bytes) {
    ASB_CHECK(first_error());
    auto lease = budget_.take(bytes);
    ASB_ASSERT(lease.has_value());
    {
        const UniqueLock lock(mutex_);
        ++open_jobs_;
    }
    queue_.push({std::move(*lease), std::move(job)});
    return {};
}

Status RestoreWorkers::settle() {
    UniqueLock lock(mutex_);
    while (open_jobs_ != 0) idle_.wait(lock.native());
    return error_ ? Status(*error_) : Status();
}

}  // namespace asb::mongodb
