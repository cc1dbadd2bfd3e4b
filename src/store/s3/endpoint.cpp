#include "store/s3/endpoint.hpp"

#include <fmt/format.h>

#include "base/text.hpp"

namespace asb::s3 {
namespace {

Error bad_endpoint(const std::string& url, const Error& error) {
    const bool may_hold_password = url.find('@') != std::string::npos;
    return with_hint(fail(Code::usage, "the S3 endpoint '{}' cannot be used: {}",
                          may_hold_password ? "(not shown)" : printable(url), error.fact),
                     "write S3_ENDPOINT_URL as https://host or http://host:port");
}

std::string query_text(const Query& query) {
    std::vector<std::string> items;
    items.reserve(query.size());
    for (const auto& [name, value] : query)
        items.push_back(fmt::format("{}={}", percent_encode(name), percent_encode(value)));
    return join(items, "&");
}

bool wants_path(Addressing addressing, bool is_amazon, const std::string& bucket) {
    if (addressing != Addressing::automatic) return addressing == Addressing::path;
    // A certificate for *.s3.amazonaws.com covers no further dot.
    return !is_amazon || bucket.find('.') != std::string::npos;
}

}  // namespace

std::string amazon_host(std::string_view service, std::string_view region) {
    const std::string_view domain =
        region.substr(0, 3) == "cn-" ? "amazonaws.com.cn" : "amazonaws.com";
    return fmt::format("{}.{}.{}", service, region, domain);
}

Result<Endpoint> Endpoint::make(const EndpointSettings& settings, const std::string& bucket) {
    Endpoint endpoint;
    endpoint.bucket_ = bucket;
    endpoint.in_path_ = wants_path(settings.addressing, settings.url.empty(), bucket);
    if (settings.url.empty()) return endpoint;
    auto url = parse_http_url(settings.url);
    if (!url) return bad_endpoint(settings.url, url.error());
    if (!url->query.empty()) return bad_endpoint(settings.url, fail(Code::usage, "it has a query"));
    endpoint.base_ = url->origin();
    endpoint.base_host_ = url->authority();
    endpoint.scheme_ = url->scheme;
    endpoint.base_path_ = url->path;
    while (!endpoint.base_path_.empty() && endpoint.base_path_.back() == '/')
        endpoint.base_path_.pop_back();
    return endpoint;
}

std::string Endpoint::name() const {
    return is_amazon() ? "Amazon S3" : base_;
}

std::string Endpoint::url(const std::string& region, std::string_view key,
                          const Query& query) const {
    const std::string host = is_amazon() ? amazon_host("s3", region) : base_host_;
    std::string url = in_path_ ? fmt::format("{}://{}{}/{}", scheme_, host, base_path_, bucket_)
                               : fmt::format("{}://{}.{}{}", scheme_, bucket_, host, base_path_);
    if (!key.empty() || !in_path_) url += '/';
    url += percent_encode(key, true);
    if (!query.empty()) url += fmt::format("?{}", query_text(query));
    return url;
}

}  // namespace asb::s3
