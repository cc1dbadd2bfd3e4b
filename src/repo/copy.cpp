#include "repo/copy.hpp"

#include <algorithm>
#include <functional>
#include <vector>

#include "codec/segment.hpp"
#include "repo/body_reader.hpp"
#include "repo/names.hpp"
#include "repo/repository.hpp"

namespace asb {
namespace {

// Every piece of the body, checked against its digest.
Status read_body(const OpenArchive& archive, const std::function<Status(Bytes)>& take,
                 const CopyOptions& options) {
    SegmentSource source(body_reader(archive), archive.index.body_length, archive.index.segments,
                         options.threads);
    for (;;) {
        ASB_CHECK(options.stop.check());
        ASB_TRY(const auto bytes, source.next());
        if (bytes.empty()) return {};
        ASB_CHECK(take(bytes));
        if (options.progress != nullptr) options.progress->add(bytes.size());
    }
}

}  // namespace

Result<std::uint64_t> copy_backup(StoreReader& from, StoreAppender& to, std::string_view name,
                                  const CopyOptions& options) {
    ASB_TRY(const auto archive, open_sealed(from, name));
    const auto& manifest = archive.read.manifest;
    ASB_TRY(const auto manifest_text, from.get(manifest_key(name), kManifestBytesMax));
    ASB_TRY(const auto index_text, from.get(index_key(name), kIndexBytesMax));
    if (sha256(as_bytes(index_text)) != manifest.index_digest)
        return fail(Code::damaged, "{} changed while it was read", index_key(name).text());
    // As a backup does: the name is reserved first and comes to be last.
    ASB_TRY(const auto published, to.create(manifest_key(name)));
    ASB_TRY(const auto body,
            to.create(body_key(name, manifest.compressed, manifest.encryption.has_value())));
    ASB_CHECK(read_body(
        archive, [&](Bytes bytes) { return body->append(bytes); }, options));
    ASB_CHECK(body->commit());
    ASB_CHECK(to.put(index_key(name), as_bytes(index_text)));
    ASB_CHECK(published->append(as_bytes(manifest_text)));
    ASB_CHECK(published->commit());
    return manifest.body_length + index_text.size() + manifest_text.size();
}

Status check_bytes(StoreReader& store, std::string_view name, const CopyOptions& options) {
    ASB_TRY(const auto archive, open_sealed(store, name));
    return read_body(
        archive, [](Bytes /*bytes*/) { return Status(); }, options);
}

Result<std::uint64_t> copy_object(StoreReader& from, StoreAppender& to, const ObjectKey& key,
                                  const CopyOptions& options) {
    ASB_TRY(const auto object, from.open(key));
    auto writer = to.create(key);
    if (!writer && writer.error().code == Code::busy) return std::uint64_t{0};
    if (!writer) return writer.error();
    std::vector<std::byte> piece(std::min<std::uint64_t>(object->size(), kSegmentBytes));
    for (std::uint64_t offset = 0; offset < object->size(); offset += piece.size()) {
        ASB_CHECK(options.stop.check());
        piece.resize(std::min<std::uint64_t>(piece.size(), object->size() - offset));
        ASB_CHECK(object->read_at(offset, piece));
        ASB_CHECK((*writer)->append(piece));
        if (options.progress != nullptr) options.progress->add(piece.size());
    }
    auto done = (*writer)->commit();
    if (!done.ok() && done.error().code == Code::busy) return std::uint64_t{0};
    if (!done.ok()) return done.error();
    return object->size();
}

}  // namespace asb
