#include "engine/mongodb/dump_copy.hpp"

#include <algorithm>
#include <map>
#include <thread>

#include "base/bounded_queue.hpp"
#include "base/thread_annotations.hpp"
#include "codec/first_error.hpp"
#include "engine/mongodb/dump_cursor.hpp"
#include "engine/mongodb/dump_part.hpp"
#include "engine/mongodb/dump_ranges.hpp"
#include "engine/mongodb/layout.hpp"

namespace asb {
namespace {

// Finished parts that wait for the archive, of all readers together.
constexpr std::size_t kPartsWaiting = 2;
Bson find_command(const ReadPlan& read, bool majority) {
    BsonBuilder command;
    command.text("find", read.collection);
    if (read.filter != nullptr) command.document("filter", *read.filter);
    add_range(command, read.range);
    command.number("batchSize", kFirstBatchDocuments).flag("noCursorTimeout", true);
    if (majority) command.document("readConcern", BsonBuilder().text("level", "majority").get());
    return command.take();
}

class CollectionCopy {
  public:
    CollectionCopy(const MongoUrl& member, const StopToken& stop, const CopyOptions& options,
                   std::vector<ReadPlan> reads, Progress& progress)
        : member_(member),
          stop_(stop),
          options_(options),
          reads_(std::move(reads)),
          progress_(progress),
          budget_(kDocumentBytesMax + options.readers * kPartBytes),
          parts_(kPartsWaiting) {
        std::ranges::sort(reads_, std::greater(), &ReadPlan::documents);
        for (const ReadPlan& read : reads_) name_parts(read);
    }

    Result<CopyResult> run(EntrySink& sink);

  private:
    void name_parts(const ReadPlan& read);
    void work();
    Status read_some();
    Status read_one(MongoConnection& connection, ReadPlan& read);
    ReadPlan* take_read();
    Status push_all(EntrySink& sink);
    void give_up();

    const MongoUrl& member_;
    const StopToken& stop_;
    CopyOptions options_;
    std::vector<ReadPlan> reads_;
    Progress& progress_;
    // By the whole collection's entry: the ranges of one share its numbers. Complete before any
    // reader begins.
    std::map<std::string, PartNames> names_;
    // Beside a part of small documents of every reader there is room for the largest document: so
    // no reader waits for one that waits for it (see `large_`).
    ByteBudget budget_;
    std::binary_semaphore large_{1};
    BoundedQueue<DumpPart> parts_;
    std::atomic<std::size_t> next_read_{0};
    std::atomic<std::size_t> working_{0};
    std::atomic<std::uint64_t> documents_{0};
    std::atomic<std::uint64_t> bytes_{0};
    FirstError error_;
};

void CollectionCopy::name_parts(const ReadPlan& read) {
    names_.try_emplace(
        data_entry(read.folder, read.file),
        [folder = read.folder, file = read.file](std::optional<std::uint32_t> part) {
            return data_entry(folder, file, part);
        },
        read.range.whole() ? PartNames::Readers::one : PartNames::Readers::several);
}

ReadPlan* CollectionCopy::take_read() {
    const std::size_t at = next_read_++;
    return at < reads_.size() ? &reads_[at] : nullptr;
}

Status CollectionCopy::read_one(MongoConnection& connection, ReadPlan& read) {
    PartCollector collector(
        names_.at(data_entry(read.folder, read.file)),
        [this](DumpPart part) -> Status {
            if (parts_.push(std::move(part))) return {};
            return fail(Code::interrupted, "the copy was given up");
        },
        &budget_);
    DumpCursor cursor(connection, read.database, read.collection,
                      find_command(read, options_.majority), &large_);
    for (;;) {
        ASB_TRY(const auto document, cursor.next());
        if (!document) break;
        ASB_CHECK(collector.add(*document));
    }
    ASB_CHECK(collector.finish());
    documents_ += collector.documents();
    bytes_ += collector.bytes();
    return {};
}

Status CollectionCopy::read_some() {
    ReadPlan* read = take_read();
    if (read == nullptr) return {};
    ASB_TRY(MongoConnection connection, MongoConnection::open(member_, stop_));
    for (; read != nullptr; read = take_read()) ASB_CHECK(read_one(connection, *read));
    return {};
}

void CollectionCopy::work() {
    if (const auto done = read_some(); !done.ok()) {
        error_.set(done.error());
        give_up();
    }
    if (--working_ == 0) parts_.close();
}

// Harmless at the end; before it, no reader may wait any more.
void CollectionCopy::give_up() {
    budget_.close();
    parts_.close();
}

Status CollectionCopy::push_all(EntrySink& sink) {
    while (auto part = parts_.pop()) {
        ASB_CHECK(stop_.check());
        ASB_CHECK(push_entry(sink, std::move(part->entry), part->bytes.view()));
        progress_.add(part->bytes.size());
    }
    return {};
}

Result<CopyResult> CollectionCopy::run(EntrySink& sink) {
    Status pushed;
    {
        const std::size_t count = std::clamp<std::size_t>(reads_.size(), 1, options_.readers);
        working_ = count;
        std::vector<std::jthread> readers;
        for (std::size_t i = 0; i < count; ++i) readers.emplace_back([this] { work(); });
        pushed = push_all(sink);
        give_up();
    }
    ASB_CHECK(stop_.check());
    ASB_CHECK(pushed);
    ASB_CHECK(error_.check());
    return CopyResult{documents_, bytes_};
}

}  // namespace

Result<CopyResult> copy_collections(const MongoUrl& member, const StopToken& stop,
                                    const CopyOptions& options, std::vector<ReadPlan> reads,
                                    EntrySink& sink, Progress& progress) {
    return CollectionCopy(member, stop, options, std::move(reads), progress).run(sink);
}

}  // namespace asb
