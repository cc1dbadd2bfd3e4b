#include <arpa/inet.h>

#include <algorithm>

#include "base/text.hpp"
#include "net/http.hpp"

namespace asb {
namespace {

constexpr std::string_view kDigits = "0123456789";
constexpr std::uint64_t kPortMax = 65'535;

bool is_letter_or_digit(char c) {
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

std::string lower(std::string_view text) {
    std::string result(text);
    for (auto& c : result)
        if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
    return result;
}

bool is_ipv4(const std::string& host) {
    in_addr address{};
    return inet_pton(AF_INET, host.c_str(), &address) == 1;
}

bool is_bracketed_ipv6(const std::string& host) {
    in6_addr address{};
    return host.size() > 2 && host.front() == '[' && host.back() == ']' &&
           inet_pton(AF_INET6, host.substr(1, host.size() - 2).c_str(), &address) == 1;
}

// "127.1" and "0x7f000001" are addresses too, to some libraries and not to others: a last label
// that begins with a digit is that of an address with four numbers, or refused.
bool is_host(const std::string& host) {
    if (is_ipv4(host) || is_bracketed_ipv6(host)) return true;
    if (!std::all_of(host.begin(), host.end(), [](char c) {
            return is_letter_or_digit(c) || c == '-' || c == '.' || c == '_';
        }))
        return false;
    const auto labels = split(host.ends_with('.') ? host.substr(0, host.size() - 1) : host, '.');
    if (std::any_of(labels.begin(), labels.end(), [](const auto& label) { return label.empty(); }))
        return false;
    return kDigits.find(labels.back().front()) == std::string_view::npos;
}

bool is_port(const std::string& port) {
    const auto number = parse_u64(port);
    return number && *number >= 1 && *number <= kPortMax;
}

Error bad_url(std::string_view why) {
    return with_hint(fail(Code::usage, "this is no URL of a server: {}", why),
                     "write it like https://host or http://host:port/path");
}

// "host", "host:port", "[::1]:port"; false when it is none of them.
bool read_authority(std::string_view text, HttpUrl& url) {
    const auto bracket = text.rfind(']');
    const auto colon = text.find(':', bracket == std::string_view::npos ? 0 : bracket);
    url.host = lower(text.substr(0, colon));
    if (colon != std::string_view::npos) url.port = text.substr(colon + 1);
    return is_host(url.host) && (colon == std::string_view::npos || is_port(url.port));
}

}  // namespace

std::string percent_encode(std::string_view text, bool keep_slash) {
    constexpr std::string_view kHex = "0123456789ABCDEF";
    std::string encoded;
    encoded.reserve(text.size());
    for (const char c : text) {
        if (is_letter_or_digit(c) || c == '-' || c == '.' || c == '_' || c == '~' ||
            (keep_slash && c == '/')) {
            encoded += c;
            continue;
        }
        const auto byte = static_cast<unsigned char>(c);
        encoded += '%';
        encoded += kHex[byte >> 4U];
        encoded += kHex[byte & 15U];
    }
    return encoded;
}

std::string HttpUrl::authority() const {
    const bool is_own = port.empty() || port == (scheme == "https" ? "443" : "80");
    return is_own ? host : fmt::format("{}:{}", host, port);
}

std::string HttpUrl::origin() const {
    return fmt::format("{}://{}", scheme, authority());
}

bool HttpUrl::is_loopback() const {
    return host == "localhost" || host == "[::1]" || (is_ipv4(host) && host.starts_with("127."));
}

// Says what is wrong and not what was given: that may hold a password.
Result<HttpUrl> parse_http_url(std::string_view text) {
    if (std::any_of(text.begin(), text.end(), [](char c) { return c <= ' ' || c > '~'; }))
        return bad_url("it holds a space, or a character that is not percent-encoded");
    HttpUrl url;
    const auto scheme_end = text.find("://");
    if (scheme_end == std::string_view::npos) return bad_url("it does not begin with https://");
    url.scheme = lower(text.substr(0, scheme_end));
    if (url.scheme != "http" && url.scheme != "https")
        return bad_url("it begins with neither https:// nor http://");
    if (text.find('#') != std::string_view::npos) return bad_url("it has a fragment ('#')");
    text.remove_prefix(scheme_end + 3);
    const auto authority = text.substr(0, text.find_first_of("/?"));
    if (authority.find('@') != std::string_view::npos)
        return bad_url("it names a user or a password");
    if (!read_authority(authority, url))
        return bad_url(fmt::format("'{}' is not a host, or not a host and a port", authority));
    text.remove_prefix(authority.size());
    const auto question = text.find('?');
    url.path = text.substr(0, question);
    if (question != std::string_view::npos) url.query = text.substr(question + 1);
    return url;
}

}  // namespace asb
