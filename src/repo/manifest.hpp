#pragma once
// Why this exists: the document that makes a backup exist. Its one MAC covers everything that says
// what the backup is, and through the index's digest every byte of the body.

#include <optional>
#include <string>
#include <vector>

#include "base/clock.hpp"
#include "base/json.hpp"
#include "codec/digest.hpp"
#include "codec/kdf.hpp"
#include "engine/log.hpp"
#include "keys/key_provider.hpp"

namespace asb {

inline constexpr int kManifestVersion = 1;
inline constexpr std::size_t kManifestBytesMax = 16 * kKiB;  // docs/FORMAT.md

enum class BackupType { full, config, incremental };

std::string_view to_text(BackupType type);
std::optional<BackupType> parse_backup_type(std::string_view text);

// How to derive the body's keys; absent when the body is not encrypted.
struct ManifestEncryption {
    KeyReference key;
    Salt salt{};  // also in the body's header; here, so that a key is checked before any download
    std::array<std::byte, 16> key_check{};  // HMAC(Kmac, "kcv" + id), first 16 bytes
};

struct PreviousManifest {
    std::string name;
    Digest digest{};
};

// The backup whose end an incremental one goes on from.
struct ParentBackup {
    std::string id;
    std::string name;
};

// What a backup holds of a database's log.
struct ManifestLog {
    std::string engine;  // "postgresql"
    LogFacts facts;
};

// Never changes once published; read-only from any thread.
struct Manifest {
    std::string id;  // 32 hex digits, random
    std::string name;
    BackupType type = BackupType::full;
    Instant started_at{};
    Instant finished_at{};
    std::string tool_version;
    std::string hostname;
    Json engines = Json::object();  // engine name -> what that engine reports (BackupFacts::engine)
    bool compressed = true;
    std::optional<ManifestEncryption> encryption;
    std::uint64_t body_length = 0;  // stored bytes
    std::uint64_t plain_bytes = 0;  // bytes of the tar stream
    std::uint64_t entry_count = 0;  // without manifest-inner.json
    // Where the inner manifest's tar header begins in the tar stream; absent in what older versions
    // wrote.
    std::optional<std::uint64_t> inner_manifest_offset;
    Digest index_digest{};
    std::vector<std::string>
        incomplete;  // what is missing or not whole, named; the first kIncompleteMax
    std::uint64_t incomplete_count = 0;
    std::optional<PreviousManifest> previous;
    std::optional<ParentBackup> parent;  // of an incremental backup
    std::optional<ManifestLog> log;      // absent when nothing can go on from this backup
};

inline constexpr std::size_t kIncompleteMax = 32;  // more would not fit kManifestBytesMax

// The bytes to publish: canonical JSON and a newline, with the mac when the body is encrypted
// (`keys` non-null). `failed` when it would be larger than kManifestBytesMax.
Result<std::string> to_published(const Manifest& manifest, const BodyKeys* keys);

// A manifest as it was read: trusted only after `authenticate`.
struct ReadManifest {
    Manifest manifest;
    Json document;  // as read, for the MAC
};

// Shape, version, canonical form, own digest and bounds; `damaged` otherwise. Proves nothing about
// who wrote it.
Result<ReadManifest> parse_manifest(std::string_view text, std::string_view what);

// The key_check of a backup with this id.
std::array<std::byte, 16> key_check(const BodyKeys& keys, std::string_view id);

// `wrong_key` when the keys are not the ones of this backup, `damaged` when the manifest was
// changed.
Status authenticate(const ReadManifest& read, const BodyKeys& keys);

}  // namespace asb
