#include "store/gcs/reply.hpp"

#include <algorithm>

#include "base/json.hpp"
#include "base/text.hpp"
#include "store/gcs/encoding.hpp"
#include "store/remote/rfc3339.hpp"

namespace asb::gcs {
namespace {

// A page of a listing has at most 1000 objects ("Objects: list"); another server may send more.
constexpr std::size_t kPageObjectsMax = 100'000;
// "Object naming" of Cloud Storage.
constexpr std::size_t kNameMax = 1024;
// Google's tokens are below 2 KiB ("Token types").
constexpr std::size_t kTokenMax = 64UL * 1024;
constexpr std::size_t kMessageMax = 500;
constexpr std::chrono::seconds kTokenLifeMax{24 * 3600};

Error not_understood(std::string_view problem) {
    return with_hint(fail(Code::store, "the reply is not one of Google Cloud Storage: {}", problem),
                     "something else answered: look at the proxy, the network's log-in page, and "
                     "STORAGE_EMULATOR_HOST");
}

Result<Json> parse_document(std::string_view body) {
    const auto first = body.find_first_not_of(" \t\r\n");
    if (first != std::string_view::npos && body[first] == '<')
        return not_understood("it is HTML or XML instead of JSON");
    auto json = parse_json(body, "it");
    if (!json.ok()) return not_understood(json.error().fact);
    if (!json->is_object()) return not_understood("it is not a JSON object");
    return std::move(*json);
}

// The text of a field; empty when it is missing or something else.
std::string text_of(const Json& json, const char* name) {
    const auto found = json.find(name);
    return found != json.end() && found->is_string() ? found->get<std::string>() : std::string();
}

// The API writes 64-bit numbers as text.
std::optional<std::uint64_t> number_of(const Json& json, const char* name) {
    const auto found = json.find(name);
    if (found == json.end()) return std::nullopt;
    if (found->is_number_unsigned()) return found->get<std::uint64_t>();
    if (!found->is_string()) return std::nullopt;
    return parse_u64(found->get_ref<const std::string&>());
}

Result<ObjectReply> object_of(const Json& json) {
    if (!json.is_object()) return not_understood("an object in it is no object");
    ObjectReply object;
    object.name = text_of(json, "name");
    if (object.name.empty() || object.name.size() > kNameMax)
        return not_understood("an object in it has no name");
    const auto size = number_of(json, "size");
    const auto generation = number_of(json, "generation");
    const auto created = remote::parse_rfc3339(text_of(json, "timeCreated"));
    if (!size || !generation || !created)
        return not_understood("an object in it has no size, generation or timeCreated");
    object.size = *size;
    object.generation = std::to_string(*generation);
    object.created = *created;
    object.deleted = remote::parse_rfc3339(text_of(json, "timeDeleted"));
    object.crc32c = crc_from_base64(text_of(json, "crc32c"));
    if (const auto metadata = json.find("metadata");
        metadata != json.end() && metadata->is_object())
        object.mark = text_of(*metadata, kMarkField);
    return object;
}

Result<TokenReply> token_of(std::string token, std::chrono::seconds life) {
    const auto is_ordinary = [](char c) { return c > ' ' && c < '\x7f'; };
    if (token.empty() || token.size() > kTokenMax ||
        !std::all_of(token.begin(), token.end(), is_ordinary))
        return not_understood("it holds no access token");
    return TokenReply{Secret(std::move(token)),
                      std::clamp(life, std::chrono::seconds(0), kTokenLifeMax)};
}

std::string shortened(std::string text) {
    if (text.size() > kMessageMax) text.resize(kMessageMax);
    return printable(text);
}

// What stands before and after `separator`; nullopt when it is not there.
std::optional<std::pair<std::string_view, std::string_view>> halves(std::string_view text,
                                                                    char separator) {
    const auto at = text.find(separator);
    if (at == std::string_view::npos) return std::nullopt;
    return std::pair(text.substr(0, at), text.substr(at + 1));
}

}  // namespace

bool ObjectReply::was_live_at(Instant at) const {
    return created <= at && (!deleted || *deleted > at);
}

Result<ObjectReply> parse_object(std::string_view body) {
    ASB_TRY(const auto json, parse_document(body));
    return object_of(json);
}

Result<PageReply> parse_page(std::string_view body) {
    ASB_TRY(const auto json, parse_document(body));
    PageReply page;
    page.next = text_of(json, "nextPageToken");
    const auto items = json.find("items");
    if (items == json.end()) return page;
    if (!items->is_array() || items->size() > kPageObjectsMax)
        return not_understood("it holds no list of objects");
    page.objects.reserve(items->size());
    for (const auto& item : *items) {
        ASB_TRY(auto object, object_of(item));
        page.objects.push_back(std::move(object));
    }
    return page;
}

Result<TokenReply> parse_token(std::string_view body) {
    ASB_TRY(const auto json, parse_document(body));
    const auto life = number_of(json, "expires_in");
    const auto most = static_cast<std::uint64_t>(kTokenLifeMax.count());
    return token_of(text_of(json, "access_token"),
                    std::chrono::seconds(std::min(life.value_or(0), most)));
}

Result<TokenReply> parse_impersonated_token(std::string_view body, Instant at) {
    ASB_TRY(const auto json, parse_document(body));
    const auto end = remote::parse_rfc3339(text_of(json, "expireTime"));
    if (!end) return not_understood("it holds no expireTime");
    return token_of(text_of(json, "accessToken"),
                    std::chrono::duration_cast<std::chrono::seconds>(*end - at));
}

ErrorReply parse_error(std::string_view body) {
    const auto json = parse_json(body, "the error");
    if (!json.ok() || !json->is_object()) return {};
    const auto error = json->find("error");
    if (error == json->end()) return {};
    if (error->is_string())
        return {shortened(error->get<std::string>()),
                shortened(text_of(*json, "error_description")), true};
    if (!error->is_object()) return {};
    ErrorReply reply{shortened(text_of(*error, "status")), shortened(text_of(*error, "message")),
                     true};
    const auto errors = error->find("errors");
    if (errors != error->end() && errors->is_array() && !errors->empty() &&
        errors->front().is_object())
        reply.reason = shortened(text_of(errors->front(), "reason"));
    return reply;
}

std::optional<std::uint64_t> parse_persisted(std::string_view range) {
    constexpr std::string_view kBegin = "bytes=0-";
    if (range.empty()) return 0;
    if (range.substr(0, kBegin.size()) != kBegin) return std::nullopt;
    const auto last = parse_u64(range.substr(kBegin.size()));
    if (!last || *last == UINT64_MAX) return std::nullopt;
    return *last + 1;
}

std::optional<ContentRange> parse_content_range(std::string_view text) {
    constexpr std::string_view kBegin = "bytes ";
    if (text.substr(0, kBegin.size()) != kBegin) return std::nullopt;
    const auto sides = halves(text.substr(kBegin.size()), '/');
    const auto ends = sides ? halves(sides->first, '-') : std::nullopt;
    if (!ends) return std::nullopt;
    const auto first = parse_u64(ends->first);
    const auto last = parse_u64(ends->second);
    const auto total = parse_u64(sides->second);
    if (!first || !last || !total || *first > *last || *last >= *total) return std::nullopt;
    return ContentRange{*first, *last, *total};
}

}  // namespace asb::gcs
