// Replies of Google Cloud Storage and of token endpoints, of any bytes: they are understood or
// refused with an error that a terminal may show; nothing else happens.

#include <string_view>

#include "base/text.hpp"
#include "store/gcs/reply.hpp"

namespace {

using namespace asb;

template <typename T>
void check(const Result<T>& reply) {
    if (reply.ok()) return;
    ASB_ASSERT(reply.error().code == Code::store);
    ASB_ASSERT(printable(reply.error().fact) == reply.error().fact);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view text(reinterpret_cast<const char*>(data), size);
    check(gcs::parse_object(text));
    const auto page = gcs::parse_page(text);
    check(page);
    if (page.ok())
        for (const auto& object : page->objects) ASB_ASSERT(!object.name.empty());
    const auto token = gcs::parse_token(text);
    check(token);
    if (token.ok()) ASB_ASSERT(!token->token.empty() && token->life.count() >= 0);
    check(gcs::parse_impersonated_token(text, Instant{}));
    const auto error = gcs::parse_error(text);
    ASB_ASSERT(printable(error.message) == error.message);
    if (const auto persisted = gcs::parse_persisted(text))
        ASB_ASSERT(*persisted > 0 || text.empty());
    if (const auto range = gcs::parse_content_range(text)) ASB_ASSERT(range->last < range->total);
    return 0;
}
