#include "engine/postgres/archive_intake.hpp"

#include "base/text.hpp"

namespace asb {

Status ArchiveIntake::take(const BackupMessage& message) {
    if (const auto* data = std::get_if<ArchiveData>(&message)) return take_data(data->bytes);
    if (const auto* archive = std::get_if<ArchiveBegins>(&message)) return begin_archive(*archive);
    if (std::holds_alternative<ManifestBegins>(message)) {
        if (manifest_) return fail(Code::database, "the server sent two manifests");
        manifest_.emplace();
        return end_archive();
    }
    return {};  // the server's own count: ours is of the same bytes, and finer
}

// "base.tar" is the data directory, "<oid>.tar" a tablespace.
Status ArchiveIntake::begin_archive(const ArchiveBegins& archive) {
    if (manifest_) return fail(Code::database, "the server sent an archive after its manifest");
    ASB_CHECK(end_archive());
    constexpr std::string_view kSuffix = ".tar";
    const std::string_view name = archive.name;
    const std::string_view stem =
        name.ends_with(kSuffix) ? name.substr(0, name.size() - kSuffix.size()) : "";
    if (stem == "base") {
        rehoming_.enter_base();
    } else if (parse_u64(stem)) {
        rehoming_.enter_tablespace(stem);
    } else {
        return fail(Code::database, "the server sent an archive named {}", printable(name));
    }
    parser_ = std::make_unique<TarParser>(rehoming_);
    return {};
}

Status ArchiveIntake::end_archive() {
    if (parser_ == nullptr) return {};
    ASB_CHECK(parser_->finish());
    parser_.reset();
    return {};
}

Status ArchiveIntake::take_data(Bytes bytes) {
    progress_.add(bytes.size());
    if (manifest_) {
        if (manifest_->size() + bytes.size() > kServerManifestBytesMax)
            return fail(Code::database, "the server's manifest is over {}",
                        human_bytes(kServerManifestBytesMax));
        manifest_->append(as_text(bytes));
        return {};
    }
    if (parser_ == nullptr) return fail(Code::database, "the server sent data without an archive");
    return parser_->feed(bytes);
}

Result<ServerManifest> ArchiveIntake::finish() {
    if (!manifest_) return fail(Code::database, "the server sent no manifest");
    ASB_TRY(ServerManifest manifest, parse_server_manifest(*manifest_));
    ASB_CHECK(ledger_.compare(manifest));
    ASB_CHECK(store_manifest());
    return manifest;
}

Status ArchiveIntake::store_manifest() {
    const std::string name = fmt::format("{}/backup_manifest", kBaseFolder);
    ASB_CHECK(sink_.begin(rehoming_.owned(name, EntryType::file, manifest_->size())));
    ASB_CHECK(sink_.write(as_bytes(*manifest_)));
    return sink_.end();
}

}  // namespace asb
