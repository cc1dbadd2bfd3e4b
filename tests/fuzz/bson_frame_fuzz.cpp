// Any bytes as a collection's data, in pieces: what passes is BSON to libbson too, and nothing that
// walks it later leaves it.

#include "engine/mongodb/bson_frame.hpp"

#include "engine/mongodb/bson_view.hpp"
#include "engine/mongodb/handles.hpp"

namespace {

using namespace asb;
using namespace asb::mongodb;

std::size_t walk(BsonView view, unsigned depth) {
    std::size_t elements = 0;
    for (const auto& element : view) {
        ++elements;
        [[maybe_unused]] const auto number = element.as_integer();
        [[maybe_unused]] const auto text = element.as_string();
        if (element.holds_elements()) elements += walk(view_of(element), depth + 1);
        ASB_ASSERT(depth <= kDocumentDepthMax);
    }
    return elements;
}

Status take(Bytes document) {
    bson_t borrowed;
    ASB_ASSERT(bson_init_static(&borrowed, as_uchar(document.data()), document.size()));
    [[maybe_unused]] const auto elements = walk(BsonView(document), 1);
    const auto copy = BsonWriter().add_all(BsonView(document)).finish();
    ASB_ASSERT(copy == as_text(document));
    return {};
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const Bytes input = std::as_bytes(std::span(data, size));
    for (const std::size_t piece : {std::size_t{1}, std::size_t{7}, size + 1}) {
        BsonFramer framer("fuzz", take);
        Status status;
        for (std::size_t at = 0; at < size && status.ok(); at += piece)
            status = framer.feed(input.subspan(at, std::min(piece, size - at)));
        [[maybe_unused]] const auto finished = framer.finish();
    }
    return 0;
}
