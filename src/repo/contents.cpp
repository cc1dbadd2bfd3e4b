// Finding and reading the list at the end of an archive.

#include <algorithm>

#include "base/text.hpp"
#include "codec/gzip.hpp"
#include "codec/tar_format.hpp"
#include "repo/pieces.hpp"

namespace asb {
namespace {

// Takes the one entry that may come: the inner manifest.
class InnerManifestSink final : public EntrySink {
  public:
    Status begin(const EntryHeader& header) override {
        if (header.name != kInnerManifestName || seen_ || header.size > kInnerManifestBytesMax)
            return fail(Code::damaged, "the archive does not end with its inner manifest");
        seen_ = true;
        return {};
    }
    Status write(Bytes bytes) override {
        text_ += as_text(bytes);
        return {};
    }
    Status end() override { return {}; }
    [[nodiscard]] const std::string& text() const { return text_; }
    [[nodiscard]] bool seen() const { return seen_; }

  private:
    std::string text_;
    bool seen_ = false;
};

struct Tail {
    std::string text;
    std::uint64_t begin = 0;  // in the tar stream
    std::uint64_t stored_bytes_read = 0;
};

Result<Tail> read_tail(const OpenArchive& archive, std::uint64_t begin,
                       const ReadOptions& options) {
    Tail tail{.text = {}, .begin = begin};
    ASB_TRY(const auto pieces, pieces_of(archive, {{begin, archive.read.manifest.plain_bytes}}));
    tail.stored_bytes_read = pieces.stored_bytes;
    PieceSource source(archive, pieces, options.threads);
    while (true) {
        ASB_CHECK(options.stop.check());
        ASB_TRY(const Bytes bytes, source.next());
        if (bytes.empty()) return tail;
        tail.text += as_text(bytes);
    }
}

// Whether a tar header of the inner manifest stands there, with the size that leads exactly to the
// end. What it is looked for in is a list in text, which has no zero bytes: it cannot be mistaken.
bool is_inner_header(std::string_view rest) {
    const auto header = as_bytes(rest.substr(0, tar::kBlockBytes));
    const auto name = rest.substr(tar::kName.offset, kInnerManifestName.size() + 1);
    if (name.substr(0, kInnerManifestName.size()) != kInnerManifestName || name.back() != '\0')
        return false;
    const auto stored = rest.substr(tar::kChecksum.offset, 6);
    return fmt::format("{:06o}", tar::checksum(header)) == stored;
}

std::optional<std::size_t> find_inner_header(std::string_view text) {
    for (std::size_t at = text.size() / tar::kBlockBytes * tar::kBlockBytes; at != 0;) {
        at -= tar::kBlockBytes;
        if (text.size() - at >= tar::kBlockBytes && is_inner_header(text.substr(at))) return at;
    }
    return std::nullopt;
}

// In archives of versions that did not write down where it begins: ever longer ends are looked
// through.
Result<Tail> search_tail(const OpenArchive& archive, const ReadOptions& options) {
    const auto plain_bytes = archive.read.manifest.plain_bytes;
    std::uint64_t read = 0;
    for (std::uint64_t length = kMemberPlainBytes;; length *= 4) {
        const auto back = std::min(length, plain_bytes) / tar::kBlockBytes * tar::kBlockBytes;
        ASB_TRY(auto tail, read_tail(archive, plain_bytes - back, options));
        read += tail.stored_bytes_read;
        if (const auto at = find_inner_header(tail.text)) {
            tail.text.erase(0, *at);
            tail.begin += *at;
            tail.stored_bytes_read = read;
            return tail;
        }
        if (length >= plain_bytes || length > kInnerManifestBytesMax)
            return fail(Code::damaged, "the archive has no inner manifest");
    }
}

}  // namespace

Result<ArchiveContents> read_contents(const OpenArchive& archive, const ReadOptions& options) {
    const Manifest& manifest = archive.read.manifest;
    const auto known = manifest.inner_manifest_offset;
    ASB_TRY(const auto tail,
            known ? read_tail(archive, *known, options) : search_tail(archive, options));
    InnerManifestSink sink;
    TarParser parser(sink);
    ASB_CHECK(parser.feed(as_bytes(tail.text)));
    ASB_CHECK(parser.finish());
    if (!sink.seen()) return fail(Code::damaged, "the archive has no inner manifest");
    ArchiveContents contents;
    ASB_TRY(contents.entries, parse_inner_manifest(sink.text(), tail.begin));
    if (contents.entries.size() != manifest.entry_count)
        return fail(Code::damaged,
                    "the inner manifest of {} lists {} entries; its manifest says {}",
                    manifest.name, contents.entries.size(), manifest.entry_count);
    contents.end = tail.begin;
    contents.stored_bytes_read = tail.stored_bytes_read;
    return contents;
}

}  // namespace asb
