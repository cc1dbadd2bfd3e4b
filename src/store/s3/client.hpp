#pragma once
// Why this exists: the requests that a repository needs of S3, over one Channel; the rest of the
// driver (parts, versions, removal) is built on it.

#include <memory>
#include <string>

#include "store/remote/object_client.hpp"
#include "store/s3/channel.hpp"
#include "store/s3/removal.hpp"
#include "store/s3/s3_options.hpp"
#include "store/s3/versions.hpp"

namespace asb::s3 {

// Thread-safe.
class S3Client : public remote::ObjectClient {
  public:
    S3Client(std::shared_ptr<Channel> channel, WritePolicy policy);

    Result<remote::Page> list(std::string_view prefix, const std::string& next) override;
    Result<std::optional<remote::Found>> look(const std::string& name) override;
    Status read(const std::string& name, const std::string& version, std::uint64_t offset,
                MutableBytes out) override;
    Result<std::string> get(const std::string& name, std::size_t bytes_max) override;
    Status put(const std::string& name, Bytes bytes, const remote::WriteOptions& options) override;
    Result<std::unique_ptr<remote::PartUpload>> begin_upload(
        const std::string& name, const remote::WriteOptions& options) override;
    [[nodiscard]] std::size_t part_bytes(std::size_t number) const override;
    [[nodiscard]] std::size_t parts_at_once() const override;
    Result<std::vector<std::string>> remove(const std::vector<std::string>& names,
                                            bool despite_stop) override;
    Result<std::size_t> abort_uploads(Instant before) override;
    [[nodiscard]] Instant store_time() const override { return channel_->store_time(); }
    [[nodiscard]] std::string place() const override { return channel_->location().place(); }

  private:
    [[nodiscard]] std::string key_of(std::string_view name) const;
    // The version that stood at the location's time; empty when it names none. `not_found` when
    // there was none.
    Result<std::string> version_at(const std::string& name);
    Result<Answer> fetch(const std::string& name, const std::string& version, const Call& call);

    const std::shared_ptr<Channel> channel_;
    const WritePolicy policy_;
    Versions versions_;
    Removal removal_;
};

// Shared by small writes and by those in parts.

// The mark of an object, in its metadata.
inline constexpr std::string_view kMarkHeader = "x-amz-meta-asb-mark";
// What a write of this kind says of storage class, encryption, lock and mark.
HttpHeaders write_headers(const WritePolicy& policy, const remote::WriteOptions& options,
                          Instant store_time);
// What HEAD says of `key`, as that of `version` unless it is empty; nullopt: there is none.
Result<std::optional<remote::Found>> look_at(Channel& channel, const std::string& key,
                                             const std::string& version);
// Whether `key` was written with this very mark. `busy` when something else has that name.
Result<bool> is_ours(Channel& channel, const std::string& key, const std::string& mark);
Error taken(const Channel& channel, const std::string& key);

}  // namespace asb::s3
