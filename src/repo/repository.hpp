#pragma once
// Why this exists: the commit protocol. A backup is reserved by its manifest's name, its body and
// index are published, and its manifest last; that one act makes it exist. No lock: names are
// write-once.

#include <future>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/log.hpp"
#include "repo/archive_reader.hpp"
#include "repo/archive_writer.hpp"
#include "repo/catalog.hpp"

namespace asb {

struct BackupIdentity {
    BackupType type = BackupType::full;
    std::string tool_version;
    std::string hostname;
    bool compressed = true;
};

// One backup being written. Destroyed without a publish, it leaves nothing behind (a crash leaves
// what the next sweep removes). One thread at a time.
class PendingBackup {
  public:
    // Reserves the name of the current second, or of one of the next ones when it is taken.
    // `passphrase` absent: not encrypted. The keys are derived on a thread of their own meanwhile.
    static Result<std::unique_ptr<PendingBackup>> begin(StoreReader& reader,
                                                        StoreAppender& appender,
                                                        BackupIdentity identity,
                                                        std::optional<KeyProvider::Fresh> key,
                                                        std::size_t threads, const StopToken& stop);
    virtual ~PendingBackup() = default;
    [[nodiscard]] virtual const std::string& name() const = 0;
    virtual EntrySink& entries() = 0;
    // Ends the body and publishes body, index and manifest, in this order. From its first step on
    // it no longer listens to stop requests: it takes milliseconds.
    struct Outcome {
        Json engines = Json::object();
        std::vector<std::string> incomplete;
        std::optional<ManifestLog> log = {};
        std::optional<ParentBackup> parent = {};  // of an incremental backup
    };
    virtual Result<Manifest> publish(Outcome outcome) = 0;
};

// Opens a published backup by name: manifest, key, MAC, index; nothing of the body is read yet.
// `not_found` when there is no manifest, `wrong_key` before any download, `damaged` when something
// was changed. `provider` may be null for a backup that is not encrypted.
Result<OpenArchive> open_archive(StoreReader& store, std::string_view name, KeyProvider* provider);

// The same with keys that were derived before; null for a backup that is not encrypted.
Result<OpenArchive> open_archive_with(StoreReader& store, std::string_view name,
                                      const BodyKeys* keys);
// The same without a key: the digests hold it together, and nothing proves who wrote it.
Result<OpenArchive> open_sealed(StoreReader& store, std::string_view name);
// The keys of an encrypted backup, authenticated against its manifest; nullopt: it is not
// encrypted. Takes as long as the key's stretching does.
Result<std::optional<BodyKeys>> backup_keys(StoreReader& store, std::string_view name,
                                            KeyProvider* provider);

// Removes what crashed runs left behind: temporaries of dead writers, and objects that never got
// their manifest. Returns how many objects went.
Result<std::size_t> sweep_leftovers(StoreReader& reader, StoreEraser& eraser);

// Puts RESTORE.txt there when it is missing: the recipe with stock tools.
Status ensure_recovery_note(StoreReader& reader, StoreAppender& appender);
// Its text.
std::string recovery_note();

}  // namespace asb
