#include "repo/hold.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "base/text.hpp"
#include "codec/digest.hpp"
#include "repo/json_fields.hpp"
#include "repo/names.hpp"

namespace asb {
namespace {

constexpr std::size_t kIdBytes = 16;
constexpr std::string_view kSuffix = ".json";

std::string random_id() {
    std::array<std::byte, kIdBytes> bytes{};
    random_bytes(bytes);
    return to_hex(bytes);
}

bool is_id(std::string_view text) {
    return text.size() == 2 * kIdBytes && std::all_of(text.begin(), text.end(), [](char c) {
               return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
           });
}

bool is_bounded_text(std::string_view text) {
    return !trim(text).empty() && text.size() <= kHoldTextBytesMax && is_utf8(text);
}

Status check_text(std::string_view what, std::string_view text) {
    if (is_bounded_text(text)) return {};
    return with_hint(fail(Code::usage, "a hold's {} is empty, not UTF-8 or longer than {} bytes",
                          what, kHoldTextBytesMax),
                     "say in a few words why the backup must stay, and who decided it");
}

// What a name below holds/ begins with; empty when that is no backup's name and a dot.
std::string_view backup_of(std::string_view key) {
    key.remove_prefix(std::min(key.size(), kHoldPrefix.size()));
    const auto name = key.substr(0, key.find('.'));
    return is_backup_name(name) && name.size() < key.size() ? name : std::string_view{};
}

Hold unreadable(std::string_view backup, std::string problem) {
    Hold hold;
    hold.backup = std::string(backup);
    hold.problem = std::move(problem);
    return hold;
}

// nullopt when it is gone.
Result<std::optional<Hold>> load_hold(StoreReader& store, const ObjectKey& key) {
    const auto backup = backup_of(key.text());
    if (backup.empty())
        return with_hint(fail(Code::damaged, "{} does not say which backup it holds", key.text()),
                         "move the object away from holds/; until then nothing is removed");
    const auto text = store.get(key, kHoldBytesMax);
    if (!text && text.error().code == Code::not_found) return std::optional<Hold>();
    if (!text && text.error().code != Code::damaged) return text.error();
    auto hold = text ? parse_hold(*text, key.text()) : Result<Hold>(text.error());
    if (!hold) return std::optional(unreadable(backup, hold.error().fact));
    if (hold_key(*hold) != key)
        return std::optional(
            unreadable(backup, fmt::format("{} holds a document of another name", key.text())));
    return std::optional(std::move(*hold));
}

Result<Hold> parse_fields(const Json& document, std::string_view what) {
    Fields fields(document, what);
    Hold hold;
    hold.id = fields.text("id");
    hold.backup = fields.text("backup");
    hold.reason = fields.text("reason");
    hold.owner = fields.text("owner");
    hold.created_at = fields.instant("created_at");
    if (fields.has("expires_at")) hold.expires_at = fields.instant("expires_at");
    if (!is_id(hold.id)) fields.bad("id");
    if (!is_backup_name(hold.backup)) fields.bad("backup");
    if (!is_bounded_text(hold.reason)) fields.bad("reason");
    if (!is_bounded_text(hold.owner)) fields.bad("owner");
    if (hold.expires_at && *hold.expires_at <= hold.created_at) fields.bad("expires_at");
    ASB_CHECK(fields.status());
    return hold;
}

}  // namespace

Result<Hold> make_hold(std::string backup, std::string reason, std::string owner, Instant now,
                       std::optional<Instant> expires_at) {
    if (!is_backup_name(backup))
        return with_hint(fail(Code::usage, "'{}' is not the name of a backup", printable(backup)),
                         "list shows the names");
    ASB_CHECK(check_text("reason", reason));
    ASB_CHECK(check_text("owner", owner));
    if (expires_at && *expires_at <= now)
        return with_hint(
            fail(Code::usage, "a hold until {} would have ended already", to_readable(*expires_at)),
            "give a later instant, or none: then it lasts until it is lifted");
    return Hold{.id = random_id(),
                .backup = std::move(backup),
                .reason = std::move(reason),
                .owner = std::move(owner),
                .created_at = now,
                .expires_at = expires_at,
                .problem = {}};
}

ObjectKey hold_key(const Hold& hold) {
    return ObjectKey::known(fmt::format("{}{}.{}{}", kHoldPrefix, hold.backup, hold.id, kSuffix));
}

std::string to_text(const Hold& hold) {
    Json document = {{"version", kHoldVersion}, {"id", hold.id},
                     {"backup", hold.backup},   {"reason", hold.reason},
                     {"owner", hold.owner},     {"created_at", to_iso8601(hold.created_at)}};
    if (hold.expires_at) document["expires_at"] = to_iso8601(*hold.expires_at);
    return canonical(document) + "\n";
}

Result<Hold> parse_hold(std::string_view text, std::string_view what) {
    if (text.size() > kHoldBytesMax)
        return fail(Code::damaged, "{} is longer than a hold may be", what);
    ASB_TRY(const auto document, parse_json(text, what));
    if (!document.is_object() || document.value("version", Json()) != kHoldVersion)
        return fail(Code::damaged, "{} is not a hold that this program can read", what);
    ASB_TRY(auto hold, parse_fields(document, what));
    // What a reader would pass over is not what the writer meant.
    if (to_text(hold) != text) return fail(Code::damaged, "{} is not in canonical form", what);
    return hold;
}

Result<std::vector<Hold>> load_holds(StoreReader& store) {
    ASB_TRY(const auto objects, store.list(kHoldPrefix));
    std::vector<Hold> holds;
    holds.reserve(objects.size());
    for (const auto& object : objects) {
        ASB_TRY(auto hold, load_hold(store, object.key));
        if (hold) holds.push_back(std::move(*hold));
    }
    return holds;
}

}  // namespace asb
