#include "store/s3/removal.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "base/text.hpp"
#include "store/remote/base64.hpp"
#include "store/remote/rfc3339.hpp"
#include "store/s3/faults.hpp"

namespace asb::s3 {
namespace {

// "DeleteObjects" of the Amazon S3 API reference.
constexpr std::size_t kBatchMax = 1000;

std::string escaped(std::string_view text) {
    std::string result;
    for (const char c : text) {
        if (c == '&')
            result += "&amp;";
        else if (c == '<')
            result += "&lt;";
        else if (c == '>')
            result += "&gt;";
        else
            result += c;
    }
    return result;
}

Call delete_call(const std::string& key, const std::string& version_id, bool despite_stop) {
    Call call{.action = "delete",
              .permission = version_id.empty() ? "s3:DeleteObject" : "s3:DeleteObjectVersion",
              .method = "DELETE",
              .key = key,
              .despite_stop = despite_stop};
    if (!version_id.empty()) call.query = {{"versionId", version_id}};
    return call;
}

// A refusal that may be a lock's: servers word it in their own ways, so the object is asked.
bool may_be_lock(std::string_view code, std::string_view message) {
    return is_lock(code, message) || code == "AccessDenied" || code == "InvalidRequest";
}

}  // namespace

Result<bool> Removal::has_versions(bool despite_stop) {
    if (versioned_ != Versioned::unknown) return versioned_ == Versioned::yes;
    const Call call{.action = "read the versioning of",
                    .permission = "s3:GetBucketVersioning",
                    .query = {{"versioning", ""}},
                    .despite_stop = despite_stop};
    ASB_TRY(const auto answer, channel_->send(call));
    // Who may not ask looks for versions instead, which shows whether there are any.
    if (answer.reply.status == 403) return true;
    bool versioned = false;
    if (answer.ok()) {
        ASB_TRY(versioned, channel_->read(call, parse_versioning(answer.reply.body)));
    } else if (!is_unsupported(answer)) {
        return channel_->error(call, answer);
    }
    versioned_ = versioned ? Versioned::yes : Versioned::no;
    return versioned;
}

Result<std::vector<Removal::Entry>> Removal::entries_of(const std::vector<std::string>& keys,
                                                        bool despite_stop) {
    ASB_TRY(const bool versioned, has_versions(despite_stop));
    std::vector<Entry> entries;
    for (const auto& key : keys) {
        std::optional<std::vector<ListedVersion>> versions;
        if (versioned) {
            ASB_TRY(versions, versions_.of_key(key, despite_stop));
        }
        if (!versions) {
            entries.push_back({.key = key, .version_id = {}});
            continue;
        }
        for (auto& version : *versions)
            entries.push_back({.key = key,
                               .version_id = std::move(version.version_id),
                               .is_marker = version.is_marker});
    }
    return entries;
}

Result<std::vector<std::string>> Removal::remove(const std::vector<std::string>& keys,
                                                 bool despite_stop) {
    ASB_TRY(auto entries, entries_of(keys, despite_stop));
    const auto markers = std::stable_partition(entries.begin(), entries.end(),
                                               [](const Entry& entry) { return !entry.is_marker; });
    ASB_TRY(auto kept, delete_entries({entries.begin(), markers}, despite_stop));
    // A marker above something that is locked stays: without it, what was deleted once would come
    // to light again.
    const std::set<std::string> locked(kept.begin(), kept.end());
    entries.erase(std::remove_if(markers, entries.end(),
                                 [&](const Entry& entry) { return locked.count(entry.key) != 0; }),
                  entries.end());
    entries.erase(entries.begin(), markers);
    ASB_TRY(const auto kept_markers, delete_entries(entries, despite_stop));
    kept.insert(kept.end(), kept_markers.begin(), kept_markers.end());
    std::sort(kept.begin(), kept.end());
    kept.erase(std::unique(kept.begin(), kept.end()), kept.end());
    return kept;
}

Result<std::vector<std::string>> Removal::delete_entries(const std::vector<Entry>& entries,
                                                         bool despite_stop) {
    std::vector<std::string> kept;
    for (std::size_t begin = 0; begin < entries.size(); begin += kBatchMax) {
        const auto end = std::min(begin + kBatchMax, entries.size());
        const std::vector<Entry> batch(entries.begin() + static_cast<std::ptrdiff_t>(begin),
                                       entries.begin() + static_cast<std::ptrdiff_t>(end));
        ASB_TRY(const auto more, batch.size() == 1 ? delete_singly(batch, despite_stop)
                                                   : delete_batch(batch, despite_stop));
        kept.insert(kept.end(), more.begin(), more.end());
    }
    return kept;
}

Result<std::vector<std::string>> Removal::delete_batch(const std::vector<Entry>& batch,
                                                       bool despite_stop) {
    std::string body =
        "<Delete xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">"
        "<Quiet>true</Quiet>";
    for (const auto& entry : batch) {
        body += fmt::format("<Object><Key>{}</Key>", escaped(entry.key));
        if (!entry.version_id.empty())
            body += fmt::format("<VersionId>{}</VersionId>", escaped(entry.version_id));
        body += "</Object>";
    }
    body += "</Delete>";
    Call call{.action = "delete objects in",
              .permission = "s3:DeleteObject and s3:DeleteObjectVersion",
              .method = "POST",
              .query = {{"delete", ""}},
              .body = as_bytes(body),
              .despite_stop = despite_stop};
    call.headers.add("content-type", "application/xml");
    call.headers.add("x-amz-sdk-checksum-algorithm", "SHA256");
    call.headers.add("x-amz-checksum-sha256", remote::base64(sha256(as_bytes(body))));
    ASB_TRY(const auto answer, channel_->send(call));
    // Servers that cannot delete many at once (Google's S3 interface among them).
    if (is_unsupported(answer) || answer.error.code == "MalformedXML" ||
        answer.error.code == "InvalidArgument")
        return delete_singly(batch, despite_stop);
    if (!answer.ok()) return channel_->error(call, answer);
    ASB_TRY(const auto undeleted, channel_->read(call, parse_deleted(answer.reply.body)));
    std::vector<Entry> again;
    again.reserve(undeleted.size());
    for (const auto& one : undeleted)
        again.push_back({.key = one.key, .version_id = one.version_id});
    // One by one: each says what is the matter with it, or passes now.
    return delete_singly(again, despite_stop);
}

Result<std::vector<std::string>> Removal::delete_singly(const std::vector<Entry>& batch,
                                                        bool despite_stop) {
    std::vector<std::string> kept;
    for (const auto& entry : batch) {
        ASB_TRY(const bool is_kept, delete_one(entry, despite_stop));
        if (is_kept) kept.push_back(entry.key);
    }
    return kept;
}

Result<bool> Removal::delete_one(const Entry& entry, bool despite_stop) {
    const auto call = delete_call(entry.key, entry.version_id, despite_stop);
    ASB_TRY(const auto answer, channel_->send(call));
    if (answer.ok() || answer.reply.status == 404) {
        // Another bucket's 404 is not this object's.
        if (answer.error.code == "NoSuchBucket") return channel_->error(call, answer);
        return false;
    }
    if (may_be_lock(answer.error.code, answer.error.message)) {
        if (is_lock(answer.error.code, answer.error.message)) return true;
        ASB_TRY(const bool locked, is_locked(entry, despite_stop));
        if (locked) return true;
    }
    return channel_->error(call, answer);
}

Result<bool> Removal::is_locked(const Entry& entry, bool despite_stop) {
    Call call = delete_call(entry.key, entry.version_id, despite_stop);
    call.action = "look at";
    call.permission = "s3:GetObjectVersion";
    call.method = "HEAD";
    ASB_TRY(const auto answer, channel_->send(call));
    if (!answer.ok()) return false;
    const auto& headers = answer.reply.headers;
    if (headers.get("x-amz-object-lock-legal-hold") == "ON") return true;
    const auto until = remote::parse_rfc3339(headers.get("x-amz-object-lock-retain-until-date"));
    return until && *until > channel_->store_time();
}

Status Removal::hide(const std::string& key, bool despite_stop) {
    const auto call = delete_call(key, {}, despite_stop);
    ASB_TRY(const auto answer, channel_->send(call));
    if (answer.ok() || answer.error.code == "NoSuchKey") return {};
    return channel_->error(call, answer);
}

}  // namespace asb::s3
