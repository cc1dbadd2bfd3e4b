#pragma once
// Why this exists: a large object goes up in parts, several at once, so that neither the network's
// delay nor one slow request holds up the backup; and what is in memory meanwhile is bounded.

#include <condition_variable>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "base/bytes.hpp"
#include "base/thread_annotations.hpp"
#include "store/remote/object_client.hpp"

namespace asb::remote {

// Of one upload. At most ObjectClient::parts_at_once parts are inside; with the one that the caller
// fills, that is all there is in memory.
//
// | call     | threads  | blocks                                                        |
// | new_part | one      | no                                                            |
// | send     | that one | while as many parts as may be are under way                   |
// | check    | that one | no                                                            |
// | finish   | that one | until all parts are there                                     |
// | complete | that one | until the object is                                           |
// | ~        | that one | until the parts under way have ended; those waiting are dropped |
class PartSender {
  public:
    PartSender(std::shared_ptr<ObjectClient> client, std::string name,
               std::unique_ptr<PartUpload> upload);
    // Forgets the upload unless it was completed.
    ~PartSender();
    PartSender(const PartSender&) = delete;
    PartSender& operator=(const PartSender&) = delete;

    // An empty buffer, one that was sent if there is one of that size.
    Buffer new_part(std::size_t bytes) ASB_EXCLUDES(mutex_);
    // The next part. The first error of any part, here or later.
    Status send(Buffer part, bool is_last) ASB_EXCLUDES(mutex_);
    // The first error of the parts that have ended so far.
    Status check() ASB_EXCLUDES(mutex_);
    Status finish() ASB_EXCLUDES(mutex_);
    // After finish, once.
    Status complete();

  private:
    struct Part {
        std::size_t number = 0;
        Buffer bytes;
        bool is_last = false;
    };
    void run() ASB_EXCLUDES(mutex_);
    std::optional<Part> next() ASB_EXCLUDES(mutex_);
    void done(Buffer buffer, Status status) ASB_EXCLUDES(mutex_);
    Status send_now(const Part& part);
    void end_workers() ASB_EXCLUDES(mutex_);

    const std::shared_ptr<ObjectClient> client_;
    const std::string name_;
    const std::unique_ptr<PartUpload> upload_;
    std::size_t sent_ = 0;    // parts; the caller's thread only
    std::uint64_t size_ = 0;  // bytes; the caller's thread only
    bool completed_ = false;  // the caller's thread only

    Mutex mutex_;
    std::condition_variable changed_;
    std::deque<Part> waiting_ ASB_GUARDED_BY(mutex_);
    std::size_t inside_ ASB_GUARDED_BY(mutex_) = 0;  // waiting or under way
    std::optional<Buffer> spare_ ASB_GUARDED_BY(mutex_);
    std::optional<Error> error_ ASB_GUARDED_BY(mutex_);
    bool ending_ ASB_GUARDED_BY(mutex_) = false;
    std::vector<std::jthread> workers_;  // the caller's thread only
};

}  // namespace asb::remote
