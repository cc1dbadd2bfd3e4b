// The header of a log object of any bytes: what is accepted is canonical and within its bounds, and
// an object with it is never authenticated by a key that did not write it.

#include "repo/log_object.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace asb;
    const std::string_view text(reinterpret_cast<const char*>(data), size);
    const auto read = parse_log_header(text, "the object");
    if (!read) {
        ASB_ASSERT(read.error().code == Code::damaged);
        return 0;
    }
    ASB_ASSERT(canonical(read->document) == text);
    ASB_ASSERT(text.size() < kLogHeaderBytesMax && read->bytes == size + 1);
    const auto& header = read->header;
    ASB_ASSERT(header.range.start <= header.range.end);
    ASB_ASSERT(header.plain_bytes <= kLogPlainBytesMax);
    ASB_ASSERT(header.members.empty() != header.compressed);
    return 0;
}
