#include "store/s3/upload.hpp"

#include <fmt/format.h>

#include <map>

#include "base/log.hpp"
#include "base/text.hpp"
#include "base/thread_annotations.hpp"
#include "store/remote/base64.hpp"
#include "store/s3/client.hpp"
#include "store/s3/faults.hpp"

namespace asb::s3 {
namespace {

Call abort_call(const std::string& key, const std::string& upload_id, bool despite_stop) {
    return {.action = "abort the upload of",
            .permission = "s3:AbortMultipartUpload",
            .method = "DELETE",
            .key = key,
            .query = {{"uploadId", upload_id}},
            .despite_stop = despite_stop};
}

struct Part {
    std::string etag;
    Digest digest{};
};

class S3Upload : public remote::PartUpload {
  public:
    S3Upload(std::shared_ptr<Channel> channel, std::string key, std::string upload_id,
             const remote::WriteOptions& options)
        : channel_(std::move(channel)),
          key_(std::move(key)),
          upload_id_(std::move(upload_id)),
          mark_(options.mark),
          once_(options.once) {}
    ~S3Upload() override { forget(); }
    S3Upload(const S3Upload&) = delete;
    S3Upload& operator=(const S3Upload&) = delete;

    Status put_part(std::size_t number, Bytes bytes, bool is_last) override;
    Status complete(std::size_t parts, std::uint64_t size) override;
    void abort() override { forget(); }

  private:
    void forget();
    [[nodiscard]] std::string document(std::size_t parts) const;
    [[nodiscard]] std::string expected_checksum(std::size_t parts) const;
    Status check_result(std::size_t parts, std::uint64_t size);

    const std::shared_ptr<Channel> channel_;
    const std::string key_;
    const std::string upload_id_;
    const std::string mark_;
    const bool once_;
    mutable Mutex mutex_;
    std::map<std::size_t, Part> parts_ ASB_GUARDED_BY(mutex_);
    bool is_over_ = false;  // completed or aborted
};

Status S3Upload::put_part(std::size_t number, Bytes bytes, bool /*is_last*/) {
    Part part{.etag = {}, .digest = sha256(bytes)};
    Call call{.action = "write a part of",
              .permission = "s3:PutObject",
              .method = "PUT",
              .key = key_,
              .query = {{"partNumber", std::to_string(number + 1)}, {"uploadId", upload_id_}},
              .body = bytes,
              .body_digest = part.digest};
    call.headers.add("x-amz-checksum-sha256", remote::base64(part.digest));
    ASB_TRY(const auto answer, channel_->send(call));
    if (!answer.ok()) return channel_->error(call, answer);
    part.etag = answer.reply.headers.get("etag");
    if (part.etag.empty())
        return with_hint(
            fail(Code::store, "cannot write a part of s3://{}/{}: the answer has no ETag",
                 channel_->location().bucket, key_),
            "that is not S3's answer: look at S3_ENDPOINT_URL, and at proxies between here and "
            "there");
    const UniqueLock lock(mutex_);
    parts_[number] = std::move(part);
    return {};
}

std::string S3Upload::document(std::size_t parts) const {
    const UniqueLock lock(mutex_);
    std::string text =
        "<CompleteMultipartUpload xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">";
    for (std::size_t number = 0; number < parts; ++number) {
        const auto part = parts_.find(number);
        ASB_ASSERT(part != parts_.end());
        text += fmt::format(
            "<Part><PartNumber>{}</PartNumber><ETag>{}</ETag>"
            "<ChecksumSHA256>{}</ChecksumSHA256></Part>",
            number + 1, part->second.etag, remote::base64(part->second.digest));
    }
    text += "</CompleteMultipartUpload>";
    return text;
}

// The digest of the parts' digests ("Checking object integrity": composite checksums).
std::string S3Upload::expected_checksum(std::size_t parts) const {
    const UniqueLock lock(mutex_);
    Sha256 digest;
    for (const auto& [number, part] : parts_) digest.update(part.digest);
    return fmt::format("sha256-parts:{}-{}", to_hex(digest.finish()), parts);
}

Status S3Upload::check_result(std::size_t parts, std::uint64_t size) {
    ASB_TRY(const auto found, look_at(*channel_, key_, {}));
    const auto where = fmt::format("s3://{}/{}", channel_->location().bucket, key_);
    if (!found)
        return fail(Code::store, "{} is not there, although the store completed its upload", where);
    if (found->size != size)
        return fail(Code::damaged, "{} has {} bytes in the store, but {} were sent", where,
                    found->size, size);
    const bool is_comparable = found->checksum.substr(0, 13) == "sha256-parts:";
    if (is_comparable && found->checksum != expected_checksum(parts))
        return fail(Code::damaged, "{} has another checksum in the store than what was sent",
                    where);
    return {};
}

Status S3Upload::complete(std::size_t parts, std::uint64_t size) {
    const std::string text = document(parts);
    Call call{.action = "complete the upload of",
              .permission = "s3:PutObject",
              .method = "POST",
              .key = key_,
              .query = {{"uploadId", upload_id_}},
              .body = as_bytes(text)};
    call.headers.add("content-type", "application/xml");
    if (once_) call.headers.add("if-none-match", "*");
    call.is_done = [&] { return is_ours(*channel_, key_, mark_); };
    ASB_TRY(const auto answer, channel_->send(call));
    if (!answer.ok()) {
        const bool is_taken = answer.reply.status == 412;
        // Completed by a try whose answer was lost; libcurl may have sent it twice by itself.
        const bool is_gone = answer.error.code == "NoSuchUpload";
        if (!is_taken && !is_gone) return channel_->error(call, answer);
        ASB_TRY(const bool ours, is_ours(*channel_, key_, mark_));
        if (!ours && is_taken) return taken(*channel_, key_);
        if (!ours) return channel_->error(call, answer);
    } else if (!answer.reply.body.empty()) {
        ASB_CHECK(channel_->read(call, parse_completed(answer.reply.body)));
    }
    is_over_ = true;
    return check_result(parts, size);
}

void S3Upload::forget() {
    if (is_over_) return;
    is_over_ = true;
    // What is left here is left to abort_uploads.
    static_cast<void>(channel_->send(abort_call(key_, upload_id_, true)));
}

}  // namespace

Result<std::unique_ptr<remote::PartUpload>> begin_upload(std::shared_ptr<Channel> channel,
                                                         std::string key,
                                                         const remote::WriteOptions& options,
                                                         HttpHeaders headers) {
    Call call{.action = "begin the upload of",
              .permission = "s3:PutObject",
              .method = "POST",
              .key = key,
              .query = {{"uploads", ""}},
              .headers = std::move(headers)};
    call.headers.add("x-amz-checksum-algorithm", "SHA256");
    ASB_TRY(const auto answer, channel->send(call));
    if (!answer.ok()) return channel->error(call, answer);
    ASB_TRY(auto upload_id, channel->read(call, parse_upload_id(answer.reply.body)));
    return std::unique_ptr<remote::PartUpload>(std::make_unique<S3Upload>(
        std::move(channel), std::move(key), std::move(upload_id), options));
}

Result<std::size_t> abort_uploads(Channel& channel, Instant before) {
    std::size_t count = 0;
    std::string next_key;
    std::string next_upload;
    do {
        Call call{
            .action = "list the unfinished uploads below",
            .permission = "s3:ListBucketMultipartUploads",
            .query = {
                {"uploads", ""}, {"encoding-type", "url"}, {"prefix", channel.location().prefix}}};
        if (!next_key.empty())
            call.query.insert(call.query.end(),
                              {{"key-marker", next_key}, {"upload-id-marker", next_upload}});
        ASB_TRY(const auto answer, channel.send(call));
        if (is_unsupported(answer)) return count;
        if (!answer.ok()) return channel.error(call, answer);
        ASB_TRY(auto page, channel.read(call, parse_uploads(answer.reply.body)));
        for (const auto& upload : page.uploads) {
            if (upload.initiated >= before) continue;
            const auto abort = abort_call(upload.key, upload.upload_id, false);
            ASB_TRY(const auto aborted, channel.send(abort));
            if (!aborted.ok() && aborted.reply.status != 404) return channel.error(abort, aborted);
            ++count;
        }
        next_key = std::move(page.next_key);
        next_upload = std::move(page.next_upload);
    } while (!next_key.empty());
    return count;
}

}  // namespace asb::s3
