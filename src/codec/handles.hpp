#pragma once
// Why this exists: OpenSSL's C handles, owned by unique_ptr, and the algorithms fetched once a
// process instead of once a use.

#include <openssl/evp.h>

#include <memory>

namespace asb {

struct EvpDeleter {
    void operator()(EVP_MD* md) const { EVP_MD_free(md); }
    void operator()(EVP_MD_CTX* context) const { EVP_MD_CTX_free(context); }
    void operator()(EVP_CIPHER* cipher) const { EVP_CIPHER_free(cipher); }
    void operator()(EVP_CIPHER_CTX* context) const { EVP_CIPHER_CTX_free(context); }
};
using EvpMd = std::unique_ptr<EVP_MD, EvpDeleter>;
using EvpMdCtx = std::unique_ptr<EVP_MD_CTX, EvpDeleter>;
using EvpCipher = std::unique_ptr<EVP_CIPHER, EvpDeleter>;
using EvpCipherCtx = std::unique_ptr<EVP_CIPHER_CTX, EvpDeleter>;

// Borrowed for the life of the process; any thread.
const EVP_MD* sha256_algorithm();

}  // namespace asb
