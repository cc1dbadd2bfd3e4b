// Three readers of gzip on any bytes: a member that ISA-L accepts, zlib must read to the same
// bytes.

#include <algorithm>

#include "codec/gzip.hpp"

namespace {

using namespace asb;

struct Memory final : ByteSource {
    explicit Memory(Bytes bytes) : rest(bytes) {}
    Bytes rest;
    Result<Bytes> next() override {
        const auto span = rest.first(std::min<std::size_t>(rest.size(), 100));
        rest = rest.subspan(span.size());
        return span;
    }
};

constexpr std::size_t kPlainBytesMax = 1 * kMiB;  // a few bytes can inflate to a lot

Result<std::string> read_stream(Bytes bytes) {
    Memory memory(bytes);
    GzipStreamSource stream(memory);
    std::string plain;
    while (plain.size() <= kPlainBytesMax) {
        ASB_TRY(const auto span, stream.next());
        if (span.empty()) break;
        plain += as_text(span);
    }
    return plain;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const Bytes bytes = std::as_bytes(std::span(data, size));
    const auto from_stream = read_stream(bytes);
    Buffer plain(kPlainBytesMax);
    if (!inflate_member(bytes, plain).ok()) return 0;
    ASB_ASSERT(from_stream.ok() && *from_stream == as_text(plain.view()));
    return 0;
}
