#include "engine/mongodb/oplog_window.hpp"

#include <algorithm>

#include "base/text.hpp"
#include "engine/mongodb/bson_frame.hpp"
#include "engine/mongodb/oplog_update.hpp"

namespace asb::mongodb {
namespace {

// _ids asked for in one find: far below the size of a command.
constexpr std::size_t kFetchIdsMax = 1'000;
constexpr std::size_t kFetchBytesMax = 4 * kMiB;
// Bytes and documents of one batch of writes; the server takes 100,000 and 48 MB.
constexpr std::size_t kBatchDocumentsMax = 1'000;
constexpr std::size_t kBatchBytesMax = 4 * kMiB;
// So many documents without which the backup is torn are enough to say so.
constexpr std::size_t kMissingMax = 100'000;

Error no_id(const OplogEntry& entry) {
    return fail(Code::damaged, "the oplog entry {} on {} names no _id", position_text(entry.ts),
                printable(entry.name_space()));
}

// Of an `u` it stands in o2; of `i` and `d` in o.
std::optional<BsonElement> id_of(const OplogEntry& entry) {
    return entry.kind == 'u' ? entry.o2.find("_id") : entry.o.find("_id");
}

// Hands on documents in batches of a bounded size.
template <typename Send>
class Batcher {
  public:
    explicit Batcher(Send send) : send_(std::move(send)) {}
    Status add(std::string document) {
        bytes_ += document.size();
        batch_.push_back(std::move(document));
        return bytes_ >= kBatchBytesMax || batch_.size() >= kBatchDocumentsMax ? flush() : Status();
    }
    Status flush() {
        bytes_ = 0;
        if (batch_.empty()) return {};
        std::vector<std::string> batch;
        batch.swap(batch_);
        return send_(std::move(batch));
    }

  private:
    Send send_;
    std::vector<std::string> batch_;
    std::size_t bytes_ = 0;
};

}  // namespace

Status OplogWindow::take(StagedCollection& collection, const OplogEntry& entry) {
    const auto id = id_of(entry);
    if (!id) return no_id(entry);
    const auto key = id_key(*id);
    auto [place, is_new] = collected_[&collection].try_emplace(key);
    auto& pending = place->second;
    if (is_new) {
        pending.id = BsonWriter().add(*id).finish();
        ++count_;
    }
    bytes_ += entry.o.bytes().size() + key.size();
    if (entry.kind == 'u') {
        ASB_CHECK(update(collection, key, pending, entry.o));
    } else {
        missing_[&collection].erase(key);
        pending.updates.clear();
        pending.document.clear();
        pending.state = entry.kind == 'd' ? Pending::State::deleted : Pending::State::whole;
        pending.number = ++number_;
        // What was deleted or replaced within the window may still be there.
        pending.inserted = entry.kind == 'i' && is_new;
        if (entry.kind == 'i') pending.document = as_text(entry.o.bytes());
    }
    const bool full = bytes_ >= kWindowBytesMax || count_ >= kWindowDocumentsMax;
    return full ? flush() : Status();
}

Status OplogWindow::update(StagedCollection& collection, const std::string& key, Pending& pending,
                           BsonView change) {
    switch (pending.state) {
        case Pending::State::whole: {
            ASB_TRY(pending.document, apply_update(view_of(pending.document), change));
            return {};
        }
        case Pending::State::deleted:
            note_missing(collection, key);
            return {};
        case Pending::State::updates:
            if (is_replacement(change)) pending.updates.clear();
            pending.updates.emplace_back(as_text(change.bytes()));
            return {};
    }
    return {};
}

void OplogWindow::note_missing(const StagedCollection& collection, const std::string& key) {
    auto& keys = missing_[&collection];
    if (keys.size() < kMissingMax) keys.insert(key);
}

Status OplogWindow::flush() {
    for (auto& [collection, collected] : collected_) ASB_CHECK(flush(*collection, collected));
    ASB_CHECK(documents_.settle());
    collected_.clear();
    bytes_ = 0;
    count_ = 0;
    return {};
}

Status OplogWindow::flush(StagedCollection& collection, Collected& collected) {
    if (collection.kept) return flush_kept(collection, collected);
    ASB_CHECK(read_updated(collection, collected));
    return collection.ordered() ? write_in_order(collection, collected)
                                : write(collection, collected);
}

Status OplogWindow::flush_kept(StagedCollection& collection, Collected& collected) {
    for (auto& [key, pending] : collected) {
        const auto there = collection.documents.find(key);
        if (pending.state == Pending::State::deleted) {
            collection.documents.erase(key);
        } else if (pending.state == Pending::State::whole) {
            collection.documents[key] = pending.document;
        } else if (there == collection.documents.end()) {
            note_missing(collection, key);
        } else {
            ASB_TRY(there->second, updated(view_of(there->second), pending));
        }
    }
    return {};
}

Result<std::string> OplogWindow::updated(BsonView document, const Pending& pending) {
    std::string now(as_text(document.bytes()));
    for (const auto& change : pending.updates) {
        ASB_TRY(now, apply_update(view_of(now), view_of(change)));
        if (now.size() > kDocumentBytesMax)
            return fail(Code::damaged, "an update of the oplog makes a document of {} bytes",
                        now.size());
    }
    return now;
}

Status OplogWindow::fetch(StagedCollection& collection, Collected& collected, Pending::State state,
                          const std::function<Status(Pending&, BsonView)>& take) {
    BsonWriter ids;
    std::size_t bytes = 0;
    const auto ask = [&]() -> Status {
        if (ids.count() == 0) return {};
        bytes = 0;
        return documents_.fetch(collection, ids.finish(), [&](Bytes document) -> Status {
            const auto id = BsonView(document).find("_id");
            const auto found = id ? collected.find(id_key(*id)) : collected.end();
            return found == collected.end() ? Status() : take(found->second, BsonView(document));
        });
    };
    for (const auto& [key, pending] : collected) {
        if (pending.state != state) continue;
        const auto id = *view_of(pending.id).find("_id");
        ids.add(std::to_string(ids.count()), id.type, id.value);
        bytes += key.size();
        if (ids.count() >= kFetchIdsMax || bytes >= kFetchBytesMax) ASB_CHECK(ask());
    }
    return ask();
}

// Documents that were only updated: what they are now is written as it is read.
Status OplogWindow::read_updated(StagedCollection& collection, Collected& collected) {
    std::set<const Pending*> found;
    Batcher batch([&](std::vector<std::string> documents) {
        return documents_.store(collection, std::move(documents));
    });
    ASB_CHECK(fetch(collection, collected, Pending::State::updates,
                    [&](Pending& pending, BsonView document) -> Status {
                        found.insert(&pending);
                        ASB_TRY(auto now, updated(document, pending));
                        return batch.add(std::move(now));
                    }));
    ASB_CHECK(batch.flush());
    for (const auto& [key, pending] : collected)
        if (pending.state == Pending::State::updates && !found.contains(&pending))
            note_missing(collection, key);
    return {};
}

// Deletes first: two _ids that differ in bytes may be one to the server (1 and 1.0, or by the
// collection's collation), and then the one that was deleted must not take the other with it.
Status OplogWindow::write(StagedCollection& collection, Collected& collected) {
    Batcher deletes(
        [&](std::vector<std::string> ids) { return documents_.erase(collection, std::move(ids)); });
    for (auto& [key, pending] : collected)
        if (pending.state == Pending::State::deleted) ASB_CHECK(deletes.add(pending.id));
    ASB_CHECK(deletes.flush());
    ASB_CHECK(documents_.settle());
    Batcher stores([&](std::vector<std::string> documents) {
        return documents_.store(collection, std::move(documents));
    });
    Batcher inserts([&](std::vector<std::string> documents) {
        return documents_.insert(collection, std::move(documents));
    });
    for (auto& [key, pending] : collected) {
        if (pending.state != Pending::State::whole) continue;
        if (inserts_are_new_ && pending.inserted && !collection.ordered())
            ASB_CHECK(inserts.add(std::move(pending.document)));
        else
            ASB_CHECK(stores.add(std::move(pending.document)));
    }
    ASB_CHECK(inserts.flush());
    return stores.flush();
}

// A capped collection: documents are appended in the order of the oplog. One that precedes another
// that the copy has was in the copy too, or had been pushed out by then: it stays out.
Status OplogWindow::write_in_order(StagedCollection& collection, Collected& collected) {
    std::uint64_t newest_there = 0;
    std::set<const Pending*> there;
    ASB_CHECK(fetch(collection, collected, Pending::State::whole,
                    [&](const Pending& pending, BsonView) -> Status {
                        newest_there = std::max(newest_there, pending.number);
                        there.insert(&pending);
                        return {};
                    }));
    std::vector<Pending*> appended;
    Collected others;
    for (auto& [key, pending] : collected) {
        if (pending.state != Pending::State::whole || there.contains(&pending))
            others.emplace(key, pending);
        else if (pending.number > newest_there)
            appended.push_back(&pending);
    }
    ASB_CHECK(write(collection, others));
    std::ranges::sort(appended, {}, [](const Pending* pending) { return pending->number; });
    Batcher batch([&](std::vector<std::string> documents) {
        return documents_.store(collection, std::move(documents));
    });
    for (auto* pending : appended) ASB_CHECK(batch.add(std::move(pending->document)));
    return batch.flush();
}

void OplogWindow::forget(const StagedCollection& collection) {
    missing_.erase(&collection);
    collected_.erase(const_cast<StagedCollection*>(&collection));
}

std::vector<std::string> OplogWindow::missing() const {
    std::vector<std::string> names;
    for (const auto& [collection, keys] : missing_)
        for (const auto& key : keys)
            names.push_back(
                fmt::format("{} (_id of type 0x{:02x}, bytes {})", collection->name_space(),
                            static_cast<unsigned char>(key[0]), to_hex(as_bytes(key).subspan(1))));
    return names;
}

}  // namespace asb::mongodb
