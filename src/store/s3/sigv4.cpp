#include "store/s3/sigv4.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <vector>

#include "base/text.hpp"

namespace asb::s3 {
namespace {

constexpr std::string_view kAlgorithm = "AWS4-HMAC-SHA256";
constexpr std::string_view kTerminator = "aws4_request";

std::string lower(std::string_view text) {
    std::string result(text);
    for (char& c : result)
        if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
    return result;
}

// Without spaces around it, and with one for many within.
std::string tidy_value(std::string_view value) {
    std::string result;
    for (const char c : trim(value))
        if (c != ' ' || result.empty() || result.back() != ' ') result += c;
    return result;
}

// Sorted by name; several values of one name stand in their order, with commas.
std::map<std::string, std::string> canonical_headers(const HttpHeaders& headers, std::string host) {
    std::map<std::string, std::string> result;
    for (const auto& [name, value] : headers.all()) {
        auto& joined = result[lower(name)];
        if (!joined.empty()) joined += ',';
        joined += tidy_value(value);
    }
    result["host"] = std::move(host);
    return result;
}

// "b=2&a" -> "a=&b=2": by name, then by value, as they are encoded.
std::string canonical_query(std::string_view query) {
    if (query.empty()) return {};
    std::vector<std::pair<std::string, std::string>> pairs;
    for (const auto& item : split(query, '&')) {
        const auto equals = std::min(item.find('='), item.size());
        pairs.emplace_back(item.substr(0, equals),
                           equals < item.size() ? item.substr(equals + 1) : "");
    }
    std::sort(pairs.begin(), pairs.end());
    std::vector<std::string> items;
    items.reserve(pairs.size());
    for (const auto& [name, value] : pairs) items.push_back(fmt::format("{}={}", name, value));
    return join(items, "&");
}

std::string scope_text(const std::string& day, const SigningScope& scope) {
    return fmt::format("{}/{}/{}/{}", day, scope.region, scope.service, kTerminator);
}

std::string hex_digest(std::string_view text) {
    return to_hex(sha256(as_bytes(text)));
}

}  // namespace

std::string amazon_time(Instant time) {
    std::string stamp = to_stamp(time);  // "20130524_000000"
    std::replace(stamp.begin(), stamp.end(), '_', 'T');
    stamp += 'Z';
    return stamp;
}

Result<CanonicalRequest> canonical_request(const HttpRequest& request,
                                           std::string_view payload_digest_hex) {
    ASB_TRY(const auto url, parse_http_url(request.url));
    CanonicalRequest result;
    std::string headers;
    for (const auto& [name, value] : canonical_headers(request.headers, url.authority())) {
        headers += fmt::format("{}:{}\n", name, value);
        if (!result.signed_headers.empty()) result.signed_headers += ';';
        result.signed_headers += name;
    }
    result.text =
        fmt::format("{}\n{}\n{}\n{}\n{}\n{}", request.method, url.path.empty() ? "/" : url.path,
                    canonical_query(url.query), headers, result.signed_headers, payload_digest_hex);
    return result;
}

Digest Signer::signing_key(const Credentials& credentials, const std::string& day,
                           const SigningScope& scope) {
    const Secret source(
        fmt::format("{}\n{}", credentials.secret_access_key.reveal(), scope_text(day, scope)));
    const UniqueLock lock(mutex_);
    if (made_from_.reveal() == source.reveal()) return key_;
    const Secret first(fmt::format("AWS4{}", credentials.secret_access_key.reveal()));
    key_ = hmac_sha256(as_bytes(first.reveal()), as_bytes(day));
    for (const std::string_view part :
         {std::string_view(scope.region), std::string_view(scope.service), kTerminator})
        key_ = hmac_sha256(key_, as_bytes(part));
    made_from_ = source;
    return key_;
}

Result<std::string> Signer::authorization(const HttpRequest& request,
                                          std::string_view payload_digest_hex,
                                          const SigningScope& scope, const Credentials& credentials,
                                          Instant time) {
    ASB_TRY(const auto canonical, canonical_request(request, payload_digest_hex));
    const std::string stamp = amazon_time(time);
    const std::string day = stamp.substr(0, stamp.find('T'));
    const std::string to_sign = fmt::format("{}\n{}\n{}\n{}", kAlgorithm, stamp,
                                            scope_text(day, scope), hex_digest(canonical.text));
    const Digest signature = hmac_sha256(signing_key(credentials, day, scope), as_bytes(to_sign));
    return fmt::format("{} Credential={}/{}, SignedHeaders={}, Signature={}", kAlgorithm,
                       credentials.access_key_id, scope_text(day, scope), canonical.signed_headers,
                       to_hex(signature));
}

Status Signer::sign(HttpRequest& request, const Digest& body, const SigningScope& scope,
                    const Credentials& credentials, Instant time) {
    const std::string digest = to_hex(body);
    request.headers.set("x-amz-content-sha256", digest);
    request.headers.set("x-amz-date", amazon_time(time));
    if (!credentials.session_token.empty())
        request.headers.set("x-amz-security-token", credentials.session_token.reveal());
    ASB_TRY(auto value, authorization(request, digest, scope, credentials, time));
    request.headers.set("authorization", std::move(value));
    return {};
}

}  // namespace asb::s3
