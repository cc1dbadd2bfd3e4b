#include "store/remote/writer.hpp"

#include <array>

#include "base/text.hpp"
#include "store/remote/step.hpp"

namespace asb::remote {

std::string new_mark() {
    std::array<std::byte, 16> bytes{};
    random_bytes(bytes);
    return to_hex(Bytes(bytes));
}

RemoteWriter::RemoteWriter(std::shared_ptr<ObjectClient> client, ObjectKey key,
                           std::unique_ptr<Lease> lease)
    : client_(std::move(client)), key_(std::move(key)), lease_(std::move(lease)) {}

// The parts first: the name is free for others only once nothing of ours can appear there.
RemoteWriter::~RemoteWriter() {
    sender_.reset();
    lease_.reset();
}

Status RemoteWriter::append(Bytes bytes) {
    ASB_CHECK(begin_step());
    return fail_for_good(append_all(bytes));
}

Status RemoteWriter::commit() {
    ASB_CHECK(begin_step());
    ASB_CHECK(fail_for_good(sender_ ? publish_parts() : publish_at_once()));
    committed_ = true;
    lease_.reset();
    return {};
}

Status RemoteWriter::begin_step() {
    if (error_) return *error_;
    if (committed_)
        return fail(Code::failed, "{} in {} can no longer be written", key_.text(),
                    client_->place());
    ASB_CHECK(fail_for_good(lease_->check_known()));
    return sender_ ? fail_for_good(sender_->check()) : Status();
}

Status RemoteWriter::append_all(Bytes bytes) {
    while (!bytes.empty()) {
        if (part_.room() == 0) ASB_CHECK(begin_next_part());
        bytes = bytes.subspan(part_.append(bytes));
    }
    return {};
}

// A full part goes when more comes: only then it is known not to be the last.
Status RemoteWriter::begin_next_part() {
    const bool is_first = part_.capacity() == 0;
    if (!is_first) ASB_CHECK(send_full_part());
    const auto bytes = client_->part_bytes(number_);
    part_ = sender_ ? sender_->new_part(bytes) : Buffer(bytes);
    return {};
}

Status RemoteWriter::send_full_part() {
    if (!sender_) {
        ASB_TRY(auto upload,
                client_->begin_upload(key_.text(), {.once = true, .mark = new_mark()}));
        sender_.emplace(client_, key_.text(), std::move(upload));
    }
    ++number_;
    return sender_->send(std::move(part_), false);
}

Status RemoteWriter::publish_at_once() {
    ASB_CHECK(pass("store.remote.put", "cannot publish", key_.text(), *client_));
    ASB_CHECK(lease_->check_held());
    return or_taken(client_->put(key_.text(), part_.view(), {.once = true, .mark = new_mark()}),
                    key_.text(), *client_);
}

// The lease is looked at when all parts are there, which may have taken long.
Status RemoteWriter::publish_parts() {
    ASB_CHECK(sender_->send(std::move(part_), true));
    ASB_CHECK(sender_->finish());
    ASB_CHECK(lease_->check_held());
    return or_taken(sender_->complete(), key_.text(), *client_);
}

Status RemoteWriter::fail_for_good(Status status) {
    if (!status.ok()) error_ = status.error();
    return status;
}

}  // namespace asb::remote
