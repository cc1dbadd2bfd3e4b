#pragma once
// Why this exists: where a bucket answers: at Amazon in the host's name, at other servers mostly in
// the path; a request's URL is made here and nowhere else.

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "net/http.hpp"
#include "store/s3/s3_options.hpp"

namespace asb::s3 {

// Neither encoded nor sorted.
using Query = std::vector<std::pair<std::string, std::string>>;

class Endpoint {
  public:
    // `usage` when the settings' URL is none, or has a query.
    static Result<Endpoint> make(const EndpointSettings& settings, const std::string& bucket);

    // Of `key` in the bucket; of the bucket itself when it is empty.
    [[nodiscard]] std::string url(const std::string& region, std::string_view key,
                                  const Query& query) const;
    // Whether these are Amazon's own servers, whose hosts differ by region.
    [[nodiscard]] bool is_amazon() const { return base_.empty(); }
    // For people: "https://127.0.0.1:9000", "Amazon S3".
    [[nodiscard]] std::string name() const;

  private:
    std::string bucket_;
    std::string base_;       // "https://host:port"; empty: Amazon's
    std::string base_host_;  // "host:port"
    std::string scheme_ = "https";
    std::string base_path_;  // "/storage", before the bucket
    bool in_path_ = false;
};

// The host of Amazon's `service` in a region: "s3.eu-west-1.amazonaws.com".
std::string amazon_host(std::string_view service, std::string_view region);

}  // namespace asb::s3
