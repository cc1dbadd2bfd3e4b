#include "store/gcs/upload.hpp"

#include <algorithm>
#include <atomic>

#include "base/fail_point.hpp"
#include "io/file.hpp"
#include "store/gcs/encoding.hpp"

namespace asb::gcs {
namespace {

constexpr int kResumeIncomplete = 308;
constexpr int kGone = 410;
constexpr int kPreconditionFailed = 412;
constexpr std::size_t kUploadReplyBytesMax = kMiB;

bool is_session_lost(int status) {
    return status == kNotFound || status == kGone;
}

Status fail_at(const char* point, const std::string& place) {
    if (const int error = fail_point(point))
        return errno_error(error, "cannot write", place, Code::store);
    return {};
}

class ResumableUpload final : public remote::PartUpload {
  public:
    // `session` is the URL; who knows it may write the object: it never stands in an error.
    ResumableUpload(std::shared_ptr<Bucket> bucket, std::string session, Written written)
        : bucket_(std::move(bucket)), session_(std::move(session)), written_(std::move(written)) {
        tail_.reserve(kChunkUnit);
    }
    ~ResumableUpload() override { abort(); }
    ResumableUpload(const ResumableUpload&) = delete;
    ResumableUpload& operator=(const ResumableUpload&) = delete;

    Status put_part(std::size_t number, Bytes bytes, bool is_last) override;
    Status complete(std::size_t parts, std::uint64_t size) override;
    void abort() override;

  private:
    // What a chunk is sent with; `total` is known in the end only.
    struct Chunk {
        Bytes bytes;
        std::optional<std::uint64_t> total;
    };
    // The last reply that is not 308, or the 308 that says that the store has the whole chunk.
    Result<HttpReply> send(Chunk chunk);
    Result<HttpReply> exchange(const Chunk& chunk);
    Result<HttpReply> ask_how_far(const Chunk& chunk);
    // Takes off what the store has, as its 308 says.
    Status advance(const HttpReply& reply, Chunk& chunk);
    [[nodiscard]] std::string content_range(const Chunk& chunk) const;
    [[nodiscard]] Error lost() const;
    Error ended_early(const HttpReply& reply);

    const std::shared_ptr<Bucket> bucket_;
    const std::string session_;
    Written written_;  // its size and crc32c: of all parts so far
    std::size_t parts_ = 0;
    std::uint64_t sent_ = 0;       // the store has these
    std::vector<std::byte> tail_;  // of the last part: what `complete` makes the object with
    bool is_last_put_ = false;
    bool is_over_ = false;
};

std::string ResumableUpload::content_range(const Chunk& chunk) const {
    const auto total = chunk.total ? std::to_string(*chunk.total) : "*";
    if (chunk.bytes.empty()) return fmt::format("bytes */{}", total);
    return fmt::format("bytes {}-{}/{}", sent_, sent_ + chunk.bytes.size() - 1, total);
}

Error ResumableUpload::lost() const {
    return with_hint(fail(Code::store, "cannot write {}: the store has forgotten the upload",
                          bucket_->place(written_.name)),
                     "try again: a new upload begins from the start");
}

Result<HttpReply> ResumableUpload::exchange(const Chunk& chunk) {
    auto request = make_request("PUT", session_);
    request.headers.set("Content-Range", content_range(chunk));
    if (chunk.total) request.headers.set("X-Goog-Hash", "crc32c=" + crc_to_base64(written_.crc32c));
    request.body = chunk.bytes;
    request.reply_bytes_max = kUploadReplyBytesMax;
    return bucket_->service().send_once(std::move(request));
}

Result<HttpReply> ResumableUpload::ask_how_far(const Chunk& chunk) {
    auto request = make_request("PUT", session_);
    request.headers.set("Content-Range",
                        chunk.total ? fmt::format("bytes */{}", *chunk.total) : "bytes */*");
    request.reply_bytes_max = kUploadReplyBytesMax;
    return bucket_->service().send_once(std::move(request));
}

Status ResumableUpload::advance(const HttpReply& reply, Chunk& chunk) {
    const auto has = parse_persisted(reply.headers.get("Range"));
    if (!has || *has < sent_ || *has - sent_ > chunk.bytes.size())
        return with_hint(fail(Code::store,
                              "cannot write {}: the store has another part of it than "
                              "was sent",
                              bucket_->place(written_.name)),
                         "try again: a new upload begins from the start");
    chunk.bytes = chunk.bytes.subspan(*has - sent_);
    sent_ = *has;
    return {};
}

bool is_final(const Result<HttpReply>& reply) {
    return reply.ok() ? !is_passing(*reply) : !reply.error().retryable;
}

// Bytes that the store has already are passed over by it ("Resumable uploads"), so a chunk may be
// sent again whatever became of it.
Result<HttpReply> ResumableUpload::send(Chunk chunk) {
    auto tries = bucket_->service().tries();
    bool asks = false;
    while (true) {
        auto reply = asks ? ask_how_far(chunk) : exchange(chunk);
        if (reply.ok() && reply->status == kResumeIncomplete) {
            const auto before = sent_;
            ASB_CHECK(advance(*reply, chunk));
            if (chunk.bytes.empty() && !chunk.total) return reply;
            if (sent_ > before || asks) {
                asks = false;
                continue;
            }
        } else if (is_final(reply)) {
            return reply;
        }
        const auto error = reply.ok()
                               ? error_of(*reply, bucket_->step("cannot write", written_.name,
                                                                "storage.objects.create"))
                               : reply.error();
        ASB_CHECK(tries.wait(error, reply.ok() ? retry_after(*reply, now()) : std::nullopt));
        asks = bucket_->options().asks_how_far;
    }
}

Status ResumableUpload::put_part(std::size_t number, Bytes bytes, bool is_last) {
    ASB_ASSERT(number == parts_ && !is_last_put_ && !is_over_);
    ASB_ASSERT(is_last ? bytes.size() <= kPartBytes : bytes.size() == kPartBytes);
    ASB_CHECK(fail_at("store.gcs.part", bucket_->place(written_.name)));
    ++parts_;
    written_.size += bytes.size();
    written_.crc32c = crc32c(written_.crc32c, bytes);
    if (is_last) {
        // Kept back, so that nothing is visible before `complete`: what is no multiple of the unit,
        // or one unit.
        is_last_put_ = true;
        auto kept = bytes.size() % kChunkUnit;
        if (kept == 0) kept = std::min(bytes.size(), kChunkUnit);
        const auto tail = bytes.last(kept);
        tail_.assign(tail.begin(), tail.end());
        bytes = bytes.first(bytes.size() - kept);
    }
    if (bytes.empty()) return {};
    ASB_TRY(const auto reply, send({bytes, std::nullopt}));
    if (reply.status == kResumeIncomplete) return {};
    if (is_session_lost(reply.status)) return lost();
    if (reply.status == 200 || reply.status == 201) return ended_early(reply);
    return bucket_->conclude(reply, written_);
}

// A server that takes a part for the end has made an object that nobody wants.
Error ResumableUpload::ended_early(const HttpReply& reply) {
    is_over_ = true;
    const auto object = parse_object(reply.body);
    if (!object.ok()) return object.error().within("cannot write " + bucket_->place(written_.name));
    bucket_->remove_generation(written_.name, object->generation);
    return with_hint(
        fail(Code::store, "cannot write {}: the store ended the upload too early",
             bucket_->place(written_.name)),
        "the server is none that knows resumable uploads as Google Cloud Storage does");
}

Status ResumableUpload::complete(std::size_t parts, std::uint64_t size) {
    ASB_ASSERT(parts == parts_ && size == written_.size && !is_over_);
    ASB_CHECK(fail_at("store.gcs.complete", bucket_->place(written_.name)));
    ASB_TRY(const auto reply, send({tail_, written_.size}));
    // Where an earlier try made the object and its reply was lost, the session is gone.
    if (is_session_lost(reply.status)) {
        is_over_ = true;
        return bucket_->look_for(written_, lost());
    }
    auto status = bucket_->conclude(reply, written_);
    is_over_ = status.ok() || reply.status == 200 || reply.status == 201;
    return status;
}

// 499 is what success is called here ("Cancel an upload"); a session that stays is forgotten by the
// store after a week.
void ResumableUpload::abort() {
    if (std::exchange(is_over_, true)) return;
    static_cast<void>(bucket_->service().send_despite_stop(make_request("DELETE", session_)));
}

// The session is named by a URL of the server's. Its path and query are used at the endpoint that
// the operator chose, so that no reply can make a token go anywhere else.
Result<std::string> session_url(const HttpReply& reply, Bucket& bucket, const std::string& name) {
    const auto url = parse_http_url(reply.headers.get("Location"));
    if (!url.ok() || url->path.empty())
        return fail(Code::store, "cannot write {}: the store began an upload but did not say where",
                    bucket.place(name));
    return fmt::format("{}{}?{}", bucket.service().endpoint(), url->path, url->query);
}

}  // namespace

Result<std::unique_ptr<remote::PartUpload>> begin_upload(std::shared_ptr<Bucket> bucket,
                                                         const std::string& name,
                                                         const remote::WriteOptions& options) {
    ASB_CHECK(fail_at("store.gcs.session", bucket->place(name)));
    const auto metadata = bucket->metadata(options, std::nullopt);
    auto request = make_request("POST", bucket->upload_url("resumable", name, options));
    request.headers.set("Content-Type", "application/json");
    request.headers.set("X-Upload-Content-Type", "application/octet-stream");
    request.body = as_bytes(metadata);
    ASB_TRY(const auto reply, bucket->service().send(request));
    if (reply.status == kPreconditionFailed) return bucket->taken(name);
    if (reply.status != 200 && reply.status != 201)
        return error_of(reply, bucket->step("cannot write", name, "storage.objects.create"));
    ASB_TRY(auto session, session_url(reply, *bucket, name));
    return std::unique_ptr<remote::PartUpload>(std::make_unique<ResumableUpload>(
        std::move(bucket), std::move(session), Written{.name = name, .options = options}));
}

}  // namespace asb::gcs
