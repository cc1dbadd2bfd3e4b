#include "repo/repository.hpp"

#include "repo/names.hpp"

namespace asb {
namespace {

Result<std::optional<BodyKeys>> authenticated_keys(const ReadManifest& read,
                                                   KeyProvider* provider) {
    if (!read.manifest.encryption) return std::optional<BodyKeys>();
    const auto& encryption = *read.manifest.encryption;
    if (provider == nullptr)
        return with_hint(
            fail(Code::wrong_key, "{} is encrypted and no key is set", read.manifest.name),
            "set BACKUP_ENCRYPTION_KEY or BACKUP_ENCRYPTION_KEY_FILE");
    ASB_TRY(const auto passphrase, provider->open(encryption.key));
    const auto keys = derive_body_keys(passphrase.text, encryption.salt, passphrase.iterations);
    ASB_CHECK(authenticate(read, keys));
    return std::optional(keys);
}

Result<ReadManifest> load_manifest(StoreReader& store, std::string_view name) {
    const auto key = ObjectKey::parse(fmt::format("{}{}", name, kManifestSuffix));
    if (!key) return key.error();
    auto text = store.get(*key, kManifestBytesMax);
    if (!text && text.error().code == Code::not_found)
        return with_hint(
            fail(Code::not_found, "there is no backup {} in {}", name, store.place()),
            "restore --list shows what there is; a body whose manifest is lost can be read with "
            "--unauthenticated");
    if (!text) return text.error();
    ASB_TRY(auto read, parse_manifest(*text, key->text()));
    if (read.manifest.name == name) return read;
    return with_hint(
        fail(Code::damaged, "{} is the manifest of {}", key->text(), read.manifest.name),
        "give each object the name it was written under");
}

Result<BodyIndex> load_index(StoreReader& store, const ReadManifest& read, std::string_view name) {
    const auto key = index_key(name);
    auto text = store.get(key, kIndexBytesMax);
    if (!text && text.error().code == Code::not_found)
        return fail(Code::damaged, "{} is missing", key.text());
    if (!text) return text.error();
    if (sha256(as_bytes(*text)) != read.manifest.index_digest)
        return with_hint(fail(Code::damaged, "{} is not the index that the manifest of {} names",
                              key.text(), name),
                         "use another copy of this backup, or another backup (restore --list)");
    ASB_TRY(auto index, parse_body_index(*text));
    if (index.body_length != read.manifest.body_length)
        return fail(Code::damaged, "index and manifest of {} disagree on the body's length", name);
    return index;
}

Result<std::unique_ptr<StoredObject>> open_body(StoreReader& store, const Manifest& manifest,
                                                std::string_view name) {
    const auto key = body_key(name, manifest.compressed, manifest.encryption.has_value());
    auto body = store.open(key);
    if (!body && body.error().code == Code::not_found)
        return fail(Code::damaged, "{} is missing", key.text());
    if (!body) return body.error();
    if ((*body)->size() != manifest.body_length)
        return with_hint(fail(Code::damaged, "{} is {} bytes long, its manifest says {}",
                              key.text(), (*body)->size(), manifest.body_length),
                         "use another copy of this backup, or another backup (restore --list)");
    return body;
}

}  // namespace

namespace {

Result<OpenArchive> open_rest(StoreReader& store, std::string_view name, OpenArchive archive) {
    ASB_TRY(archive.index, load_index(store, archive.read, name));
    ASB_TRY(archive.body, open_body(store, archive.read.manifest, name));
    return archive;
}

}  // namespace

Result<OpenArchive> open_archive(StoreReader& store, std::string_view name, KeyProvider* provider) {
    OpenArchive archive;
    ASB_TRY(archive.read, load_manifest(store, name));
    ASB_TRY(archive.keys, authenticated_keys(archive.read, provider));
    return open_rest(store, name, std::move(archive));
}

Result<OpenArchive> open_archive_with(StoreReader& store, std::string_view name,
                                      const BodyKeys* keys) {
    OpenArchive archive;
    ASB_TRY(archive.read, load_manifest(store, name));
    if ((keys != nullptr) != archive.read.manifest.encryption.has_value())
        return fail(Code::wrong_key, "the keys at hand are not those of {}", name);
    if (keys != nullptr) {
        ASB_CHECK(authenticate(archive.read, *keys));
        archive.keys = *keys;
    }
    return open_rest(store, name, std::move(archive));
}

Result<OpenArchive> open_sealed(StoreReader& store, std::string_view name) {
    OpenArchive archive;
    ASB_TRY(archive.read, load_manifest(store, name));
    return open_rest(store, name, std::move(archive));
}

Result<std::optional<BodyKeys>> backup_keys(StoreReader& store, std::string_view name,
                                            KeyProvider* provider) {
    ASB_TRY(const auto read, load_manifest(store, name));
    return authenticated_keys(read, provider);
}

Result<std::size_t> sweep_leftovers(StoreReader& reader, StoreEraser& eraser) {
    ASB_TRY(std::size_t count, eraser.sweep_abandoned());
    ASB_TRY(const auto first_look, reader.list(kNamePrefix));
    ASB_TRY(const auto being_written, eraser.being_written());
    ASB_TRY(const auto second_look, reader.list(kNamePrefix));
    const auto leftovers = unpublished_leftovers(first_look, being_written, second_look);
    ASB_TRY(const auto kept, eraser.erase_all(leftovers));
    return count + leftovers.size() - kept.size();
}

Status ensure_recovery_note(StoreReader& reader, StoreAppender& appender) {
    const auto key = ObjectKey::known(std::string(kRecoveryNoteKey));
    const auto present = reader.open(key);
    if (present || present.error().code != Code::not_found)
        return present ? Status() : Status(present.error());
    auto put = appender.put(key, as_bytes(recovery_note()));
    if (!put && put.error().code == Code::busy) return {};  // another run has just written it
    return put;
}

}  // namespace asb
