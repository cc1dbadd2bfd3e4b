#pragma once
// Why this exists: an object is written piece by piece and appears in one act: in one request when
// it fits into one part, else in parts.

#include <memory>
#include <optional>

#include "store/remote/lease.hpp"
#include "store/remote/part_sender.hpp"

namespace asb::remote {

// Random, for WriteOptions::mark.
std::string new_mark();

// Any failure is final: later calls fail too, and destruction leaves nothing behind. One thread at
// a time. Memory: the part being filled, and those of PartSender.
class RemoteWriter : public ObjectWriter {
  public:
    RemoteWriter(std::shared_ptr<ObjectClient> client, ObjectKey key, std::unique_ptr<Lease> lease);
    ~RemoteWriter() override;
    RemoteWriter(const RemoteWriter&) = delete;
    RemoteWriter& operator=(const RemoteWriter&) = delete;

    Status append(Bytes bytes) override;
    Status commit() override;

  private:
    Status begin_step();
    Status append_all(Bytes bytes);
    Status send_full_part();
    Status begin_next_part();
    Status publish_at_once();
    Status publish_parts();
    Status fail_for_good(Status status);

    const std::shared_ptr<ObjectClient> client_;
    const ObjectKey key_;
    std::unique_ptr<Lease> lease_;      // until the end, whichever that is
    Buffer part_;                       // of no capacity before the first byte
    std::size_t number_ = 0;            // of part_
    std::optional<PartSender> sender_;  // from the first full part on
    std::optional<Error> error_;        // the first one
    bool committed_ = false;
};

}  // namespace asb::remote
