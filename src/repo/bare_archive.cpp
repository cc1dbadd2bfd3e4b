// The reader of last resort: a body whose manifest and index are lost.

#include <algorithm>
#include <array>

#include "codec/cbc.hpp"
#include "codec/gzip.hpp"
#include "repo/archive_reader.hpp"
#include "repo/tar_stream.hpp"

namespace asb {
namespace {

constexpr std::size_t kBlockBytes = 1 * kMiB;
// What archives in the field were written with, most likely first: ours (both), and openssl's own
// default.
constexpr std::array<std::uint32_t, 3> kIterations = {600'000, 10'000, 100'000};

bool is_gzip(Bytes bytes) {
    return bytes.size() >= 3 && bytes[0] == std::byte{0x1f} && bytes[1] == std::byte{0x8b} &&
           bytes[2] == std::byte{0x08};
}

bool is_tar(Bytes bytes) {
    return bytes.size() >= 262 && as_text(bytes.subspan(257, 5)) == "ustar";
}

// A stored object from beginning to end, unchecked.
class ObjectSource final : public ByteSource {
  public:
    explicit ObjectSource(StoredObject& object) : object_(object), block_(kBlockBytes) {}
    Result<Bytes> next() override {
        block_.resize(static_cast<std::size_t>(
            std::min<std::uint64_t>(kBlockBytes, object_.size() - offset_)));
        ASB_CHECK(object_.read_at(offset_, {block_.data(), block_.size()}));
        offset_ += block_.size();
        return block_.view();
    }

  private:
    StoredObject& object_;
    Buffer block_;
    std::uint64_t offset_ = 0;
};

// Gives `first` and then the rest of `rest`, from which it was pulled.
class PrefixedSource final : public ByteSource {
  public:
    PrefixedSource(Bytes first, ByteSource& rest) : first_(first), rest_(rest) {}
    Result<Bytes> next() override {
        if (first_.empty()) return rest_.next();
        return std::exchange(first_, Bytes());
    }

  private:
    Bytes first_;
    ByteSource& rest_;
};

// The first plain bytes that these keys give, to see whether they are the right ones.
Result<bool> opens(StoredObject& object, const BodyKeys& keys) {
    ObjectSource source(object);
    CbcDecryptSource decrypt(source, keys);
    auto first = decrypt.next();
    if (!first) return false;
    return is_gzip(*first) || is_tar(*first);
}

struct FoundKeys {
    std::uint32_t iterations = 0;
    std::optional<BodyKeys> keys;
};

Result<FoundKeys> find_keys(const BareArchive& archive) {
    std::array<std::byte, kCbcHeaderBytes> header{};
    if (archive.body->size() < header.size()) return FoundKeys{};
    ASB_CHECK(archive.body->read_at(0, header));
    const auto salt = parse_salt(header);
    if (!salt) return FoundKeys{};  // not encrypted
    if (archive.passphrase.empty())
        return with_hint(fail(Code::wrong_key, "the archive is encrypted and no key is set"),
                         "set BACKUP_ENCRYPTION_KEY or BACKUP_ENCRYPTION_KEY_FILE");
    for (const auto iterations : kIterations) {
        FoundKeys found{iterations, derive_body_keys(archive.passphrase, salt.value(), iterations)};
        ASB_TRY(const bool right, opens(*archive.body, *found.keys));
        if (right) return found;
    }
    return with_hint(fail(Code::wrong_key, "the key does not open this archive"),
                     "it was written with another key, or it is not a backup archive");
}

}  // namespace

Result<BareReport> read_bare_archive(const BareArchive& archive, EntrySink& sink,
                                     const ReadOptions& options) {
    ASB_TRY(const auto found, find_keys(archive));
    ObjectSource stored(*archive.body);
    std::optional<CbcDecryptSource> decrypt;
    std::optional<GzipStreamSource> inflate;
    ByteSource* source = &stored;
    if (found.keys) source = &decrypt.emplace(*source, *found.keys);

    TarStream stream(sink, options);
    ASB_TRY(const Bytes first, source->next());
    PrefixedSource whole(first, *source);
    ByteSource* plain = &whole;
    if (is_gzip(first)) plain = &inflate.emplace(whole);
    ASB_CHECK(stream.pump(*plain));
    return BareReport{.has_inner_manifest = stream.check().has_inner_manifest(),
                      .iterations = found.iterations};
}

}  // namespace asb
