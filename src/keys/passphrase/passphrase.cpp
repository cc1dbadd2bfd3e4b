#include "keys/passphrase/passphrase.hpp"

#include <algorithm>
#include <array>

#include "base/text.hpp"

namespace asb {
namespace {

constexpr std::string_view kProviderName = "passphrase";
constexpr std::string_view kKeyOption = "BACKUP_ENCRYPTION_KEY";

// OWASP's figure for PBKDF2-HMAC-SHA256 (Password Storage Cheat Sheet, 2023): about a second.
constexpr std::uint32_t kStretchedIterations = 600'000;
// The default of `openssl enc -pbkdf2`; a key of full entropy needs no stretching.
constexpr std::uint32_t kFullEntropyIterations = 10'000;
// What a manifest may ask for: less was never written by anybody, more would take minutes.
constexpr std::uint32_t kIterationsMin = 1'000;
constexpr std::uint32_t kIterationsMax = 10'000'000;

constexpr std::size_t kKeyBytesMin = 12;
// openssl reads a passphrase into APP_PASS_LEN = 1024 bytes (apps/include/apps.h), its end
// included.
constexpr std::size_t kKeyBytesMax = 1023;

// As they stand in the product's documentation: anybody knows them.
constexpr std::array<std::string_view, 2> kExampleKeys = {"your-encryption-key",
                                                          "your-strong-encryption-key"};

constexpr std::array kOptions = {
    Option{.name = kKeyOption,
           .kind = OptionKind::text,
           .default_value = "",
           .summary = "the passphrase that encrypts backups; make one with: openssl rand -hex 32",
           .secret = true},
};

bool is_hex_digit(char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

// Both alphabets of RFC 4648.
bool is_base64_digit(char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '+' ||
           c == '/' || c == '-' || c == '_';
}

// Whether the key looks like 32 random bytes, as `openssl rand -hex 32` and `-base64 32` print
// them.
bool has_full_entropy(std::string_view key) {
    constexpr std::size_t kHexDigits = 64;
    constexpr std::size_t kBase64Digits = 43;  // and one '=' of padding, or one digit more
    if (key.size() == kHexDigits) return std::all_of(key.begin(), key.end(), is_hex_digit);
    if (key.size() == kBase64Digits + 1 && key.back() == '=') key.remove_suffix(1);
    if (key.size() != kBase64Digits && key.size() != kBase64Digits + 1) return false;
    return std::all_of(key.begin(), key.end(), is_base64_digit);
}

Error refused(std::string_view problem) {
    return with_hint(fail(Code::usage, "{} {}", kKeyOption, problem),
                     "set BACKUP_ENCRYPTION_KEY or BACKUP_ENCRYPTION_KEY_FILE; "
                     "`openssl rand -hex 32` makes a key: keep a copy away from the backups");
}

// The key itself never stands in an error.
Status check_key(const std::string& key) {
    if (key.empty()) return refused("is not set");
    if (std::find(kExampleKeys.begin(), kExampleKeys.end(), key) != kExampleKeys.end())
        return refused("is the example of the documentation, which everybody knows");
    if (key.find_first_of(std::string_view("\0\n\r", 3)) != std::string::npos)
        return refused("holds a line break or a zero byte");
    if (key.size() < kKeyBytesMin)
        return refused(fmt::format("is too short: it has {} characters, and needs {}", key.size(),
                                   kKeyBytesMin));
    if (key.size() > kKeyBytesMax)
        return refused(fmt::format("is too long: openssl reads at most {} bytes", kKeyBytesMax));
    return {};
}

class PassphraseKey : public KeyProvider {
  public:
    explicit PassphraseKey(Secret key) : key_(std::move(key)) {}

    [[nodiscard]] std::string_view name() const override { return kProviderName; }

    Result<Fresh> fresh() override {
        const std::uint32_t iterations =
            has_full_entropy(key_.reveal()) ? kFullEntropyIterations : kStretchedIterations;
        return Fresh{.passphrase = {key_, iterations},
                     .reference = {.provider = std::string(kProviderName),
                                   .key_id = std::string(kProviderName),
                                   .iterations = iterations}};
    }

    Result<BodyPassphrase> open(const KeyReference& reference) override {
        if (reference.provider != kProviderName)
            return with_hint(
                fail(Code::wrong_key, "key '{}' is one of the provider '{}', not a passphrase",
                     printable(reference.key_id), printable(reference.provider)),
                "give the settings of that provider");
        if (reference.iterations < kIterationsMin || reference.iterations > kIterationsMax)
            return fail(Code::damaged, "{} iterations of PBKDF2 are outside {} to {}",
                        reference.iterations, kIterationsMin, kIterationsMax);
        return BodyPassphrase{key_, reference.iterations};
    }

  private:
    const Secret key_;
};

Result<std::unique_ptr<KeyProvider>> open_passphrase(const Settings& settings) {
    Secret key(settings.text(kKeyOption));
    ASB_CHECK(check_key(key.reveal()));
    return std::unique_ptr<KeyProvider>(std::make_unique<PassphraseKey>(std::move(key)));
}

}  // namespace

const KeyProviderDriver kPassphraseKey = {
    .name = kProviderName,
    .summary = "the passphrase BACKUP_ENCRYPTION_KEY, kept by you",
    .options = kOptions,
    .open = open_passphrase,
};

}  // namespace asb
