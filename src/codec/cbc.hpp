#pragma once
// Why this exists: AES-256-CBC exactly as `openssl enc` writes and reads it: "Salted__", 8 bytes of
// salt, ciphertext with PKCS#7 padding (RFC 5652 6.3). It proves nothing about integrity; segments
// and the manifest's MAC do.

#include <vector>

#include "codec/kdf.hpp"
#include "codec/range.hpp"
#include "io/byte_stream.hpp"

namespace asb {

inline constexpr std::string_view kSaltMagic = "Salted__";
inline constexpr std::size_t kCbcHeaderBytes = 16;
inline constexpr std::size_t kCbcBlockBytes = 16;

// A filter. Writes the header before the first byte; `finish` writes the padding.
class CbcEncryptSink final : public ByteSink {
  public:
    CbcEncryptSink(ByteSink& next, const BodyKeys& keys, const Salt& salt);
    ~CbcEncryptSink() override;
    Status write(Bytes bytes) override;
    Status finish() override;

  private:
    struct State;
    std::unique_ptr<State> state_;
};

// Pulls header and ciphertext from `source`, gives plain bytes. `damaged` when the header or the
// padding is wrong; give it authenticated bytes only, except for archives whose manifest is lost.
class CbcDecryptSource final : public ByteSource {
  public:
    CbcDecryptSource(ByteSource& source, const BodyKeys& keys);
    ~CbcDecryptSource() override;
    Result<Bytes> next() override;

  private:
    struct State;
    std::unique_ptr<State> state_;
};

// What of a body must be there to decrypt `stored`, a range (not empty) of what was encrypted:
// whole blocks, and the one before them.
ByteRange cipher_range(ByteRange stored);

// Decrypts parts: CBC can be entered at every block. `source` gives for each of `ranges` the bytes
// of its cipher_range, one after another; out come the plain bytes of `ranges`, one after another.
// Give it authenticated bytes only.
class CbcRangeSource final : public ByteSource {
  public:
    CbcRangeSource(ByteSource& source, const BodyKeys& keys, std::vector<ByteRange> ranges);
    ~CbcRangeSource() override;
    Result<Bytes> next() override;

  private:
    struct State;
    std::unique_ptr<State> state_;
};

// The salt out of a body's first 16 bytes; `damaged` when they do not begin with "Salted__".
Result<Salt> parse_salt(Bytes header);

}  // namespace asb
