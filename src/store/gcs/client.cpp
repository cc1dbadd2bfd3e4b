#include "store/gcs/client.hpp"

#include <algorithm>
#include <array>
#include <atomic>
#include <thread>

#include "base/fail_point.hpp"
#include "base/json.hpp"
#include "base/text.hpp"
#include "base/thread_annotations.hpp"
#include "io/file.hpp"
#include "store/gcs/bucket.hpp"
#include "store/gcs/encoding.hpp"
#include "store/gcs/upload.hpp"

namespace asb::gcs {
namespace {

constexpr int kPartial = 206;
constexpr int kRangeNotSatisfiable = 416;
// Of a reply whose body is an error's, besides what was asked for.
constexpr std::size_t kErrorBytesMax = 256 * kKiB;
// Single deletes at once: a fourth of what one busy connection pool holds, and far below the
// thousand a second that a bucket takes from the start ("Request rate and access distribution").
constexpr std::size_t kRemovalsAtOnce = 8;

std::string checksum_of(const ObjectReply& object) {
    return object.crc32c ? fmt::format("crc32c:{:08x}", *object.crc32c) : std::string();
}

// The crc32c among "crc32c=n03x6A==,md5=Ojk9c3dhfxgoKVVHYwFbHQ==", which may come in two headers.
std::optional<std::uint32_t> header_crc(const HttpReply& reply) {
    constexpr std::string_view kBegin = "crc32c=";
    constexpr std::size_t kLength = 8;
    for (const auto& [name, value] : reply.headers.all()) {
        const auto at = value.find(kBegin);
        if (at == std::string::npos) continue;
        if (const auto crc = crc_from_base64(
                std::string_view(value).substr(at + kBegin.size()).substr(0, kLength)))
            return crc;
    }
    return std::nullopt;
}

class GcsClient : public remote::ObjectClient {
  public:
    GcsClient(ClientOptions options, const StopToken& stop)
        : bucket_(std::make_shared<Bucket>(std::move(options), stop)) {}

    Result<remote::Page> list(std::string_view prefix, const std::string& next) override;
    Result<std::optional<remote::Found>> look(const std::string& name) override;
    Status read(const std::string& name, const std::string& version, std::uint64_t offset,
                MutableBytes out) override;
    Result<std::string> get(const std::string& name, std::size_t bytes_max) override;
    Status put(const std::string& name, Bytes bytes, const remote::WriteOptions& options) override;
    Result<std::unique_ptr<remote::PartUpload>> begin_upload(
        const std::string& name, const remote::WriteOptions& options) override {
        return gcs::begin_upload(bucket_, name, options);
    }
    [[nodiscard]] std::size_t part_bytes(std::size_t /*number*/) const override {
        return kPartBytes;
    }
    [[nodiscard]] std::size_t parts_at_once() const override { return 1; }
    Result<std::vector<std::string>> remove(const std::vector<std::string>& names,
                                            bool despite_stop) override;
    // Google Cloud Storage forgets a session a week after it began ("Resumable uploads"), and lists
    // none.
    Result<std::size_t> abort_uploads(Instant /*before*/) override { return std::size_t{0}; }
    [[nodiscard]] Instant store_time() const override { return bucket_->service().store_time(); }
    [[nodiscard]] std::string place() const override { return bucket_->place(""); }

  private:
    [[nodiscard]] Error missing(std::string_view name) const;
    [[nodiscard]] Error another_answer(const std::string& name) const;
    [[nodiscard]] remote::Found found(ObjectReply object) const;
    Result<std::string> media_url(const std::string& name, std::string version);
    Result<bool> keeps_versions(bool despite_stop) ASB_EXCLUDES(mutex_);
    Result<std::vector<std::string>> generations_of(const std::string& name, bool despite_stop);
    Result<bool> remove_one(const std::string& name, bool despite_stop);
    Result<bool> remove_url(const std::string& name, const std::string& url, bool despite_stop);

    const std::shared_ptr<Bucket> bucket_;
    Mutex mutex_;
    std::optional<bool> keeps_versions_ ASB_GUARDED_BY(mutex_);
};

Error GcsClient::missing(std::string_view name) const {
    return fail(Code::not_found, "there is no {} in {}", name, place());
}

Error GcsClient::another_answer(const std::string& name) const {
    return with_hint(
        fail(Code::store, "cannot read {}: the reply is not the range that was asked for",
             bucket_->place(name)),
        "something else than Google Cloud Storage answered: look at the proxy and the "
        "network's log-in page");
}

remote::Found GcsClient::found(ObjectReply object) const {
    auto name = object.name.substr(bucket_->options().location.prefix.size());
    return {.name = std::move(name),
            .size = object.size,
            .modified = object.created,
            .version = std::move(object.generation),
            .checksum = checksum_of(object),
            .mark = std::move(object.mark)};
}

Result<remote::Page> GcsClient::list(std::string_view prefix, const std::string& next) {
    const auto& at = bucket_->options().location.at;
    ASB_TRY(auto reply, bucket_->list(prefix, next, at.has_value()));
    remote::Page page;
    page.next = std::move(reply.next);
    page.found.reserve(reply.objects.size());
    for (auto& object : reply.objects) {
        if (object.name.size() < bucket_->options().location.prefix.size() ||
            (at && !object.was_live_at(*at)))
            continue;
        page.found.push_back(found(std::move(object)));
    }
    return page;
}

Result<std::optional<remote::Found>> GcsClient::look(const std::string& name) {
    ASB_TRY(auto object, bucket_->look(name));
    if (!object) return std::optional<remote::Found>();
    return std::optional(found(std::move(*object)));
}

Result<std::string> GcsClient::media_url(const std::string& name, std::string version) {
    auto url = bucket_->object_url(name) + "?alt=media";
    if (version.empty() && bucket_->options().location.at) {
        ASB_TRY(auto object, bucket_->look(name));
        if (!object) return missing(name);
        version = std::move(object->generation);
    }
    if (!version.empty()) url += fmt::format("&generation={}", percent_encode(version));
    return url;
}

Status GcsClient::read(const std::string& name, const std::string& version, std::uint64_t offset,
                       MutableBytes out) {
    if (out.empty()) return {};
    ASB_TRY(auto url, media_url(name, version));
    auto request = make_request("GET", std::move(url));
    request.headers.set("Range", fmt::format("bytes={}-{}", offset, offset + (out.size() - 1)));
    request.into = out;
    request.reply_bytes_max = kErrorBytesMax;
    ASB_TRY(const auto reply, bucket_->service().send(request));
    if (reply.status == kNotFound && !is_missing_bucket(reply)) return missing(name);
    const auto range = parse_content_range(reply.headers.get("Content-Range"));
    const bool is_part = reply.status == kPartial && range && range->first == offset;
    const bool is_whole = reply.status == 200 && offset == 0;
    if ((is_part || is_whole) && reply.received == out.size()) return {};
    if (is_part || reply.status == kRangeNotSatisfiable)
        return fail(Code::damaged, "{} ends before byte {}", bucket_->place(name),
                    offset + out.size());
    if (reply.status == 200 || reply.status == kPartial) return another_answer(name);
    return error_of(reply, bucket_->step("cannot read", name, "storage.objects.get"));
}

Result<std::string> GcsClient::get(const std::string& name, std::size_t bytes_max) {
    ASB_TRY(auto url, media_url(name, {}));
    auto request = make_request("GET", std::move(url));
    request.headers.set("Range", fmt::format("bytes=0-{}", bytes_max));  // one more than may be
    request.reply_bytes_max = bytes_max + kErrorBytesMax;
    ASB_TRY(auto reply, bucket_->service().send(request));
    if (reply.status == kRangeNotSatisfiable) return std::string();  // it has no byte 0
    if (reply.status == kNotFound && !is_missing_bucket(reply)) return missing(name);
    if (reply.status != kPartial && reply.status != 200)
        return error_of(reply, bucket_->step("cannot read", name, "storage.objects.get"));
    const auto range = parse_content_range(reply.headers.get("Content-Range"));
    const auto size = range ? range->total : reply.body.size();
    if (size > bytes_max)
        return fail(Code::damaged, "{} in {} has {} bytes, more than the {} it may have", name,
                    place(), size, bytes_max);
    const auto crc = header_crc(reply);
    if (reply.body.size() != size || (crc && *crc != crc32c(0, as_bytes(reply.body))))
        return fail(Code::damaged, "{} did not arrive as the store has it", bucket_->place(name));
    return std::move(reply.body);
}

// "multipart/related" (RFC 2387): the object's metadata, then its bytes.
Status GcsClient::put(const std::string& name, Bytes bytes, const remote::WriteOptions& options) {
    if (const int error = fail_point("store.gcs.put"))
        return errno_error(error, "cannot write", bucket_->place(name), Code::store);
    const Written written{
        .name = name, .options = options, .size = bytes.size(), .crc32c = crc32c(0, bytes)};
    std::array<std::byte, 16> random{};
    random_bytes(random);
    const auto boundary = "asb" + to_hex(Bytes(random));  // in no object by chance
    std::string body = fmt::format(
        "--{0}\r\nContent-Type: application/json; charset=UTF-8\r\n\r\n{1}\r\n--{0}\r\n"
        "Content-Type: application/octet-stream\r\n\r\n",
        boundary, bucket_->metadata(options, written.crc32c));
    body += as_text(bytes);
    body += fmt::format("\r\n--{}--\r\n", boundary);
    auto request = make_request("POST", bucket_->upload_url("multipart", name, options));
    request.headers.set("Content-Type", "multipart/related; boundary=" + boundary);
    request.body = as_bytes(body);
    ASB_TRY(const auto reply, bucket_->service().send(request));
    return bucket_->conclude(reply, written);
}

// Asked once. Whoever may not look at the bucket must take it that there are versions.
Result<bool> GcsClient::keeps_versions(bool despite_stop) {
    const UniqueLock lock(mutex_);
    if (keeps_versions_) return *keeps_versions_;
    ASB_TRY(
        const auto reply,
        bucket_->send(make_request("GET", bucket_->url() + "?fields=versioning"), despite_stop));
    if (is_passing(reply) || reply.status == kNotFound)
        return error_of(reply, bucket_->step("cannot look at", "", "storage.buckets.get"));
    const auto json = parse_json(reply.body, "it");
    if (reply.status != 200 || !json.ok() || !json->is_object()) {
        keeps_versions_ = true;
    } else {
        const auto versioning = json->find("versioning");
        // A bucket whose versioning was ended still has the versions of before.
        keeps_versions_ = versioning != json->end() && versioning->is_object();
    }
    return *keeps_versions_;
}

Result<std::vector<std::string>> GcsClient::generations_of(const std::string& name,
                                                           bool despite_stop) {
    std::vector<std::string> generations;
    std::string next;
    do {
        ASB_TRY(auto page, bucket_->list(name, next, true, despite_stop));
        for (auto& object : page.objects)
            if (object.name == bucket_->options().location.prefix + name)
                generations.push_back(std::move(object.generation));
        next = std::move(page.next);
    } while (!next.empty());
    return generations;
}

// False: the store keeps it.
Result<bool> GcsClient::remove_url(const std::string& name, const std::string& url,
                                   bool despite_stop) {
    ASB_TRY(const auto reply, bucket_->send(make_request("DELETE", url), despite_stop));
    if (reply.status == 200 || reply.status == 204) return true;
    if (reply.status == kNotFound && !is_missing_bucket(reply)) return true;
    if (is_kept(reply)) return false;
    return error_of(reply, bucket_->step("cannot remove", name, "storage.objects.delete"));
}

Result<bool> GcsClient::remove_one(const std::string& name, bool despite_stop) {
    const auto url = bucket_->object_url(name);
    ASB_TRY(const bool has_versions, keeps_versions(despite_stop));
    if (!has_versions) return remove_url(name, url, despite_stop);
    ASB_TRY(const auto generations, generations_of(name, despite_stop));
    bool is_gone = true;
    for (const auto& generation : generations) {
        ASB_TRY(const bool removed,
                remove_url(name, fmt::format("{}?generation={}", url, generation), despite_stop));
        is_gone = is_gone && removed;
    }
    return is_gone;
}

Result<std::vector<std::string>> GcsClient::remove(const std::vector<std::string>& names,
                                                   bool despite_stop) {
    if (const int error = fail_point("store.gcs.remove"))
        return errno_error(error, "cannot remove from", place(), Code::store);
    std::vector<std::optional<Result<bool>>> outcomes(names.size());
    std::atomic<std::size_t> next = 0;
    std::atomic<bool> has_failed = false;
    const auto work = [&] {
        for (auto i = next++; i < names.size() && !has_failed; i = next++) {
            outcomes[i] = remove_one(names[i], despite_stop);
            if (!outcomes[i]->ok()) has_failed = true;
        }
    };
    std::vector<std::jthread> threads;
    const auto wanted = std::min(names.size(), kRemovalsAtOnce);
    threads.reserve(wanted);
    for (std::size_t i = 1; i < wanted; ++i) threads.emplace_back(work);
    work();
    threads.clear();
    std::vector<std::string> kept;
    for (std::size_t i = 0; i < names.size(); ++i) {
        if (outcomes[i] && !outcomes[i]->ok()) return outcomes[i]->error();
        if (outcomes[i] && !outcomes[i]->value()) kept.push_back(names[i]);
    }
    return kept;
}

// "Buckets: testIamPermissions" needs no right itself, and answers with the rights that there are.
Status check_permission(Bucket& bucket, std::string_view permission) {
    if (bucket.service().anonymous()) return {};
    ASB_TRY(const auto reply, bucket.service().send(make_request(
                                  "GET", fmt::format("{}/iam/testPermissions?permissions={}",
                                                     bucket.url(), permission))));
    const auto json = parse_json(reply.body, "it");
    if (reply.status != 200 || !json.ok() || !json->is_object()) return {};
    const auto found = json->find("permissions");
    if (found != json->end() && found->is_array() &&
        std::find(found->begin(), found->end(), permission) != found->end())
        return {};
    return with_hint(
        fail(Code::store, "cannot write {}: {} is not granted", bucket.place(""), permission),
        fmt::format("grant {} on gs://{}: roles/storage.objectUser has it", permission,
                    bucket.options().location.bucket));
}

}  // namespace

std::shared_ptr<remote::ObjectClient> make_client(ClientOptions options, const StopToken& stop) {
    return std::make_shared<GcsClient>(std::move(options), stop);
}

Status check_writable(ClientOptions options, const StopToken& stop) {
    Bucket bucket(std::move(options), stop);
    ASB_CHECK(bucket.list(".", {}, false));
    return check_permission(bucket, "storage.objects.create");
}

}  // namespace asb::gcs
