#include <openssl/bio.h>
#include <openssl/evp.h>
#include <openssl/pem.h>

#include <memory>

#include "base/bytes.hpp"
#include "base/json.hpp"
#include "base/text.hpp"
#include "codec/handles.hpp"
#include "store/gcs/credentials.hpp"
#include "store/gcs/encoding.hpp"

namespace asb::gcs {
namespace {

// The longest that Google takes.
constexpr std::chrono::seconds kLife{3600};

struct KeyDeleter {
    void operator()(EVP_PKEY* key) const { EVP_PKEY_free(key); }
    void operator()(BIO* bio) const { BIO_free(bio); }
};
using Key = std::unique_ptr<EVP_PKEY, KeyDeleter>;
using Bio = std::unique_ptr<BIO, KeyDeleter>;

Error unusable_key(const ServiceAccount& account) {
    return with_hint(
        fail(Code::usage, "the private key of {} cannot be used: it is no RSA key in PEM",
             printable(account.email)),
        "make a new key with `gcloud iam service-accounts keys create`, and point "
        "GOOGLE_APPLICATION_CREDENTIALS at it");
}

// Never asks for a passphrase on a terminal.
int no_passphrase(char* /*buffer*/, int /*size*/, int /*writing*/, void* /*user*/) {
    return -1;
}

Key read_key(const Secret& pem) {
    const Bio bio(BIO_new_mem_buf(pem.reveal().data(), static_cast<int>(pem.size())));
    if (bio == nullptr) return nullptr;
    Key key(PEM_read_bio_PrivateKey(bio.get(), nullptr, no_passphrase, nullptr));
    if (key == nullptr || EVP_PKEY_get_base_id(key.get()) != EVP_PKEY_RSA) return nullptr;
    return key;
}

// RSASSA-PKCS1-v1_5 with SHA-256; empty when OpenSSL does not want to.
std::string sign(EVP_PKEY* key, std::string_view text) {
    const EvpMdCtx context(EVP_MD_CTX_new());
    std::size_t size = 0;
    const auto* data = reinterpret_cast<const unsigned char*>(text.data());
    if (context == nullptr ||
        EVP_DigestSignInit(context.get(), nullptr, sha256_algorithm(), nullptr, key) != 1 ||
        EVP_DigestSign(context.get(), nullptr, &size, data, text.size()) != 1)
        return {};
    std::string signature(size, '\0');
    auto* out = reinterpret_cast<unsigned char*>(signature.data());
    if (EVP_DigestSign(context.get(), out, &size, data, text.size()) != 1) return {};
    signature.resize(size);
    return signature;
}

std::int64_t seconds_of(Instant at) {
    return std::chrono::floor<std::chrono::seconds>(at).time_since_epoch().count();
}

}  // namespace

Result<Secret> signed_assertion(const ServiceAccount& account, std::string_view scope, Instant at) {
    Json header{{"alg", "RS256"}, {"typ", "JWT"}};
    if (!account.key_id.empty()) header["kid"] = account.key_id;
    const Json claims{{"iss", account.email},
                      {"scope", scope},
                      {"aud", account.token_uri},
                      {"iat", seconds_of(at)},
                      {"exp", seconds_of(at + kLife)}};
    std::string text = fmt::format("{}.{}", base64_url(as_bytes(canonical(header))),
                                   base64_url(as_bytes(canonical(claims))));
    const auto key = read_key(account.private_key);
    if (key == nullptr) return unusable_key(account);
    const auto signature = sign(key.get(), text);
    if (signature.empty()) return unusable_key(account);
    text += '.';
    text += base64_url(as_bytes(signature));
    return Secret(std::move(text));
}

}  // namespace asb::gcs
