#include "store/remote/base64.hpp"

#include <openssl/evp.h>

#include <array>
#include <cstring>

namespace asb::remote {

std::string base64(Bytes bytes) {
    std::string text((bytes.size() + 2) / 3 * 4 + 1, '\0');  // and the zero that OpenSSL appends
    const int length = EVP_EncodeBlock(reinterpret_cast<unsigned char*>(text.data()),
                                       as_uchar(bytes.data()), static_cast<int>(bytes.size()));
    text.resize(static_cast<std::size_t>(length));
    return text;
}

std::optional<Digest> digest_from_base64(std::string_view text) {
    constexpr std::size_t kLength = 44;  // 43 digits and one '='
    if (text.size() != kLength) return std::nullopt;
    std::array<unsigned char, kLength / 4 * 3> bytes{};
    if (EVP_DecodeBlock(bytes.data(), reinterpret_cast<const unsigned char*>(text.data()),
                        kLength) != static_cast<int>(bytes.size()))
        return std::nullopt;
    Digest digest{};
    std::memcpy(digest.data(), bytes.data(), digest.size());
    // Only one spelling of 32 bytes is right: what is behind them must be the padding.
    if (base64(digest) != text) return std::nullopt;
    return digest;
}

}  // namespace asb::remote
