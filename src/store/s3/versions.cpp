#include "store/s3/versions.hpp"

#include <algorithm>

#include "base/text.hpp"
#include "store/s3/faults.hpp"

namespace asb::s3 {
namespace {

Call list_call(const std::string& prefix, const std::string& key, const std::string& version,
               bool despite_stop) {
    Call call{.action = "list the versions below",
              .permission = "s3:ListBucketVersions",
              .query = {{"versions", ""}, {"encoding-type", "url"}, {"prefix", prefix}},
              .despite_stop = despite_stop};
    if (!key.empty()) call.query.emplace_back("key-marker", key);
    if (!version.empty()) call.query.emplace_back("version-id-marker", version);
    return call;
}

// Servers group delete markers behind the versions of a page, or mix them in as Amazon does.
void sort_newest_first(std::vector<ListedVersion>& versions) {
    std::stable_sort(versions.begin(), versions.end(),
                     [](const ListedVersion& a, const ListedVersion& b) {
                         if (a.key != b.key) return a.key < b.key;
                         return a.modified > b.modified;
                     });
}

// Where the next page of a listing begins, and the key whose version is settled already, in one
// string.
std::string to_token(const std::string& key, const std::string& version,
                     const std::string& decided) {
    return fmt::format("{}\n{}\n{}", percent_encode(key), percent_encode(version),
                       percent_encode(decided));
}

std::string decoded(std::string_view text) {
    std::string result;
    for (std::size_t i = 0; i < text.size(); ++i) {
        if (text[i] != '%') {
            result += text[i];
            continue;
        }
        const auto byte = parse_hex(text.substr(i + 1, 2));
        if (byte.ok() && byte->size() == 1) result += static_cast<char>(byte->front());
        i += 2;
    }
    return result;
}

}  // namespace

std::optional<ListedVersion> standing_at(const std::vector<ListedVersion>& versions, Instant at) {
    const auto found =
        std::find_if(versions.begin(), versions.end(),
                     [&](const ListedVersion& version) { return version.modified <= at; });
    if (found == versions.end() || found->is_marker) return std::nullopt;
    return *found;
}

Result<std::optional<std::vector<ListedVersion>>> Versions::of_key(const std::string& key,
                                                                   bool despite_stop) {
    std::vector<ListedVersion> found;
    std::string next_key;
    std::string next_version;
    do {
        const auto call = list_call(key, next_key, next_version, despite_stop);
        ASB_TRY(const auto answer, channel_->send(call));
        if (answer.reply.status == 403 || is_unsupported(answer))
            return std::optional<std::vector<ListedVersion>>();
        if (!answer.ok()) return channel_->error(call, answer);
        ASB_TRY(auto page, channel_->read(call, parse_versions(answer.reply.body)));
        for (auto& version : page.versions)
            if (version.key == key) found.push_back(std::move(version));
        // Keys that only begin like this one come behind it.
        if (page.next_key > key) break;
        if (!page.next_key.empty() && page.next_key == next_key &&
            page.next_version == next_version)
            return fail(Code::store, "the list of versions of {} does not get on", printable(key));
        next_key = std::move(page.next_key);
        next_version = std::move(page.next_version);
    } while (!next_key.empty());
    sort_newest_first(found);
    return std::optional(std::move(found));
}

Result<std::optional<ListedVersion>> Versions::at(const std::string& key, Instant at) {
    ASB_TRY(const auto versions, of_key(key, false));
    if (!versions)
        return with_hint(fail(Code::store, "cannot list the versions of {} in {}", printable(key),
                              channel_->location().place()),
                         fmt::format("allow s3:ListBucketVersions on arn:aws:s3:::{}",
                                     channel_->location().bucket));
    return standing_at(*versions, at);
}

Result<remote::Page> Versions::list(const std::string& prefix, const std::string& next,
                                    Instant at) {
    auto from = split(next, '\n');
    from.resize(3);
    const auto call = list_call(prefix, decoded(from[0]), decoded(from[1]), false);
    ASB_TRY(const auto answer, channel_->send(call));
    if (!answer.ok()) return channel_->error(call, answer);
    ASB_TRY(auto page, channel_->read(call, parse_versions(answer.reply.body)));
    sort_newest_first(page.versions);
    std::string decided = decoded(from[2]);
    remote::Page result;
    for (const auto& version : page.versions) {
        if (version.key == decided || version.modified > at) continue;
        decided = version.key;
        const auto prefix_size = channel_->location().prefix.size();
        if (version.is_marker || version.key.size() <= prefix_size) continue;
        result.found.push_back({.name = version.key.substr(prefix_size),
                                .size = version.size,
                                .modified = version.modified,
                                .version = version.version_id});
    }
    if (!page.next_key.empty()) result.next = to_token(page.next_key, page.next_version, decided);
    return result;
}

}  // namespace asb::s3
