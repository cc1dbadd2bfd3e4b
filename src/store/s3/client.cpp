#include "store/s3/client.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "base/text.hpp"
#include "store/remote/base64.hpp"
#include "store/remote/seen_lease.hpp"
#include "store/s3/faults.hpp"
#include "store/s3/upload.hpp"

namespace asb::s3 {
namespace {

// Leases must go whatever a bucket's default lock says (store/remote/rights.hpp).
bool is_lease(std::string_view name) {
    return name.starts_with(remote::kLeasePrefix);
}

constexpr std::size_t kPartBytes = 16 * kMiB;
// "Amazon S3 multipart upload limits": 10,000 parts. From the 8,000th on they are larger, so that
// one object may have 365 GiB; before, they are the format's segments.
constexpr std::size_t kPlainParts = 8'000;
constexpr std::size_t kLargePartBytes = 128 * kMiB;

// Room for an <Error> where a small object was asked for.
constexpr std::size_t kErrorBytesMax = 64 * kKiB;

std::string range(std::uint64_t offset, std::uint64_t size) {
    return fmt::format("bytes={}-{}", offset, offset + size - 1);
}

// A version is an ETag, which has quotes, or a version id, which has none.
bool is_etag(std::string_view version) {
    return !version.empty() && version.front() == '"';
}

Call get_call(const std::string& key, const std::string& version) {
    Call call{.action = "read", .permission = "s3:GetObject", .key = key};
    if (is_etag(version)) {
        call.headers.add("if-match", version);
    } else if (!version.empty()) {
        call.query = {{"versionId", version}};
        call.permission = "s3:GetObjectVersion";
    }
    return call;
}

bool is_missing(const Answer& answer) {
    return answer.reply.status == 404 && answer.error.code != "NoSuchBucket";
}

// Names have no such parts, and some servers refuse a prefix that has.
bool has_dot_parts(std::string_view prefix) {
    const auto parts = split(prefix, '/');
    return std::any_of(parts.begin(), parts.end() - 1,
                       [](const std::string& part) { return part == "." || part == ".."; });
}

// "bytes 0-9/10" -> 10
std::optional<std::uint64_t> whole_size(const HttpReply& reply) {
    const auto text = reply.headers.get("content-range");
    const auto slash = text.rfind('/');
    if (slash == std::string_view::npos) return std::nullopt;
    return parse_u64(text.substr(slash + 1));
}

}  // namespace

S3Client::S3Client(std::shared_ptr<Channel> channel, WritePolicy policy)
    : channel_(std::move(channel)),
      policy_(std::move(policy)),
      versions_(channel_),
      removal_(channel_) {}

std::string S3Client::key_of(std::string_view name) const {
    return fmt::format("{}{}", channel_->location().prefix, name);
}

std::size_t S3Client::part_bytes(std::size_t number) const {
    return number < kPlainParts ? kPartBytes : kLargePartBytes;
}

std::size_t S3Client::parts_at_once() const {
    return 2;
}

Result<remote::Page> S3Client::list(std::string_view prefix, const std::string& next) {
    const auto& location = channel_->location();
    if (has_dot_parts(prefix)) return remote::Page();
    if (location.at) return versions_.list(key_of(prefix), next, *location.at);
    Call call{.action = "list the objects below",
              .permission = "s3:ListBucket",
              .query = {{"list-type", "2"}, {"encoding-type", "url"}, {"prefix", key_of(prefix)}}};
    if (!next.empty()) call.query.emplace_back("continuation-token", next);
    ASB_TRY(const auto answer, channel_->send(call));
    if (!answer.ok()) return channel_->error(call, answer);
    ASB_TRY(auto listed, channel_->read(call, parse_objects(answer.reply.body)));
    remote::Page page{.found = {}, .next = std::move(listed.next_token)};
    page.found.reserve(listed.objects.size());
    for (auto& object : listed.objects) {
        if (object.key.size() <= location.prefix.size()) continue;  // a folder's own placeholder
        page.found.push_back({.name = object.key.substr(location.prefix.size()),
                              .size = object.size,
                              .modified = object.modified,
                              .version = std::move(object.etag)});
    }
    return page;
}

Result<std::string> S3Client::version_at(const std::string& name) {
    const auto& location = channel_->location();
    if (!location.at) return std::string();
    ASB_TRY(auto version, versions_.at(key_of(name), *location.at));
    if (!version)
        return fail(Code::not_found, "there is no {} in {}", printable(name), location.place());
    return std::move(version->version_id);
}

Result<std::optional<remote::Found>> S3Client::look(const std::string& name) {
    auto version = version_at(name);
    if (!version && version.error().code == Code::not_found) return std::optional<remote::Found>();
    if (!version) return std::move(version.error());
    ASB_TRY(auto found, look_at(*channel_, key_of(name), *version));
    if (found) found->name = name;
    return found;
}

Result<Answer> S3Client::fetch(const std::string& name, const std::string& version,
                               const Call& call) {
    ASB_TRY(auto answer, channel_->send(call));
    if (answer.ok() || answer.reply.status == 416) return answer;
    if (is_missing(answer))
        return fail(Code::not_found, "there is no {} in {}", printable(name), place());
    if (answer.reply.status == 412 && is_etag(version))
        return fail(Code::damaged, "{} in {} was replaced while it was being read", printable(name),
                    place());
    return channel_->error(call, answer);
}

Status S3Client::read(const std::string& name, const std::string& version, std::uint64_t offset,
                      MutableBytes out) {
    if (out.empty()) return {};
    std::string of = version;
    if (of.empty()) {
        ASB_TRY(of, version_at(name));
    }
    Call call = get_call(key_of(name), of);
    call.headers.add("range", range(offset, out.size()));
    call.into = out;
    ASB_TRY(const auto answer, fetch(name, of, call));
    if (answer.reply.status == 206 && answer.reply.received == out.size()) return {};
    if (answer.ok() && answer.reply.status != 206)
        return with_hint(
            fail(Code::store, "cannot read {} in {}: the store answers a range with {}",
                 printable(name), place(), answer.reply.status),
            "look at S3_ENDPOINT_URL, and at proxies or log-in pages between here and there");
    return fail(Code::damaged, "{} in {} ends before byte {} + {} that should be there",
                printable(name), place(), offset, out.size());
}

Result<std::string> S3Client::get(const std::string& name, std::size_t bytes_max) {
    ASB_TRY(const auto version, version_at(name));
    Call call = get_call(key_of(name), version);
    // One byte more than is wanted shows an object that is too large.
    call.headers.add("range", range(0, std::uint64_t{bytes_max} + 1));
    call.reply_bytes_max = std::max(bytes_max + 1, kErrorBytesMax);
    ASB_TRY(auto answer, fetch(name, version, call));
    if (answer.reply.status == 416) return std::string();  // it has no first byte: it is empty
    const auto size = whole_size(answer.reply).value_or(answer.reply.body.size());
    if (size > bytes_max)
        return fail(Code::damaged, "{} in {} has {} bytes, more than the {} it may have",
                    printable(name), place(), size, bytes_max);
    if (size != answer.reply.body.size())
        return fail(Code::damaged, "{} in {} has {} bytes, but {} came", printable(name), place(),
                    size, answer.reply.body.size());
    return std::move(answer.reply.body);
}

Status S3Client::put(const std::string& name, Bytes bytes, const remote::WriteOptions& options) {
    const std::string key = key_of(name);
    Call call{.action = "write",
              .permission = "s3:PutObject",
              .method = "PUT",
              .key = key,
              .headers = write_headers(policy_, options, store_time()),
              .body = bytes,
              .body_digest = sha256(bytes)};
    call.headers.add("x-amz-checksum-sha256", remote::base64(*call.body_digest));
    if (options.once) {
        call.headers.add("if-none-match", "*");
        call.is_done = [&] { return is_ours(*channel_, key, options.mark); };
    }
    ASB_TRY(const auto answer, channel_->send(call));
    if (answer.ok()) return {};
    if (answer.reply.status != 412) return channel_->error(call, answer);
    ASB_TRY(const bool ours, is_ours(*channel_, key, options.mark));
    if (ours) return {};
    return taken(*channel_, key);
}

Result<std::unique_ptr<remote::PartUpload>> S3Client::begin_upload(
    const std::string& name, const remote::WriteOptions& options) {
    return s3::begin_upload(channel_, key_of(name), options,
                            write_headers(policy_, options, store_time()));
}

Result<std::vector<std::string>> S3Client::remove(const std::vector<std::string>& names,
                                                  bool despite_stop) {
    std::vector<std::string> keys;
    keys.reserve(names.size());
    for (const auto& name : names) keys.push_back(key_of(name));
    auto kept = removal_.remove(keys, despite_stop);
    // Who writes backups need not be able to delete versions: a marker ends the lease all the same.
    const bool are_leases = std::all_of(names.begin(), names.end(), is_lease);
    if (!kept && (!are_leases || kept.error().code != Code::store)) return std::move(kept.error());
    std::vector<std::string> kept_names;
    for (const auto& key : kept ? *kept : keys) {
        std::string name = key.substr(channel_->location().prefix.size());
        if (is_lease(name)) {
            // Likewise where the bucket locks everything that is put there.
            ASB_CHECK(removal_.hide(key, despite_stop));
            continue;
        }
        kept_names.push_back(std::move(name));
    }
    return kept_names;
}

Result<std::size_t> S3Client::abort_uploads(Instant before) {
    return s3::abort_uploads(*channel_, before);
}

}  // namespace asb::s3
