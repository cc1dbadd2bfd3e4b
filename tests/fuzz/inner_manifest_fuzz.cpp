// An inner manifest of any bytes: what is accepted is exactly what would be written again.

#include "repo/inner_manifest.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace asb;
    constexpr std::uint64_t kEnd = std::uint64_t{1} << 40;
    const std::string_view text(reinterpret_cast<const char*>(data), size);
    const auto entries = parse_inner_manifest(text, kEnd);
    if (!entries) {
        ASB_ASSERT(entries.error().code == Code::damaged);
        return 0;
    }
    InnerManifestText again;
    for (const auto& entry : *entries) again.add(entry);
    ASB_ASSERT(again.finish() == text);
    return 0;
}
