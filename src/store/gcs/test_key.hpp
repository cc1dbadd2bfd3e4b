#pragma once
// Why this exists: tests of tokens need an RSA key that nobody uses for anything else.

#include <openssl/bio.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>

#include <memory>
#include <string>
#include <string_view>

#include "base/bytes.hpp"

namespace asb::gcs {

struct TestKeyDeleter {
    void operator()(EVP_PKEY* key) const { EVP_PKEY_free(key); }
    void operator()(BIO* bio) const { BIO_free(bio); }
    void operator()(EVP_MD_CTX* context) const { EVP_MD_CTX_free(context); }
};

// Made once a process.
inline EVP_PKEY* test_key() {
    static const std::unique_ptr<EVP_PKEY, TestKeyDeleter> kKey(EVP_RSA_gen(2048));
    return kKey.get();
}

// As a service account's file has it (PKCS #8 in PEM).
inline std::string test_key_pem() {
    const std::unique_ptr<BIO, TestKeyDeleter> bio(BIO_new(BIO_s_mem()));
    PEM_write_bio_PrivateKey(bio.get(), test_key(), nullptr, nullptr, 0, nullptr, nullptr);
    char* data = nullptr;
    const auto size = BIO_get_mem_data(bio.get(), &data);
    return {data, static_cast<std::size_t>(size)};
}

// Whether `signature` is the key's of `text` by RS256.
inline bool is_signed(std::string_view text, std::string_view signature) {
    const std::unique_ptr<EVP_MD_CTX, TestKeyDeleter> context(EVP_MD_CTX_new());
    return EVP_DigestVerifyInit(context.get(), nullptr, EVP_sha256(), nullptr, test_key()) == 1 &&
           EVP_DigestVerify(context.get(), reinterpret_cast<const unsigned char*>(signature.data()),
                            signature.size(), reinterpret_cast<const unsigned char*>(text.data()),
                            text.size()) == 1;
}

// The inverse of base64_url.
inline std::string from_base64_url(std::string text) {
    for (auto& c : text) c = c == '-' ? '+' : c == '_' ? '/' : c;
    const auto padding = (4 - text.size() % 4) % 4;
    text.append(padding, '=');
    std::string bytes(text.size() / 4 * 3, '\0');
    const int size = EVP_DecodeBlock(reinterpret_cast<unsigned char*>(bytes.data()),
                                     reinterpret_cast<const unsigned char*>(text.data()),
                                     static_cast<int>(text.size()));
    bytes.resize(static_cast<std::size_t>(size) - padding);
    return bytes;
}

}  // namespace asb::gcs
