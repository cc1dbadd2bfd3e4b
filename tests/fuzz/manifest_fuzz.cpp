// A manifest of any bytes: what is accepted is canonical, and is never authenticated by a key that
// did not write it.

#include "repo/manifest.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace asb;
    const std::string_view text(reinterpret_cast<const char*>(data), size);
    const auto read = parse_manifest(text, "the manifest");
    if (!read) {
        ASB_ASSERT(read.error().code == Code::damaged);
        return 0;
    }
    ASB_ASSERT(canonical(read->document) + "\n" == text);
    ASB_ASSERT(text.size() <= kManifestBytesMax);
    static const BodyKeys kKeys = derive_body_keys(Secret("a key of nobody"), Salt{}, 1);
    if (read->manifest.encryption) ASB_ASSERT(!authenticate(*read, kKeys).ok());
    return 0;
}
