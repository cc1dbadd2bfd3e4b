#include "repo/recovery_source.hpp"

#include <algorithm>

#include "base/text.hpp"
#include "repo/json_fields.hpp"
#include "repo/log_json.hpp"

namespace asb {
namespace {

constexpr std::string_view kWhat = "the recovery's source";

Json to_json(const SourceSpan& span) {
    Json json = to_json(span.range);
    if (span.backup.empty())
        json["object"] = span.object;
    else
        json["backup"] = span.backup;
    return json;
}

Result<SourceSpan> parse_span(const Json& json, std::string_view what) {
    SourceSpan span;
    ASB_TRY(span.range, parse_range(json, what));
    Fields fields(json, what);
    (fields.has("object") ? span.object : span.backup) =
        fields.text(fields.has("object") ? "object" : "backup");
    ASB_CHECK(fields.status());
    return span;
}

Json to_json(const BodyKeys& keys) {
    return {{"cipher_key", to_hex(keys.cipher_key)},
            {"iv", to_hex(keys.iv)},
            {"mac_key", to_hex(keys.mac_key)}};
}

Result<BodyKeys> parse_keys(const Json& json) {
    Fields fields(json, kWhat);
    BodyKeys keys;
    keys.cipher_key = fields.hex<32>("cipher_key");
    keys.iv = fields.hex<16>("iv");
    keys.mac_key = fields.hex<32>("mac_key");
    ASB_CHECK(fields.status());
    return keys;
}

// Adds `range` to what is covered; ranges come in the order of the log.
void cover(std::vector<LogRange>& covered, const LogRange& range) {
    if (!covered.empty() && covered.back().line == range.line && range.start <= covered.back().end)
        covered.back().end = std::max(covered.back().end, range.end);
    else
        covered.push_back(range);
}

}  // namespace

const BodyKeys* RecoverySource::keys_of(const std::string& backup) const {
    const auto found = keys.find(backup);
    return found == keys.end() ? nullptr : &found->second;
}

std::vector<std::string> backups_of(const std::vector<SourceSpan>& spans, std::size_t first) {
    std::vector<std::string> names;
    for (auto i = first; i < spans.size(); ++i)
        if (!spans[i].backup.empty() && std::ranges::find(names, spans[i].backup) == names.end())
            names.push_back(spans[i].backup);
    return names;
}

Secret to_text(const RecoverySource& source) {
    Json head = {{"version", 1},
                 {"engine", source.head.engine},
                 {"facts", source.head.facts},
                 {"cover", Json::array()},
                 {"branches", Json::array()}};
    for (const auto& range : source.head.cover) head["cover"].push_back(to_json(range));
    for (const auto& branch : source.head.branches) head["branches"].push_back(to_json(branch));
    Json rest = {
        {"repository", source.repository}, {"spans", Json::array()}, {"keys", Json::object()}};
    if (!source.store_settings.empty()) rest["store_settings"] = source.store_settings;
    for (const auto& span : source.spans) rest["spans"].push_back(to_json(span));
    for (const auto& [name, keys] : source.keys) rest["keys"][name] = to_json(keys);
    if (source.log_key) rest["log_key"] = to_hex(source.log_key->bytes);
    return Secret(canonical(head) + "\n" + canonical(rest) + "\n");
}

Result<RecoverySource::Head> parse_recovery_head(std::string_view text) {
    ASB_TRY(const auto json, parse_json(text.substr(0, text.find('\n')), kWhat));
    Fields fields(json, kWhat);
    if (fields.number("version") != 1) fields.bad("version");
    RecoverySource::Head head{.engine = fields.text("engine"),
                              .facts = fields.object("facts"),
                              .cover = {},
                              .branches = {}};
    ASB_CHECK(fields.status());
    ASB_CHECK(parse_list(fields, "cover", kWhat, parse_range, head.cover));
    ASB_CHECK(parse_list(fields, "branches", kWhat, parse_branch, head.branches));
    return head;
}

Result<RecoverySource> parse_recovery_source(std::string_view text) {
    RecoverySource source;
    ASB_TRY(source.head, parse_recovery_head(text));
    const auto line = text.find('\n');
    if (line == std::string_view::npos) return fail(Code::damaged, "{} ends early", kWhat);
    ASB_TRY(const auto json, parse_json(text.substr(line + 1), kWhat));
    Fields fields(json, kWhat);
    source.repository = fields.text("repository");
    const Json keys = fields.object("keys");
    const Json settings =
        fields.has("store_settings") ? fields.object("store_settings") : Json::object();
    if (fields.has("log_key")) source.log_key.emplace().bytes = fields.hex<32>("log_key");
    ASB_CHECK(fields.status());
    ASB_CHECK(parse_list(fields, "spans", kWhat, parse_span, source.spans));
    for (const auto& [name, item] : settings.items()) {
        if (!item.is_string())
            return fail(Code::damaged, "{}: {} is no text", kWhat, printable(name));
        source.store_settings[name] = item.get<std::string>();
    }
    for (const auto& [name, item] : keys.items()) {
        ASB_TRY(source.keys[name], parse_keys(item));
    }
    return source;
}

RecoverySource recovery_source(const LogHistory& history, const RecoveryPlan& plan) {
    const DatabaseLog& log = history.logs[plan.log];
    RecoverySource source;
    source.head.engine = log.engine;
    source.head.branches = log.branches;
    for (const auto& planned : plan.spans) {
        const LogSpan& span = log.spans[planned.span];
        const bool is_object = span.backup == LogSpan::kObject;
        source.spans.push_back({.range = planned.range,
                                .backup = is_object ? std::string() : history.backups[span.backup],
                                .object = is_object ? key_of(log.id, span).text() : std::string()});
        cover(source.head.cover, planned.range);
    }
    return source;
}

}  // namespace asb
