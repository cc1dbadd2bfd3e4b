// An index of any bytes: what is accepted is exactly what would be written again.

#include "repo/body_index.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace asb;
    const std::string_view text(reinterpret_cast<const char*>(data), size);
    const auto index = parse_body_index(text);
    if (index)
        ASB_ASSERT(to_text(*index) == text);
    else
        ASB_ASSERT(index.error().code == Code::damaged);
    return 0;
}
