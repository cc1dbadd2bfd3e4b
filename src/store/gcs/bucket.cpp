#include "store/gcs/bucket.hpp"

#include "base/json.hpp"
#include "store/gcs/encoding.hpp"

namespace asb::gcs {
namespace {

constexpr const char* kObjectFields =
    "name,size,generation,timeCreated,timeDeleted,crc32c,metadata";
constexpr int kPreconditionFailed = 412;
constexpr std::size_t kPageBytesMax = 16 * kMiB;  // a thousand objects take less than a MiB

void add_lock(Json& object, const Keeping& keeping) {
    if (!keeping.storage_class.empty()) object["storageClass"] = keeping.storage_class;
    if (keeping.event_based_hold) object["eventBasedHold"] = true;
    if (keeping.temporary_hold) object["temporaryHold"] = true;
    if (keeping.retain_days == 0) return;
    const auto until = now() + std::chrono::hours(24) * static_cast<long>(keeping.retain_days);
    object["retention"] = {{"mode", keeping.is_retention_locked ? "Locked" : "Unlocked"},
                           {"retainUntilTime", to_iso8601(until)}};
}

}  // namespace

Bucket::Bucket(ClientOptions options, const StopToken& stop)
    : options_(std::move(options)), service_(options_.service, stop) {}

std::string Bucket::url() const {
    return fmt::format("{}/storage/v1/b/{}", service_.endpoint(), options_.location.bucket);
}

std::string Bucket::object_url(std::string_view name) const {
    return fmt::format("{}/o/{}", url(),
                       percent_encode(options_.location.prefix + std::string(name)));
}

std::string Bucket::upload_url(std::string_view type, std::string_view name,
                               const remote::WriteOptions& options) const {
    auto url = fmt::format("{}/upload/storage/v1/b/{}/o?uploadType={}&name={}&fields={}",
                           service_.endpoint(), options_.location.bucket, type,
                           percent_encode(options_.location.prefix + std::string(name)),
                           percent_encode(kObjectFields));
    if (options.once) url += "&ifGenerationMatch=0";
    if (const auto& key = options_.keeping.kms_key; !key.empty())
        url += fmt::format("&kmsKeyName={}", percent_encode(key));
    return url;
}

std::string Bucket::metadata(const remote::WriteOptions& options,
                             std::optional<std::uint32_t> crc) const {
    Json object{{"contentType", "application/octet-stream"}};
    if (crc) object["crc32c"] = crc_to_base64(*crc);
    if (!options.mark.empty()) object["metadata"] = {{kMarkField, options.mark}};
    if (options.kind == remote::WriteOptions::Kind::data)
        add_lock(object, options_.keeping);
    else
        object["eventBasedHold"] = false;  // also where the bucket holds by default
    return canonical(object);
}

std::string Bucket::place(std::string_view name) const {
    return name.empty() ? options_.location.place()
                        : fmt::format("{}/{}", options_.location.place(), name);
}

Step Bucket::step(std::string_view action, std::string_view name,
                  std::string_view permission) const {
    return {action, place(name), permission};
}

Result<HttpReply> Bucket::send(const HttpRequest& request, bool despite_stop) {
    return despite_stop ? service_.send_despite_stop(request) : service_.send(request);
}

Result<PageReply> Bucket::list(std::string_view prefix, const std::string& next, bool versions,
                               bool despite_stop) {
    auto url = fmt::format("{}/o?prefix={}&fields={}", this->url(),
                           percent_encode(options_.location.prefix + std::string(prefix)),
                           percent_encode(fmt::format("nextPageToken,items({})", kObjectFields)));
    if (versions) url += "&versions=true";
    if (!next.empty()) url += fmt::format("&pageToken={}", percent_encode(next));
    auto request = make_request("GET", std::move(url));
    request.reply_bytes_max = kPageBytesMax;
    ASB_TRY(const auto reply, send(request, despite_stop));
    if (reply.status != 200)
        return error_of(reply, step("cannot list", "", "storage.objects.list"));
    auto page = parse_page(reply.body);
    if (!page.ok()) return page.error().within("cannot list " + place(""));
    return page;
}

Result<std::optional<ObjectReply>> Bucket::look(std::string_view name) {
    if (const auto& at = options_.location.at) return look_back(name, *at);
    const auto reply = service_.send(make_request(
        "GET", fmt::format("{}?fields={}", object_url(name), percent_encode(kObjectFields))));
    if (!reply.ok()) return reply.error();
    if (reply->status == kNotFound && !is_missing_bucket(*reply))
        return std::optional<ObjectReply>();
    if (reply->status != 200)
        return error_of(*reply, step("cannot look at", name, "storage.objects.get"));
    auto object = parse_object(reply->body);
    if (!object.ok()) return object.error().within("cannot look at " + place(name));
    return std::optional(std::move(*object));
}

// A name is also a prefix of longer names; at any time at most one of its generations was live.
Result<std::optional<ObjectReply>> Bucket::look_back(std::string_view name, Instant at) {
    std::string next;
    do {
        ASB_TRY(auto page, list(name, next, true));
        for (auto& object : page.objects)
            if (object.name == options_.location.prefix + std::string(name) &&
                object.was_live_at(at))
                return std::optional(std::move(object));
        next = std::move(page.next);
    } while (!next.empty());
    return std::optional<ObjectReply>();
}

void Bucket::remove_generation(std::string_view name, const std::string& generation) {
    static_cast<void>(service_.send_despite_stop(
        make_request("DELETE", fmt::format("{}?generation={}", object_url(name), generation))));
}

Error Bucket::taken(std::string_view name) const {
    return with_hint(fail(Code::busy, "{} exists already", place(name)),
                     "names are written once: use another, or wait a second for the next");
}

Status Bucket::compare(const ObjectReply& object, const Written& written) {
    if (object.size != written.size) {
        remove_generation(written.name, object.generation);
        return fail(Code::damaged, "{} has {} bytes in the store, but {} were written",
                    place(written.name), object.size, written.size);
    }
    if (!object.crc32c || *object.crc32c == written.crc32c) return {};
    remove_generation(written.name, object.generation);
    return with_hint(
        fail(Code::damaged, "{} has another CRC-32C in the store than what was written",
             place(written.name)),
        "something between this machine and the store, or its memory, changes bytes: "
        "look at the machine and the proxy");
}

Status Bucket::conclude(const HttpReply& reply, const Written& written) {
    if (reply.status == kPreconditionFailed) return look_for(written, taken(written.name));
    if (reply.status != 200 && reply.status != 201)
        return error_of(reply, step("cannot write", written.name, "storage.objects.create"));
    const auto object = parse_object(reply.body);
    if (!object.ok()) return object.error().within("cannot write " + place(written.name));
    return compare(*object, written);
}

Status Bucket::look_for(const Written& written, const Error& otherwise) {
    ASB_TRY(const auto object, look(written.name));
    if (!object || written.options.mark.empty() || object->mark != written.options.mark)
        return otherwise;
    return compare(*object, written);
}

}  // namespace asb::gcs
