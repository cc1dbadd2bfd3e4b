#include "codec/cbc.hpp"

#include <algorithm>

#include "codec/handles.hpp"

namespace asb {
namespace {

// Small enough that what was made is still in the core's own cache when the next stage reads it.
constexpr std::size_t kPieceBytes = 256 * kKiB;

const EVP_CIPHER* aes_256_cbc() {
    static const EvpCipher kAlgorithm(EVP_CIPHER_fetch(nullptr, "AES-256-CBC", nullptr));
    ASB_ASSERT(kAlgorithm != nullptr);
    return kAlgorithm.get();
}

Error does_not_decrypt() {
    return with_hint(fail(Code::damaged, "the body does not decrypt"),
                     "it is damaged, or the key is not the one it was written with");
}

}  // namespace

Result<Salt> parse_salt(Bytes header) {
    if (header.size() < kCbcHeaderBytes || !as_text(header).starts_with(kSaltMagic))
        return with_hint(fail(Code::damaged, "the body does not begin with \"{}\"", kSaltMagic),
                         "it is not encrypted as `openssl enc` does it, or its beginning is lost");
    Salt salt;
    std::copy_n(header.begin() + kSaltMagic.size(), salt.size(), salt.begin());
    return salt;
}

struct CbcEncryptSink::State {
    ByteSink& next;
    Salt salt;
    EvpCipherCtx context{EVP_CIPHER_CTX_new()};
    Buffer out{kPieceBytes + kCbcBlockBytes};
    bool begun = false;

    Status begin();
    Status encrypt(Bytes piece);
};

Status CbcEncryptSink::State::begin() {
    if (begun) return {};
    begun = true;
    std::array<std::byte, kCbcHeaderBytes> header;
    std::copy_n(as_bytes(kSaltMagic).begin(), kSaltMagic.size(), header.begin());
    std::copy(salt.begin(), salt.end(), header.begin() + kSaltMagic.size());
    return next.write(header);
}

Status CbcEncryptSink::State::encrypt(Bytes piece) {
    int count = 0;
    ASB_ASSERT(EVP_EncryptUpdate(context.get(), as_uchar(out.data()), &count,
                                 as_uchar(piece.data()), static_cast<int>(piece.size())) == 1);
    out.resize(static_cast<std::size_t>(count));
    return next.write(out.view());
}

CbcEncryptSink::CbcEncryptSink(ByteSink& next, const BodyKeys& keys, const Salt& salt)
    : state_(new State{.next = next, .salt = salt}) {
    ASB_ASSERT(EVP_EncryptInit_ex2(state_->context.get(), aes_256_cbc(),
                                   as_uchar(keys.cipher_key.data()), as_uchar(keys.iv.data()),
                                   nullptr) == 1);
}

CbcEncryptSink::~CbcEncryptSink() = default;

Status CbcEncryptSink::write(Bytes bytes) {
    ASB_CHECK(state_->begin());
    while (!bytes.empty()) {
        const auto piece = bytes.first(std::min(bytes.size(), kPieceBytes));
        ASB_CHECK(state_->encrypt(piece));
        bytes = bytes.subspan(piece.size());
    }
    return {};
}

Status CbcEncryptSink::finish() {
    ASB_CHECK(state_->begin());
    int count = 0;
    ASB_ASSERT(EVP_EncryptFinal_ex(state_->context.get(), as_uchar(state_->out.data()), &count) ==
               1);
    state_->out.resize(static_cast<std::size_t>(count));
    ASB_CHECK(state_->next.write(state_->out.view()));
    return state_->next.finish();
}

struct CbcDecryptSource::State {
    ByteSource& source;
    EvpCipherCtx context{EVP_CIPHER_CTX_new()};
    Buffer out{kPieceBytes + kCbcBlockBytes};
    Bytes in{};  // of the source's last answer, not yet decrypted
    bool begun = false;
    bool ended = false;

    // False at the end of the source.
    Result<bool> refill();
    Status skip_header();
    void decrypt_piece();
    Result<Bytes> end();
};

Result<bool> CbcDecryptSource::State::refill() {
    if (!in.empty()) return true;
    ASB_TRY(in, source.next());
    return !in.empty();
}

Status CbcDecryptSource::State::skip_header() {
    Buffer header(kCbcHeaderBytes);
    while (header.room() != 0) {
        ASB_TRY(const bool more, refill());
        if (!more) break;
        in = in.subspan(header.append(in));
    }
    ASB_TRY([[maybe_unused]] const auto salt, parse_salt(header.view()));
    begun = true;
    return {};
}

void CbcDecryptSource::State::decrypt_piece() {
    const auto piece = in.first(std::min(in.size(), kPieceBytes));
    int count = 0;
    ASB_ASSERT(EVP_DecryptUpdate(context.get(), as_uchar(out.data()), &count,
                                 as_uchar(piece.data()), static_cast<int>(piece.size())) == 1);
    out.resize(static_cast<std::size_t>(count));
    in = in.subspan(piece.size());
}

Result<Bytes> CbcDecryptSource::State::end() {
    int count = 0;
    if (EVP_DecryptFinal_ex(context.get(), as_uchar(out.data()), &count) != 1)
        return does_not_decrypt();
    ended = true;
    out.resize(static_cast<std::size_t>(count));
    return out.view();
}

CbcDecryptSource::CbcDecryptSource(ByteSource& source, const BodyKeys& keys)
    : state_(new State{.source = source}) {
    ASB_ASSERT(EVP_DecryptInit_ex2(state_->context.get(), aes_256_cbc(),
                                   as_uchar(keys.cipher_key.data()), as_uchar(keys.iv.data()),
                                   nullptr) == 1);
}

CbcDecryptSource::~CbcDecryptSource() = default;

Result<Bytes> CbcDecryptSource::next() {
    if (!state_->begun) ASB_CHECK(state_->skip_header());
    while (!state_->ended) {
        ASB_TRY(const bool more, state_->refill());
        if (!more) return state_->end();
        state_->decrypt_piece();
        // A piece shorter than a block may give nothing yet.
        if (!state_->out.empty()) return state_->out.view();
    }
    return Bytes{};
}

ByteRange cipher_range(ByteRange stored) {
    const auto first = stored.begin / kCbcBlockBytes * kCbcBlockBytes;
    const auto last = (stored.end + kCbcBlockBytes - 1) / kCbcBlockBytes * kCbcBlockBytes;
    // In the body everything stands kCbcHeaderBytes later, and the block before comes along.
    return {first, last + kCbcHeaderBytes};
}

struct CbcRangeSource::State {
    ByteSource& source;
    const BodyKeys& keys;
    std::vector<ByteRange> ranges;
    EvpCipherCtx context{EVP_CIPHER_CTX_new()};
    Buffer out{kPieceBytes + kCbcBlockBytes};
    Bytes in{};
    std::size_t entered = 0;    // ranges begun
    std::uint64_t skip = 0;     // plain bytes of the first block that come before the range
    std::uint64_t give = 0;     // plain bytes of the range still to come
    std::uint64_t to_read = 0;  // ciphertext of the range still to come

    Status refill();
    Status enter(ByteRange range);
    void decrypt_piece();
    Bytes cut();
};

Status CbcRangeSource::State::refill() {
    if (!in.empty()) return {};
    ASB_TRY(in, source.next());
    if (in.empty()) return fail(Code::damaged, "the body ends inside what is to be decrypted");
    return {};
}

Status CbcRangeSource::State::enter(ByteRange range) {
    ++entered;
    const auto cipher = cipher_range(range);
    Buffer before(kCbcBlockBytes);
    while (before.room() != 0) {
        ASB_CHECK(refill());
        in = in.subspan(before.append(in));
    }
    // Before the first block stands the header, which is no ciphertext.
    const auto* iv = cipher.begin == 0 ? as_uchar(keys.iv.data()) : as_uchar(before.data());
    ASB_ASSERT(EVP_DecryptInit_ex2(context.get(), aes_256_cbc(), as_uchar(keys.cipher_key.data()),
                                   iv, nullptr) == 1);
    ASB_ASSERT(EVP_CIPHER_CTX_set_padding(context.get(), 0) == 1);
    skip = range.begin - cipher.begin;
    give = range.end - range.begin;
    to_read = cipher.end - cipher.begin - kCbcBlockBytes;
    return {};
}

void CbcRangeSource::State::decrypt_piece() {
    const auto piece = in.first(std::min<std::uint64_t>({in.size(), kPieceBytes, to_read}));
    int count = 0;
    ASB_ASSERT(EVP_DecryptUpdate(context.get(), as_uchar(out.data()), &count,
                                 as_uchar(piece.data()), static_cast<int>(piece.size())) == 1);
    out.resize(static_cast<std::size_t>(count));
    in = in.subspan(piece.size());
    to_read -= piece.size();
}

// What of the piece belongs to the range.
Bytes CbcRangeSource::State::cut() {
    auto bytes = out.view();
    const auto skipped = std::min<std::uint64_t>(skip, bytes.size());
    bytes = bytes.subspan(skipped);
    skip -= skipped;
    bytes = bytes.first(std::min<std::uint64_t>(give, bytes.size()));
    give -= bytes.size();
    return bytes;
}

CbcRangeSource::CbcRangeSource(ByteSource& source, const BodyKeys& keys,
                               std::vector<ByteRange> ranges)
    : state_(new State{.source = source, .keys = keys, .ranges = std::move(ranges)}) {}

CbcRangeSource::~CbcRangeSource() = default;

Result<Bytes> CbcRangeSource::next() {
    State& state = *state_;
    while (state.to_read != 0 || state.entered < state.ranges.size()) {
        if (state.to_read == 0) ASB_CHECK(state.enter(state.ranges[state.entered]));
        ASB_CHECK(state.refill());
        state.decrypt_piece();
        // A piece shorter than a block may give nothing yet.
        if (const auto bytes = state.cut(); !bytes.empty()) return bytes;
    }
    return Bytes{};
}

}  // namespace asb
