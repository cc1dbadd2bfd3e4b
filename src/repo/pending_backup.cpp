#include <algorithm>

#include "base/text.hpp"
#include "repo/names.hpp"
#include "repo/repository.hpp"

namespace asb {
namespace {

constexpr int kNameTries =
    10;  // one a second; more runs than that a second is not a schedule but a mistake

// What the archive writer pushes into: an object of the store.
class ObjectSink final : public ByteSink {
  public:
    explicit ObjectSink(std::unique_ptr<ObjectWriter> writer) : writer_(std::move(writer)) {}
    Status write(Bytes bytes) override { return writer_->append(bytes); }
    Status finish() override { return {}; }
    Status commit() { return writer_->commit(); }

  private:
    std::unique_ptr<ObjectWriter> writer_;
};

struct Reservation {
    std::string name;
    Instant started_at{};
    std::unique_ptr<ObjectWriter> manifest;
    std::unique_ptr<ObjectWriter> body;
};

// `busy` when any object has the name: what is left of an unfinished backup would be in the way of
// the index.
Result<Reservation> reserve_name(StoreReader& reader, StoreAppender& appender, Instant instant,
                                 bool compressed, bool encrypted) {
    Reservation reservation{
        .name = backup_name(instant), .started_at = instant, .manifest = {}, .body = {}};
    ASB_TRY(const auto present, reader.list(reservation.name + "."));
    if (!present.empty()) return fail(Code::busy, "{} exists already", present.front().key.text());
    ASB_TRY(reservation.manifest, appender.create(manifest_key(reservation.name)));
    ASB_TRY(reservation.body, appender.create(body_key(reservation.name, compressed, encrypted)));
    return reservation;
}

// Until the next name.
std::chrono::milliseconds rest_of_second(Instant instant) {
    constexpr std::chrono::milliseconds kSecond = std::chrono::seconds(1);
    return kSecond - instant.time_since_epoch() % kSecond;
}

Result<Reservation> reserve(StoreReader& reader, StoreAppender& appender, bool compressed,
                            bool encrypted, const StopToken& stop) {
    for (int attempt = 0; attempt < kNameTries; ++attempt) {
        auto reservation = reserve_name(reader, appender, now(), compressed, encrypted);
        if (reservation || reservation.error().code != Code::busy) return reservation;
        ASB_CHECK(stop.wait_until(after(rest_of_second(now()))));
    }
    return with_hint(fail(Code::busy, "no free name for a backup in {} seconds", kNameTries),
                     "other runs are starting a backup every second; start fewer of them");
}

// The newest manifest, whose digest the next one carries.
Result<std::optional<PreviousManifest>> newest_manifest(StoreReader& reader) {
    ASB_TRY(const auto objects, reader.list(kNamePrefix));
    const auto newest =
        std::find_if(objects.rbegin(), objects.rend(), [](const ObjectInfo& object) {
            return object.key.text().ends_with(kManifestSuffix) &&
                   is_backup_name(without_suffix(object.key.text()));
        });
    if (newest == objects.rend()) return std::optional<PreviousManifest>();
    ASB_TRY(const auto text, reader.get(newest->key, kManifestBytesMax));
    return std::optional(
        PreviousManifest{std::string(without_suffix(newest->key.text())), sha256(as_bytes(text))});
}

std::string random_id() {
    std::array<std::byte, 16> bytes{};
    random_bytes(bytes);
    return to_hex(bytes);
}

class Pending final : public PendingBackup {
  public:
    Pending(StoreAppender& appender, Reservation reservation, Manifest manifest,
            std::optional<std::shared_future<BodyKeys>> keys, std::size_t threads)
        : appender_(appender),
          manifest_(std::move(manifest)),
          manifest_writer_(std::move(reservation.manifest)),
          keys_(std::move(keys)),
          body_(std::move(reservation.body)),
          archive_(body_, {.compressed = manifest_.compressed,
                           .keys = keys_,
                           .salt = manifest_.encryption ? manifest_.encryption->salt : Salt{},
                           .threads = threads}) {}

    [[nodiscard]] const std::string& name() const override { return manifest_.name; }
    EntrySink& entries() override { return archive_; }

    Result<Manifest> publish(Outcome outcome) override {
        ASB_TRY(const auto summary, archive_.finish());
        const auto index = to_text(summary.index);
        describe(summary, index, std::move(outcome));
        ASB_TRY(const auto text, to_published(manifest_, keys_ ? &keys_->get() : nullptr));
        ASB_CHECK(body_.commit());
        ASB_CHECK(appender_.put(index_key(manifest_.name), as_bytes(index)));
        ASB_CHECK(manifest_writer_->append(as_bytes(text)));
        ASB_CHECK(manifest_writer_->commit());
        return manifest_;
    }

  private:
    void describe(const ArchiveSummary& summary, const std::string& index, Outcome outcome) {
        manifest_.finished_at = asb::now();
        manifest_.engines = std::move(outcome.engines);
        manifest_.log = std::move(outcome.log);
        manifest_.parent = std::move(outcome.parent);
        manifest_.body_length = summary.index.body_length;
        manifest_.plain_bytes = summary.plain_bytes;
        manifest_.entry_count = summary.entry_count;
        manifest_.inner_manifest_offset = summary.inner_manifest_offset;
        manifest_.index_digest = sha256(as_bytes(index));
        manifest_.incomplete_count = outcome.incomplete.size();
        for (const auto& item : outcome.incomplete)
            if (manifest_.incomplete.size() < kIncompleteMax)
                manifest_.incomplete.push_back(printable(item).substr(0, 200));
        if (manifest_.encryption)
            manifest_.encryption->key_check = key_check(keys_->get(), manifest_.id);
    }

    StoreAppender& appender_;
    Manifest manifest_;
    std::unique_ptr<ObjectWriter> manifest_writer_;
    std::optional<std::shared_future<BodyKeys>> keys_;
    ObjectSink body_;
    ArchiveWriter archive_;
};

}  // namespace

Result<std::unique_ptr<PendingBackup>> PendingBackup::begin(
    StoreReader& reader, StoreAppender& appender, BackupIdentity identity,
    std::optional<KeyProvider::Fresh> key, std::size_t threads, const StopToken& stop) {
    Manifest manifest;
    ASB_TRY(manifest.previous, newest_manifest(reader));
    ASB_TRY(auto reservation,
            reserve(reader, appender, identity.compressed, key.has_value(), stop));
    manifest.id = random_id();
    manifest.name = reservation.name;
    manifest.type = identity.type;
    manifest.started_at = reservation.started_at;
    manifest.tool_version = std::move(identity.tool_version);
    manifest.hostname = std::move(identity.hostname);
    manifest.compressed = identity.compressed;
    std::optional<std::shared_future<BodyKeys>> keys;
    if (key) {
        manifest.encryption.emplace().key = key->reference;
        random_bytes(manifest.encryption->salt);
        keys = std::async(std::launch::async, derive_body_keys, key->passphrase.text,
                          manifest.encryption->salt, key->passphrase.iterations)
                   .share();
    }
    return std::unique_ptr<PendingBackup>(new Pending(
        appender, std::move(reservation), std::move(manifest), std::move(keys), threads));
}

}  // namespace asb
