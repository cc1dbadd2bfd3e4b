#include "store/gcs/encoding.hpp"

#include <openssl/evp.h>

#include <algorithm>
#include <array>

#include "store/remote/base64.hpp"

namespace asb::gcs {

std::string base64_url(Bytes bytes) {
    std::string text = remote::base64(bytes);
    std::replace(text.begin(), text.end(), '+', '-');
    std::replace(text.begin(), text.end(), '/', '_');
    text.resize(std::min(text.find('='), text.size()));
    return text;
}

std::string crc_to_base64(std::uint32_t crc) {
    std::array<std::byte, 4> bytes{};
    for (std::size_t i = 0; i < bytes.size(); ++i)
        bytes[i] = static_cast<std::byte>(crc >> (24 - 8 * i));
    return remote::base64(bytes);
}

std::optional<std::uint32_t> crc_from_base64(std::string_view text) {
    constexpr std::size_t kLength = 8;
    if (text.size() != kLength || text.substr(6) != "==") return std::nullopt;
    std::array<unsigned char, 6> bytes{};
    if (EVP_DecodeBlock(bytes.data(), reinterpret_cast<const unsigned char*>(text.data()),
                        kLength) != static_cast<int>(bytes.size()))
        return std::nullopt;
    std::uint32_t crc = 0;
    for (std::size_t i = 0; i < 4; ++i) crc = crc << 8 | bytes[i];
    // Only one spelling of four bytes is right: bits behind them must be zero.
    if (crc_to_base64(crc) != text) return std::nullopt;
    return crc;
}

}  // namespace asb::gcs
