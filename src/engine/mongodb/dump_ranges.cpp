#include "engine/mongodb/dump_ranges.hpp"

#include <algorithm>
#include <chrono>

#include "base/text.hpp"

namespace asb {
namespace {

// More ranges than readers, so that nobody waits long for the reader of the largest one; the sample
// is several times as large, so that they are of about one size.
constexpr std::size_t kRangesOfReader = 4;
constexpr std::size_t kPointsOfRange = 8;
// mongod seeks for a $sample only in a collection of more than 100 documents and for less than 5 %
// of them; else it reads the collection (manual, "$sample (aggregation)", Behavior).
constexpr std::uint64_t kDocumentsMin = 101;
constexpr std::uint64_t kDocumentsOfPoint = 20;
// Of a collection's beginning, for the size of its documents.
constexpr std::int64_t kMeasuredDocuments = 100;
// Finding a document by an index takes milliseconds. A server that needs so long reads the whole
// collection for it, and would for each range: then one cursor is quicker.
constexpr std::chrono::milliseconds kSeekMax{2000};
constexpr std::chrono::milliseconds kSampleMax{10000};  // some hundred of them
// How many documents may be inserted at the end while one question is on its way.
constexpr std::int64_t kNewest = 64;

enum class Order { ascending = 1, descending = -1 };

Bson by_id(Order order) {
    return BsonBuilder().number("_id", static_cast<std::int64_t>(order)).take();
}

// Bounds of an index, not $gte and $lt: those only find values of their own type.
IdRange range_of(const bson_t* min, const bson_t* max) {
    IdRange range;
    if (min != nullptr) range.min.reset(bson_copy(min));
    if (max != nullptr) range.max.reset(bson_copy(max));
    return range;
}

void add_bounds(BsonBuilder& find, const IdRange& range) {
    find.document("hint", *by_id(Order::ascending));
    if (range.min != nullptr) find.document("min", *range.min);
    if (range.max != nullptr) find.document("max", *range.max);
}

// The ranges of one collection. It asks with {_id: ...} documents and gets such back, which are
// compared as bytes: the order of values is the server's business.
class Splitter {
  public:
    Splitter(MongoConnection& connection, const SplitOptions& options, const ReadPlan& read)
        : connection_(connection), options_(options), read_(read) {}

    [[nodiscard]] bool is_large();
    // The error says why one cursor must do.
    Result<std::vector<IdRange>> ranges();

  private:
    Result<std::vector<Bson>> ask(BsonBuilder command, std::chrono::milliseconds most);
    Result<std::vector<Bson>> ids(const IdRange& range, Order order, std::int64_t count);
    Result<std::vector<Bson>> sample();
    Status prove_first(const IdRange& range, const bson_t& first);
    Status prove_neighbours(const IdRange& range);
    Status prove_last(const IdRange& range, const bson_t& newest);
    Status prove(const std::vector<IdRange>& ranges, const bson_t& first, const bson_t& newest);
    [[nodiscard]] std::string name_space() const {
        return printable(read_.database + "." + read_.collection);
    }

    MongoConnection& connection_;
    const SplitOptions& options_;
    const ReadPlan& read_;
};

// By the size of its first documents: collStats is precise, but not every role that may read may
// ask it, and some servers read the whole collection for it.
bool Splitter::is_large() {
    if (read_.documents < kDocumentsMin) return false;
    if (read_.documents < options_.bytes_min / kDocumentBytesMax) return false;
    const auto some =
        connection_.run_command(read_.database, BsonBuilder()
                                                    .text("find", read_.collection)
                                                    .number("limit", kMeasuredDocuments)
                                                    .flag("singleBatch", true)
                                                    .get());
    if (!some.ok()) return false;
    const auto documents = documents_at(**some, "cursor.firstBatch");
    if (documents.empty()) return false;
    std::uint64_t bytes = 0;
    for (const Bson& document : documents) bytes += document->len;
    return bytes / documents.size() * read_.documents >= options_.bytes_min;
}

Result<std::vector<Bson>> Splitter::ask(BsonBuilder command, std::chrono::milliseconds most) {
    command.number("maxTimeMS", most.count());
    const auto begin = std::chrono::steady_clock::now();
    ASB_TRY(const Bson reply, connection_.run_command(read_.database, command.get(), name_space()));
    // Not every server heeds maxTimeMS.
    if (std::chrono::steady_clock::now() - begin > most)
        return fail(Code::database, "the server does not seek by _id");
    auto found = documents_at(*reply, "cursor.firstBatch");
    for (const Bson& one : found)
        if (bson_count_keys(one.get()) != 1 || !bson_has_field(one.get(), "_id"))
            return fail(Code::database, "the server tells more or less than an _id");
    return found;
}

// At most `count` from that end of the range.
Result<std::vector<Bson>> Splitter::ids(const IdRange& range, Order order, std::int64_t count) {
    BsonBuilder find;
    find.text("find", read_.collection).document("projection", *by_id(Order::ascending));
    find.document("sort", *by_id(order));
    add_bounds(find, range);
    find.number("limit", count).flag("singleBatch", true);
    if (options_.majority)
        find.document("readConcern", BsonBuilder().text("level", "majority").get());
    return ask(std::move(find), kSeekMax);
}

// Different _ids, in the server's order.
Result<std::vector<Bson>> Splitter::sample() {
    const std::uint64_t points =
        std::min<std::uint64_t>(options_.readers * kRangesOfReader * kPointsOfRange,
                                read_.documents / kDocumentsOfPoint - 1);
    const Bson size = BsonBuilder().number("size", static_cast<std::int64_t>(points)).take();
    const Bson stages =
        BsonBuilder()
            .document("0", BsonBuilder().document("$sample", *size).get())
            .document("1", BsonBuilder().document("$project", *by_id(Order::ascending)).get())
            .document("2", BsonBuilder().document("$sort", *by_id(Order::ascending)).get())
            .take();
    const Bson batch = BsonBuilder().number("batchSize", static_cast<std::int64_t>(points)).take();
    BsonBuilder aggregate;
    aggregate.text("aggregate", read_.collection).array("pipeline", *stages);
    aggregate.document("cursor", *batch);
    ASB_TRY(auto found, ask(std::move(aggregate), kSampleMax));
    const auto same = [](const Bson& a, const Bson& b) { return bson_equal(a.get(), b.get()); };
    // clang 14 does not compile ranges::unique of this library.
    found.erase(std::unique(found.begin(), found.end(), same), found.end());
    return found;
}

Status Splitter::prove_first(const IdRange& range, const bson_t& first) {
    ASB_TRY(const auto found, ids(range, Order::ascending, 1));
    if (found.size() == 1 && bson_equal(found.front().get(), &first)) return {};
    return fail(Code::database, "a range does not begin where it should");
}

// The last document of `range` and the first after it stand side by side in the index.
Status Splitter::prove_neighbours(const IdRange& range) {
    ASB_TRY(const auto last, ids(range, Order::descending, 1));
    if (last.size() != 1) return fail(Code::database, "a range is empty");
    ASB_TRY(const auto pair, ids(range_of(last.front().get(), nullptr), Order::ascending, 2));
    if (pair.size() == 2 && bson_equal(pair[0].get(), last.front().get()) &&
        bson_equal(pair[1].get(), range.max.get()))
        return {};
    return fail(Code::database, "a range does not end where the next begins");
}

// `newest` was the last document a moment ago; others may have come since.
Status Splitter::prove_last(const IdRange& range, const bson_t& newest) {
    ASB_TRY(const auto found, ids(range, Order::descending, kNewest));
    if (std::ranges::any_of(found, [&](const Bson& id) { return bson_equal(id.get(), &newest); }))
        return {};
    return fail(Code::database, "the last range does not reach the last document");
}

// A server that passes over min or max, or takes them for $gte and $lt, would lose or double
// documents, and nothing later would show it. So each range is asked for its ends, with the bounds
// it will be read with: the first begins with the collection's first document, each ends beside the
// next one's first, the last holds the collection's last. What lies between two documents of an
// index scan is what the index holds there. It costs three seeks a range.
// A write at an end in this very moment fails the proof too, which only costs the ranges.
Status Splitter::prove(const std::vector<IdRange>& ranges, const bson_t& first,
                       const bson_t& newest) {
    for (const IdRange& range : ranges) {
        ASB_CHECK(prove_first(range, range.min == nullptr ? first : *range.min));
        ASB_CHECK(range.max == nullptr ? prove_last(range, newest) : prove_neighbours(range));
    }
    return {};
}

Result<std::vector<IdRange>> Splitter::ranges() {
    // Asked first: where these take long, the sample would take longer.
    ASB_TRY(const auto first, ids({}, Order::ascending, 1));
    ASB_TRY(const auto points, sample());
    const std::size_t count = std::min(points.size(), options_.readers * kRangesOfReader);
    if (first.empty() || count < 2)
        return fail(Code::database, "the server's sample has {}", counted(points.size(), "_id"));
    std::vector<IdRange> made;
    const bson_t* min = nullptr;
    for (std::size_t i = 1; i < count; ++i) {
        const bson_t* max = points[i * points.size() / count].get();
        made.push_back(range_of(min, max));
        min = max;
    }
    made.push_back(range_of(min, nullptr));
    ASB_TRY(const auto newest, ids({}, Order::descending, 1));
    if (newest.empty()) return fail(Code::database, "the collection is empty");
    ASB_CHECK(prove(made, *first.front(), *newest.front()));
    return made;
}

ReadPlan read_of(const ReadPlan& read, IdRange range, std::uint64_t documents) {
    return {.database = read.database,
            .collection = read.collection,
            .folder = read.folder,
            .file = read.file,
            .range = std::move(range),
            .documents = documents};
}

}  // namespace

void add_range(BsonBuilder& find, const IdRange& range) {
    if (!range.whole()) add_bounds(find, range);
}

Status split_large_reads(MongoConnection& connection, const SplitOptions& options,
                         std::vector<ReadPlan>& reads, Log& log) {
    // One reader gains nothing.
    if (options.bytes_min == 0 || options.readers < 2) return {};
    std::vector<ReadPlan> split;
    for (ReadPlan& read : reads) {
        Splitter splitter(connection, options, read);
        if (!read.may_split || !splitter.is_large()) {
            ASB_CHECK(connection.stop().check());
            split.push_back(std::move(read));
            continue;
        }
        auto ranges = splitter.ranges();
        ASB_CHECK(connection.stop().check());
        const std::string name = printable(read.database + "." + read.collection);
        if (!ranges.ok()) {
            log.debug("{} is read by one cursor: {}", name, ranges.error().fact);
            split.push_back(std::move(read));
            continue;
        }
        log.debug("{} is read in {} ranges of _id", name, ranges->size());
        for (IdRange& range : *ranges)
            split.push_back(read_of(read, std::move(range), read.documents / ranges->size()));
    }
    reads = std::move(split);
    return {};
}

}  // namespace asb
