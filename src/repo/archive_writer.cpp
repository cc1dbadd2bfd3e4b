#include "repo/archive_writer.hpp"

#include "codec/cbc.hpp"
#include "codec/gzip.hpp"
#include "codec/segment.hpp"
#include "repo/inner_manifest.hpp"

namespace asb {
namespace {

// Encrypts with keys that may not be there yet when the archive is opened.
class LateEncryptSink final : public ByteSink {
  public:
    LateEncryptSink(ByteSink& next, std::shared_future<BodyKeys> keys, const Salt& salt)
        : next_(next), keys_(std::move(keys)), salt_(salt) {}
    Status write(Bytes bytes) override { return sink().write(bytes); }
    Status finish() override { return sink().finish(); }

  private:
    CbcEncryptSink& sink() {
        if (!sink_) sink_.emplace(next_, keys_.get(), salt_);
        return *sink_;
    }
    ByteSink& next_;
    std::shared_future<BodyKeys> keys_;
    Salt salt_;
    std::optional<CbcEncryptSink> sink_;
};

EntryHeader inner_manifest_header(std::size_t size) {
    EntryHeader header;
    header.name = kInnerManifestName;
    header.size = size;
    header.mode = 0600;
    return header;
}

}  // namespace

// Declared from the end of the chain to its beginning, so that each stage is destroyed before the
// one it writes to.
struct ArchiveWriter::State {
    State(ByteSink& body, const ArchiveOptions& options) : segments(body) {
        ByteSink* next = &segments;
        if (options.keys) next = &encrypt.emplace(*next, *options.keys, options.salt);
        if (options.compressed)
            next = &gzip.emplace(*next, GzipMemberSink::Options{.threads = options.threads});
        tar.emplace(*next);
    }

    SegmentSink segments;
    std::optional<LateEncryptSink> encrypt;
    std::optional<GzipMemberSink> gzip;
    std::optional<TarWriter> tar;
    InnerManifestText entries;
    InnerEntry entry;
    EntryDigest digest;
};

ArchiveWriter::ArchiveWriter(ByteSink& body, const ArchiveOptions& options)
    : state_(std::make_unique<State>(body, options)) {}

ArchiveWriter::~ArchiveWriter() = default;

Status ArchiveWriter::begin(const EntryHeader& header) {
    ASB_CHECK(safe_name(header.name));
    ASB_CHECK(state_->tar->begin(header));
    state_->digest.begin(header.name);
    state_->entry = InnerEntry{.name = header.name,
                               .type = header.type,
                               .offset = state_->tar->offset(),
                               .size = header.size,
                               .digest = {}};
    return {};
}

Status ArchiveWriter::write(Bytes bytes) {
    state_->digest.update(bytes);
    return state_->tar->write(bytes);
}

Status ArchiveWriter::end() {
    ASB_CHECK(state_->tar->end());
    state_->entry.digest = state_->digest.finish();
    state_->entries.add(state_->entry);
    return {};
}

Result<ArchiveSummary> ArchiveWriter::finish() {
    State& state = *state_;
    ArchiveSummary summary;
    summary.entry_count = state.entries.count();
    const auto inner = state.entries.finish();
    summary.inner_manifest_offset = state.tar->offset();
    ASB_CHECK(state.tar->begin(inner_manifest_header(inner.size())));
    ASB_CHECK(state.tar->write(as_bytes(inner)));
    ASB_CHECK(state.tar->end());
    ASB_CHECK(state.tar->finish());
    summary.plain_bytes = state.tar->offset();
    summary.index.body_length = state.segments.length();
    summary.index.segments = state.segments.digests();
    if (state.gzip) summary.index.member_sizes = state.gzip->member_sizes();
    return summary;
}

}  // namespace asb
