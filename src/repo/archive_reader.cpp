#include "repo/archive_reader.hpp"

#include "codec/cbc.hpp"
#include "codec/gzip.hpp"
#include "codec/segment.hpp"
#include "repo/body_reader.hpp"
#include "repo/tar_stream.hpp"

namespace asb {
namespace {

// Declared from the stored end to the plain end: each stage is destroyed before the one it reads
// from.
class PlainSource {
  public:
    PlainSource(const OpenArchive& archive, std::size_t threads)
        : segments_(body_reader(archive), archive.index.body_length, archive.index.segments,
                    threads),
          last_(&segments_) {
        if (archive.keys) last_ = &decrypt_.emplace(*last_, *archive.keys);
        if (archive.read.manifest.compressed)
            last_ = &inflate_.emplace(*last_, archive.index.member_sizes, threads);
    }
    ByteSource& source() { return *last_; }

  private:
    SegmentSource segments_;
    std::optional<CbcDecryptSource> decrypt_;
    std::optional<GzipMemberSource> inflate_;
    ByteSource* last_;
};

}  // namespace

Status read_archive(const OpenArchive& archive, EntrySink& sink, const ReadOptions& options) {
    const Manifest& manifest = archive.read.manifest;
    PlainSource plain(archive, options.threads);
    TarStream stream(sink, options);
    ASB_CHECK(stream.pump(plain.source()));
    if (stream.plain_bytes() != manifest.plain_bytes ||
        stream.check().entry_count() != manifest.entry_count)
        return fail(Code::damaged,
                    "{} holds {} bytes in {} entries; its manifest says {} bytes in {} entries",
                    manifest.name, stream.plain_bytes(), stream.check().entry_count(),
                    manifest.plain_bytes, manifest.entry_count);
    return stream.check().finish();
}

}  // namespace asb
