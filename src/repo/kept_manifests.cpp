#include "repo/kept_manifests.hpp"

#include <fmt/format.h>

#include "base/text.hpp"
#include "codec/digest.hpp"
#include "repo/manifest.hpp"
#include "repo/names.hpp"

namespace asb {
namespace {

// The first line; a later version of what follows has another.
constexpr std::string_view kTitle = "manifests 1 of ";

// Takes a line off the text; nullopt: no line ends in it.
std::optional<std::string_view> take_line(std::string_view& text) {
    const auto end = text.find('\n');
    if (end == std::string_view::npos) return std::nullopt;
    const auto line = text.substr(0, end);
    text.remove_prefix(end + 1);
    return line;
}

bool is_manifest(std::string_view key) {
    return key.ends_with(kManifestSuffix) && is_backup_name(without_suffix(key));
}

std::string digest_of(std::string_view text) {
    return to_hex(sha256(as_bytes(text)));
}

}  // namespace

// "<key> <size> <milliseconds since 1970> <sha256>", and after that line as many bytes.
KeptManifests::Copies KeptManifests::parse(std::string_view text, std::string_view place) {
    Copies copies;
    if (take_line(text) != fmt::format("{}{}", kTitle, place)) return {};
    while (!text.empty()) {
        const auto line = take_line(text);
        if (!line) return {};
        const auto fields = split(*line, ' ');
        if (fields.size() != 4 || !is_manifest(fields[0])) return {};
        const auto size = parse_u64(fields[1]);
        const auto modified = parse_u64(fields[2]);
        if (!size || !modified || *size > text.size()) return {};
        const Seen seen{*size, Instant(std::chrono::milliseconds(*modified))};
        copies.emplace(fields[0], Copy{seen, fields[3], std::string(text.substr(0, *size))});
        text.remove_prefix(*size);
    }
    return copies;
}

KeptManifests::KeptManifests(StoreReader& store, std::string_view kept)
    : store_(store), copies_(parse(kept, store.place())) {}

Result<std::vector<ObjectInfo>> KeptManifests::list(std::string_view prefix) {
    auto objects = store_.list(prefix);
    if (!objects) return objects;
    for (const auto& object : *objects)
        if (is_manifest(object.key.text()))
            listed_.insert_or_assign(object.key.text(), Seen{object.size, object.modified});
    return objects;
}

Result<std::string> KeptManifests::get(const ObjectKey& key, std::size_t bytes_max) {
    const auto listed = listed_.find(key.text());
    if (listed == listed_.end()) return store_.get(key, bytes_max);
    {
        const UniqueLock lock(mutex_);
        const auto copy = copies_.find(key.text());
        if (copy != copies_.end() && copy->second.seen == listed->second &&
            copy->second.text.size() <= bytes_max &&
            digest_of(copy->second.text) == copy->second.digest)
            return copy->second.text;
    }
    auto text = store_.get(key, bytes_max);
    // One that is not as it was listed is being replaced at this moment.
    if (!text || text->size() != listed->second.size) return text;
    const UniqueLock lock(mutex_);
    copies_.insert_or_assign(key.text(), Copy{listed->second, digest_of(*text), *text});
    changed_ = true;
    return text;
}

bool KeptManifests::has_changed() const {
    const UniqueLock lock(mutex_);
    return changed_;
}

std::string KeptManifests::to_text() const {
    const UniqueLock lock(mutex_);
    std::string text = fmt::format("{}{}\n", kTitle, store_.place());
    for (const auto& [key, copy] : copies_) {
        if (!listed_.contains(key)) continue;
        if (text.size() + copy.text.size() > kKeptBytesMax) break;
        fmt::format_to(std::back_inserter(text), "{} {} {} {}\n{}", key, copy.seen.size,
                       copy.seen.modified.time_since_epoch().count(), copy.digest, copy.text);
    }
    return text;
}

}  // namespace asb
