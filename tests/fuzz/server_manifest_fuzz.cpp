// Any bytes as a backup_manifest: as they are, and once more with a checksum that fits, so that
// what lies behind the checksum is reached too.

#include "codec/digest.hpp"
#include "engine/postgres/server_manifest.hpp"

namespace {

using namespace asb;

void read(std::string_view text) {
    const auto manifest = parse_server_manifest(text);
    if (!manifest.ok()) {
        ASB_ASSERT(manifest.error().code == Code::damaged);
        return;
    }
    for (const ServerManifest::File& file : manifest.value().files) ASB_ASSERT(!file.path.empty());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view text = as_text(std::as_bytes(std::span(data, size)));
    read(text);
    const std::string checked = std::string(text) + ",\n";
    read(checked + "\"Manifest-Checksum\": \"" + to_hex(sha256(as_bytes(checked))) + "\"}\n");
    return 0;
}
