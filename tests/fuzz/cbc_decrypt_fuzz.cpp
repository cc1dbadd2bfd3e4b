// The decrypter on any bytes and any cut of them: never more plain bytes than ciphertext, and what
// it accepts is what the encrypter makes of it.

#include <algorithm>
#include <vector>

#include "codec/cbc.hpp"

namespace {

using namespace asb;

struct Memory final : ByteSource {
    Memory(Bytes bytes, std::size_t span_bytes) : rest(bytes), span_bytes_max(span_bytes) {}
    Bytes rest;
    std::size_t span_bytes_max;
    Result<Bytes> next() override {
        const auto span = rest.first(std::min(rest.size(), span_bytes_max));
        rest = rest.subspan(span.size());
        return span;
    }
};

struct Collector final : ByteSink {
    std::vector<std::byte> data;
    Status write(Bytes bytes) override {
        data.insert(data.end(), bytes.begin(), bytes.end());
        return {};
    }
    Status finish() override { return {}; }
};

const BodyKeys& keys() {
    static const BodyKeys kKeys = derive_body_keys(Secret("fuzz"), Salt{}, 1);
    return kKeys;
}

Result<std::vector<std::byte>> decrypt(Bytes body, std::size_t span_bytes) {
    Memory memory(body, span_bytes);
    CbcDecryptSource source(memory, keys());
    std::vector<std::byte> plain;
    while (true) {
        ASB_TRY(const auto bytes, source.next());
        if (bytes.empty()) return plain;
        plain.insert(plain.end(), bytes.begin(), bytes.end());
    }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const Bytes body = std::as_bytes(std::span(data, size));
    const auto whole = decrypt(body, std::max<std::size_t>(size, 1));
    const auto pieces = decrypt(body, 7);
    ASB_ASSERT(whole.ok() == pieces.ok());
    if (!whole.ok()) return 0;
    ASB_ASSERT(*whole == *pieces && whole->size() < size);
    Collector again;
    CbcEncryptSink sink(again, keys(), *parse_salt(body));
    ASB_ASSERT(sink.write(*whole).ok() && sink.finish().ok());
    ASB_ASSERT(std::equal(again.data.begin(), again.data.end(), body.begin(), body.end()));
    return 0;
}
