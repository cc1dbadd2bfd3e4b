#include "engine/mongodb/restore_stage.hpp"

#include "base/fail_point.hpp"
#include "engine/mongodb/restore_server.hpp"

namespace asb::mongodb {
namespace {

// One insert: large enough that round trips do not count, small enough that every thread's batches
// and libmongoc's copy of them stay far below 160 MiB in all.
constexpr std::size_t kBatchBytes = 2 * kMiB;
constexpr std::size_t kBatchDocuments = 10'000;

Place place_of(const StagedCollection& collection) {
    return {collection.home, collection.staged};
}

Status fail_here(std::string_view point, const StagedCollection& collection) {
    if (const int error = fail_point(point))
        return fail(error == ENOSPC ? Code::space : Code::failed, "cannot write {}: {}",
                    collection.name_space(), std::generic_category().message(error));
    return {};
}

// What create takes of a collection that stands in for another one until the end: a time series
// cannot be renamed, so its documents wait in an ordinary collection.
std::string staging_options(const StagedCollection& collection) {
    if (collection.kind == StagedCollection::Kind::time_series) return BsonWriter().finish();
    return collection.options;
}

}  // namespace

// One that is larger than a batch goes alone and from where it lies: with a copy here and one in
// each thread, documents of 16 MiB would take more than all the rest of a restore.
Status RestoreStage::insert_large(const StagedCollection& collection, Bytes document) {
    ASB_CHECK(flush_appended());
    ASB_CHECK(settle());
    ASB_CHECK(fail_here("mongo.insert", collection));
    const auto order = collection.ordered() ? InsertOrder::kept : InsertOrder::any;
    ASB_TRY(const auto count,
            insert_documents(connection_, place_of(collection), as_text(document), order));
    doubled_ += count;
    return {};
}

Status RestoreStage::append(const StagedCollection& collection, Bytes document) {
    if (document.size() > kBatchBytes) return insert_large(collection, document);
    const bool fits = appended_.size() + document.size() <= kBatchBytes;
    if (appended_to_ != &collection || !fits) ASB_CHECK(flush_appended());
    appended_to_ = &collection;
    if (appended_.empty()) appended_.reserve(kBatchBytes);
    appended_.append(as_text(document));
    ++appended_documents_;
    const bool full = appended_.size() >= kBatchBytes || appended_documents_ >= kBatchDocuments;
    return full ? flush_appended() : Status();
}

Status RestoreStage::flush_appended() {
    if (appended_.empty()) return {};
    ASB_CHECK(fail_here("mongo.insert", *appended_to_));
    auto batch = std::make_shared<std::string>();
    batch->swap(appended_);
    appended_documents_ = 0;
    const auto place = place_of(*appended_to_);
    // A capped collection keeps the order of insertion: one connection, one batch after another.
    if (appended_to_->ordered()) {
        ASB_TRY([[maybe_unused]] const auto count,
                insert_documents(connection_, place, *batch, InsertOrder::kept));
        return {};
    }
    const auto insert = [this, batch, place](MongoConnection& connection) -> Status {
        ASB_TRY(const auto count, insert_documents(connection, place, *batch, InsertOrder::any));
        doubled_ += count;
        return {};
    };
    return workers_.submit(insert, batch->size());
}

Status RestoreStage::create(const StagedCollection& collection) {
    ASB_CHECK(fail_here("mongo.create", collection));
    const auto options = staging_options(collection);
    return create_collection(connection_, collection.home, collection.staged, view_of(options));
}

Status RestoreStage::drop(const StagedCollection& collection) {
    ASB_CHECK(settle());
    return drop_collection(connection_, collection.home, collection.staged);
}

Status RestoreStage::empty(const StagedCollection& collection) {
    ASB_CHECK(drop(collection));
    return create(collection);
}

Status RestoreStage::modify(const StagedCollection& collection, BsonView fields) {
    if (collection.kind == StagedCollection::Kind::time_series) return {};
    ASB_CHECK(fail_here("mongo.oplog", collection));
    const auto command =
        BsonWriter().add_text("collMod", collection.staged).add_all(fields).finish();
    ASB_TRY([[maybe_unused]] const auto reply, run(connection_, collection.home, command));
    return {};
}

Status RestoreStage::convert_to_capped(const StagedCollection& collection, std::int64_t bytes) {
    ASB_CHECK(fail_here("mongo.oplog", collection));
    const auto command = BsonWriter()
                             .add_text("convertToCapped", collection.staged)
                             .add_int64("size", bytes)
                             .finish();
    ASB_TRY([[maybe_unused]] const auto reply, run(connection_, collection.home, command));
    return {};
}

Status RestoreStage::fetch(const StagedCollection& collection, const std::string& ids,
                           const Take& take) {
    const auto in = BsonWriter().add_array("$in", as_bytes(ids)).finish();
    const auto filter = BsonWriter().add_document("_id", as_bytes(in)).finish();
    BsonWriter options;
    // By bytes, whatever the collection's own collation takes for equal.
    if (view_of(collection.options).find("collation")) {
        const auto simple = BsonWriter().add_text("locale", "simple").finish();
        options.add_document("collation", as_bytes(simple));
    }
    return find_documents(connection_, place_of(collection), filter, options.finish(), take);
}

Status RestoreStage::erase(const StagedCollection& collection, std::vector<std::string> ids) {
    ASB_CHECK(fail_here("mongo.oplog", collection));
    if (collection.ordered()) return erase_documents(connection_, place_of(collection), ids);
    return workers_.submit(
        [place = place_of(collection), ids = std::move(ids)](MongoConnection& connection) {
            return erase_documents(connection, place, ids);
        });
}

Status RestoreStage::store(const StagedCollection& collection, std::vector<std::string> documents) {
    ASB_CHECK(fail_here("mongo.oplog", collection));
    if (collection.ordered()) return store_documents(connection_, place_of(collection), documents);
    std::uint64_t bytes = 0;
    for (const auto& document : documents) bytes += document.size();
    return workers_.submit(
        [place = place_of(collection), documents = std::move(documents)](
            MongoConnection& connection) { return store_documents(connection, place, documents); },
        bytes);
}

Status RestoreStage::insert(const StagedCollection& collection,
                            std::vector<std::string> documents) {
    ASB_CHECK(fail_here("mongo.oplog", collection));
    auto batch = std::make_shared<std::string>();
    for (const auto& document : documents) batch->append(document);
    return workers_.submit(
        [place = place_of(collection), batch](MongoConnection& connection) -> Status {
            const auto inserted = insert_documents(connection, place, *batch, InsertOrder::any);
            return inserted.ok() ? Status() : Status(inserted.error());
        },
        batch->size());
}

}  // namespace asb::mongodb
