#include "store/remote/part_sender.hpp"

#include <algorithm>

#include "store/remote/step.hpp"

namespace asb::remote {

PartSender::PartSender(std::shared_ptr<ObjectClient> client, std::string name,
                       std::unique_ptr<PartUpload> upload)
    : client_(std::move(client)), name_(std::move(name)), upload_(std::move(upload)) {}

PartSender::~PartSender() {
    end_workers();
    if (!completed_) upload_->abort();
}

Buffer PartSender::new_part(std::size_t bytes) {
    const UniqueLock lock(mutex_);
    auto spare = std::exchange(spare_, std::nullopt);
    if (!spare || spare->capacity() != bytes) return Buffer(bytes);
    spare->clear();
    return std::move(*spare);
}

Status PartSender::send(Buffer part, bool is_last) {
    const auto at_once = std::max<std::size_t>(client_->parts_at_once(), 1);
    size_ += part.size();
    {
        UniqueLock lock(mutex_);
        while (inside_ >= at_once && !error_) changed_.wait(lock.native());
        if (error_) return *error_;
        waiting_.push_back({.number = sent_++, .bytes = std::move(part), .is_last = is_last});
        ++inside_;
        changed_.notify_all();
    }
    if (workers_.size() < at_once) workers_.emplace_back([this] { run(); });
    return {};
}

Status PartSender::check() {
    const UniqueLock lock(mutex_);
    if (error_) return *error_;
    return {};
}

Status PartSender::finish() {
    {
        UniqueLock lock(mutex_);
        while (inside_ != 0) changed_.wait(lock.native());
    }
    end_workers();
    return check();
}

Status PartSender::complete() {
    ASB_CHECK(pass("store.remote.complete", "cannot publish", name_, *client_));
    ASB_CHECK(upload_->complete(sent_, size_));
    completed_ = true;
    return {};
}

void PartSender::run() {
    while (auto part = next()) {
        auto status = send_now(*part);
        done(std::move(part->bytes), std::move(status));
    }
}

std::optional<PartSender::Part> PartSender::next() {
    UniqueLock lock(mutex_);
    while (waiting_.empty() && !ending_) changed_.wait(lock.native());
    if (ending_) return std::nullopt;
    std::optional<Part> part(std::move(waiting_.front()));
    waiting_.pop_front();
    return part;
}

Status PartSender::send_now(const Part& part) {
    ASB_CHECK(pass("store.remote.part", "cannot send a part of", name_, *client_));
    return upload_->put_part(part.number, part.bytes.view(), part.is_last);
}

void PartSender::done(Buffer buffer, Status status) {
    const UniqueLock lock(mutex_);
    --inside_;
    if (!spare_) spare_ = std::move(buffer);
    if (!status.ok() && !error_) error_ = std::move(status.error());
    if (error_) {
        inside_ -= waiting_.size();
        waiting_.clear();
    }
    changed_.notify_all();
}

void PartSender::end_workers() {
    {
        const UniqueLock lock(mutex_);
        ending_ = true;
        changed_.notify_all();
    }
    workers_.clear();
}

}  // namespace asb::remote
