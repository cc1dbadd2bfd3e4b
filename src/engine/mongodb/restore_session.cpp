#include "engine/mongodb/restore_session.hpp"

#include <algorithm>
#include <chrono>

#include "base/text.hpp"
#include "engine/mongodb/metadata_json.hpp"

namespace asb::mongodb {
namespace {

// Users, roles and functions are held in memory until they are merged.
constexpr std::size_t kKeptBytesMax = 16 * kMiB;

// Unique in a database at any time, and short: names have a limit.
std::string new_restore_id() {
    const auto since = std::chrono::system_clock::now().time_since_epoch();
    const auto ticks = std::chrono::duration_cast<std::chrono::milliseconds>(since).count();
    return fmt::format("{:x}", ticks);
}

std::string arrival_key(std::string_view folder, std::string_view stem) {
    return fmt::format("{}/{}", folder, stem);
}

ReplayScope replay_scope(const RestoreScope& scope) {
    return {.home = [&scope](std::string_view database) { return scope.home(database); },
            .wanted =
                [&scope](std::string_view database, std::string_view collection) {
                    return scope.wants(database, collection);
                },
            .kept = &RestoreScope::is_kept};
}

StagedCollection::Kind kind_of(const CollectionMetadata& metadata) {
    if (metadata.type == "view") return StagedCollection::Kind::view;
    if (view_of(metadata.options).find("timeseries")) return StagedCollection::Kind::time_series;
    return StagedCollection::Kind::plain;
}

}  // namespace

Result<std::unique_ptr<MongoRestoreSession>> MongoRestoreSession::open(MongoRestoreOptions options,
                                                                       SessionContext context) {
    ASB_TRY(auto connection, MongoConnection::open(options.url, context.stop));
    ASB_TRY(auto workers, RestoreWorkers::start(options.url, options.jobs, context.stop));
    return std::unique_ptr<MongoRestoreSession>(new MongoRestoreSession(
        std::move(options), std::move(context), std::move(connection), std::move(workers)));
}

MongoRestoreSession::MongoRestoreSession(MongoRestoreOptions options, SessionContext context,
                                         MongoConnection connection,
                                         std::unique_ptr<RestoreWorkers> workers)
    : options_(std::move(options)),
      context_(std::move(context)),
      connection_(std::move(connection)),
      workers_(std::move(workers)),
      catalog_(new_restore_id()),
      stage_(connection_, *workers_),
      replay_(catalog_, stage_, stage_, replay_scope(options_.scope)),
      reached_(options_.base_end) {
    if (options_.stop)
        replay_.set_limit(options_.stop->point.at + (options_.stop->inclusive ? 1 : 0));
}

MongoRestoreSession::~MongoRestoreSession() {
    workers_.reset();
    if (!settled_) clean_up();
}

// With a connection that nobody has stopped: cleaning up belongs to stopping cleanly.
void MongoRestoreSession::clean_up() {
    if (homes_.empty()) return;
    auto connection = MongoConnection::open(options_.url, StopToken());
    for (const auto& home : homes_) {
        const auto dropped = connection.ok() ? drop_staged(*connection, home, catalog_.restore_id())
                                             : Status(connection.error());
        if (!dropped.ok())
            context_.log.warning(
                "what was staged in {} is left there; the next restore drops it: {}", home,
                dropped.error().fact);
    }
}

// The first write into a database is the journal: from then on a later run knows what to clean.
Status MongoRestoreSession::enter_home(const std::string& home) {
    if (homes_.contains(home)) return {};
    ASB_CHECK(recover_database(connection_, home, context_.log));
    SwapJournal journal;
    journal.id = catalog_.restore_id();
    journal.owner = this_owner();
    journal.drop_old = options_.drop_old;
    ASB_CHECK(begin_journal(connection_, home, journal));
    homes_.insert(home);
    return {};
}

Status MongoRestoreSession::begin(const EntryHeader& header) {
    ASB_CHECK(context_.stop.check());
    entry_name_ = header.name;
    skipped_ = header.type != EntryType::file;
    if (skipped_) return {};
    const auto entry = parse_mongo_entry(header.name);
    if (!entry)
        return fail(Code::damaged, "the archive holds {}, which is no part of a MongoDB backup",
                    printable(header.name));
    if (slice_ && entry->kind != MongoEntry::Kind::prelude && !is_oplog(entry->kind))
        return fail(Code::damaged, "an incremental backup holds {}, which is no part of an oplog",
                    printable(header.name));
    entry_ = *entry;
    text_.clear();
    // What leads to this full backup is for a recovery that comes from an older one.
    skipped_ = entry_.kind == MongoEntry::Kind::oplog_before && !slice_;
    if (skipped_) return {};
    switch (entry_.kind) {
        case MongoEntry::Kind::prelude:
        case MongoEntry::Kind::metadata:
            if (header.size <= kMetadataBytesMax) return {};
            return fail(Code::damaged, "{} claims {}", printable(header.name),
                        human_bytes(header.size));
        case MongoEntry::Kind::data:
            return begin_data(entry_, header.name);
        case MongoEntry::Kind::oplog_before:
        case MongoEntry::Kind::oplog:
            return begin_oplog(header.name);
    }
    return {};
}

// Users and roles have no metadata of their own.
Result<StagedCollection*> MongoRestoreSession::kept_collection(const MongoEntry& entry) {
    StagedCollection* none = nullptr;
    const auto name = namespace_of(entry.database, entry.stem);
    if (!name || !RestoreScope::is_kept(name->database, name->collection)) return none;
    if (!options_.scope.wants(name->database, name->collection)) return none;
    if (auto* there = catalog_.named(name->database, name->collection)) return there;
    StagedCollection kept;
    kept.database = name->database;
    kept.home = options_.scope.home(name->database);
    kept.name = name->collection;
    kept.kept = true;
    return catalog_.add(std::move(kept));
}

Status MongoRestoreSession::begin_data(const MongoEntry& entry, const std::string& name) {
    const auto key = arrival_key(entry.database, entry.stem);
    auto found = arrivals_.find(key);
    if (found == arrivals_.end()) {
        ASB_TRY(auto* kept, kept_collection(entry));
        const auto known = namespace_of(entry.database, entry.stem);
        skipped_ = kept == nullptr;
        if (skipped_ && known && options_.scope.wants(known->database, known->collection))
            return fail(Code::damaged, "the archive holds {} without its metadata",
                        printable(name));
        if (skipped_) return {};
        found = arrivals_.emplace(key, Arrival{.collection = kept}).first;
    }
    arrival_ = &found->second;
    if (entry.stem.starts_with("system.buckets.")) arrival_->collection->buckets = true;
    framer_.emplace(name, [this](Bytes document) { return take_document(document); });
    return {};
}

Status MongoRestoreSession::take_document(Bytes document) {
    ++arrival_->documents;
    auto& collection = *arrival_->collection;
    if (!collection.kept) return stage_.append(collection, document);
    const auto id = BsonView(document).find("_id");
    if (!id) return fail(Code::damaged, "a document of {} has no _id", collection.name_space());
    collection.documents_bytes += document.size();
    if (collection.documents_bytes > kKeptBytesMax)
        return fail(Code::failed, "{} holds more than {}", collection.name_space(),
                    human_bytes(kKeptBytesMax));
    collection.documents[id_key(*id)] = as_text(document);
    return {};
}

Status MongoRestoreSession::begin_oplog(const std::string& name) {
    if (!oplog_begun_) {
        ASB_CHECK(check_counts());
        oplog_framer_.emplace(name, [this](Bytes document) { return take_entry(document); });
        oplog_begun_ = true;
    }
    return {};
}

Status MongoRestoreSession::write(Bytes bytes) {
    ASB_CHECK(context_.stop.check());
    if (skipped_) return {};
    switch (entry_.kind) {
        case MongoEntry::Kind::prelude:
            return {};
        case MongoEntry::Kind::metadata:
            text_.append(as_text(bytes));
            return {};
        case MongoEntry::Kind::data:
            return framer_->feed(bytes);
        case MongoEntry::Kind::oplog_before:
        case MongoEntry::Kind::oplog:
            return oplog_framer_->feed(bytes);
    }
    return {};
}

Status MongoRestoreSession::end() {
    if (skipped_) return {};
    switch (entry_.kind) {
        case MongoEntry::Kind::prelude:
            return {};
        case MongoEntry::Kind::metadata:
            return add_metadata();
        case MongoEntry::Kind::data:
            ASB_CHECK(framer_->finish());
            return stage_.flush_appended();
        case MongoEntry::Kind::oplog_before:
        case MongoEntry::Kind::oplog:
            return oplog_framer_->finish();
    }
    return {};
}

Status MongoRestoreSession::add_metadata() {
    ASB_TRY(const auto metadata, parse_metadata(text_, entry_name_));
    StagedCollection collection;
    collection.database = entry_.database;
    collection.name =
        metadata.name.empty() ? unescape_stem(entry_.stem).value_or(entry_.stem) : metadata.name;
    const bool kept = RestoreScope::is_kept(collection.database, collection.name);
    if (!options_.scope.wants(collection.database, collection.name)) return {};
    collection.home = options_.scope.home(collection.database);
    collection.uuid = metadata.uuid;
    collection.options = metadata.options;
    collection.kind = kind_of(metadata);
    collection.kept = kept;
    for (const auto& index : metadata.indexes) set_index(collection, view_of(index));
    auto* added = catalog_.add(std::move(collection));
    if (added == nullptr)
        return fail(Code::damaged, "{} names a collection that another entry names too",
                    printable(entry_name_));
    arrivals_[arrival_key(entry_.database, collection_stem(added->name))] = {.collection = added};
    arrivals_[arrival_key(entry_.database, collection_stem(std::string(kBucketsPrefix) +
                                                           added->name))] = {.collection = added};
    if (added->kept) return {};
    ASB_CHECK(enter_home(added->home));
    return added->staged.empty() ? Status() : stage_.create(*added);
}

// Every document of the archive is there, once. A capped collection may have pushed some out.
Status MongoRestoreSession::check_counts() {
    ASB_CHECK(stage_.flush_appended());
    ASB_CHECK(stage_.settle());
    std::map<const StagedCollection*, std::uint64_t> expected;
    for (const auto& [key, arrival] : arrivals_)
        if (!arrival.collection->kept && !arrival.collection->staged.empty() &&
            !arrival.collection->ordered())
            expected[arrival.collection] += arrival.documents;
    std::uint64_t missing = 0;
    std::string first;
    for (const auto& [collection, wanted] : expected) {
        ASB_TRY(const auto count,
                count_documents(connection_, collection->home, collection->staged));
        if (count == wanted) continue;
        missing += wanted > count ? wanted - count : 0;
        if (first.empty())
            first = fmt::format("{} has {} of {}", collection->name_space(), count, wanted);
    }
    if (missing <= stage_.doubled() && (first.empty() || stage_.doubled() > 0)) return {};
    return with_hint(fail(Code::database, "the server does not hold what was written to it: {}",
                          printable(first)),
                     "look for other clients that write to it, and restore again");
}

}  // namespace asb::mongodb
