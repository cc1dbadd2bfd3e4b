#include "codec/segment.hpp"

#include <atomic>

#include "codec/test_support.hpp"

namespace asb {
namespace {

using test::Data;
using test::FailingSink;
using test::FailsWith;
using test::MemorySink;
using test::random_data;
using test::read_all;
using test::Succeeds;

struct StoredSegments {
    Data body;
    std::vector<Digest> digests;
    std::vector<std::size_t> writes;
};

StoredSegments store(Bytes data, std::size_t piece_bytes = 1'000'003) {
    MemorySink sink;
    SegmentSink segments(sink);
    EXPECT_THAT(test::write_in_pieces(segments, data, piece_bytes), Succeeds());
    EXPECT_TRUE(sink.finished);
    EXPECT_EQ(segments.length(), data.size());
    return {std::move(sink.data), segments.digests(), std::move(sink.writes)};
}

ReadAt reader_of(const Data& body) {
    return [&body](std::uint64_t offset, MutableBytes out) -> Status {
        if (offset + out.size() > body.size()) return fail(Code::damaged, "the body is too short");
        std::memcpy(out.data(), body.data() + offset, out.size());
        return {};
    };
}

Result<Data> load(const StoredSegments& stored, std::uint64_t length, std::size_t threads = 2) {
    SegmentSource source(reader_of(stored.body), length, stored.digests, threads);
    return read_all(source);
}

// Two whole segments and a short one, made once.
const StoredSegments& three_segments() {
    static const StoredSegments kStored = store(random_data(2 * kSegmentBytes + 12'345));
    return kStored;
}

TEST(SegmentSink, CutsAtEveryBoundaryAndSourceGivesItBack) {
    for (const std::size_t size :
         {std::size_t{0}, std::size_t{1}, kSegmentBytes - 1, kSegmentBytes, kSegmentBytes + 1}) {
        const auto data = random_data(size);
        const auto stored = store(data);
        ASSERT_EQ(stored.body, data) << size;
        ASSERT_EQ(stored.digests.size(), (size + kSegmentBytes - 1) / kSegmentBytes) << size;
        ASSERT_EQ(stored.writes.size(), stored.digests.size()) << "one write a segment";
        for (std::size_t i = 0; i < stored.digests.size(); ++i) {
            const auto segment = Bytes(data).subspan(i * kSegmentBytes, stored.writes[i]);
            EXPECT_EQ(stored.digests[i], sha256(segment)) << size;
        }
        const auto loaded = load(stored, size);
        ASSERT_THAT(loaded, Succeeds()) << size;
        EXPECT_EQ(loaded.value(), data) << size;
    }
}

TEST(SegmentSource, GivesSegmentsInOrderWithAnyNumberOfThreads) {
    for (const std::size_t threads : {1U, 2U, 5U}) {
        const auto loaded = load(three_segments(), three_segments().body.size(), threads);
        ASSERT_THAT(loaded, Succeeds());
        EXPECT_EQ(loaded.value(), three_segments().body);
    }
}

TEST(SegmentSource, NamesTheSegmentWithAFlippedBit) {
    auto stored = three_segments();
    stored.body[kSegmentBytes + 77] ^= std::byte{1};
    EXPECT_THAT(load(stored, stored.body.size()),
                FailsWith(Code::damaged, "segment 2 of 3 (bytes 16777216-33554431)"));
}

TEST(SegmentSource, GivesTheGoodSegmentsBeforeABadOneAndThenOnlyTheError) {
    auto stored = three_segments();
    stored.body.back() ^= std::byte{0x80};
    SegmentSource source(reader_of(stored.body), stored.body.size(), stored.digests, 2);
    for (std::size_t i = 0; i < 2; ++i) {
        const auto segment = source.next();
        ASSERT_TRUE(segment.ok());
        EXPECT_EQ(segment.value().size(), kSegmentBytes);
    }
    EXPECT_THAT(source.next(), FailsWith(Code::damaged, "segment 3 of 3"));
    EXPECT_THAT(source.next(), FailsWith(Code::damaged, "segment 3 of 3"));
}

TEST(SegmentSource, RefusesSwappedSegments) {
    auto stored = three_segments();
    std::swap_ranges(stored.body.begin(), stored.body.begin() + kSegmentBytes,
                     stored.body.begin() + kSegmentBytes);
    EXPECT_THAT(load(stored, stored.body.size()), FailsWith(Code::damaged, "segment 1 of 3"));
}

TEST(SegmentSource, RefusesALengthThatDoesNotFitTheDigests) {
    const auto& stored = three_segments();
    EXPECT_THAT(load(stored, 2 * kSegmentBytes), FailsWith(Code::damaged, "the index lists 3"));
    EXPECT_THAT(load(stored, 0), FailsWith(Code::damaged, "the index lists 3"));
    EXPECT_THAT(load(stored, 3 * kSegmentBytes + 1), FailsWith(Code::damaged, "has 4 segments"));
}

TEST(SegmentSource, RefusesABodyThatIsCutOrGrewByAByte) {
    const auto& stored = three_segments();
    EXPECT_THAT(load(stored, stored.body.size() - 1), FailsWith(Code::damaged, "segment 3 of 3"));
    auto longer = stored;
    longer.body.push_back(std::byte{0});
    EXPECT_THAT(load(longer, longer.body.size()), FailsWith(Code::damaged, "segment 3 of 3"));
    auto shorter = stored;
    shorter.body.resize(kSegmentBytes);
    EXPECT_THAT(load(shorter, stored.body.size()), FailsWith(Code::damaged, "too short"));
}

TEST(SegmentSource, FetchesNoFurtherAheadThanItsThreads) {
    const Data body(6 * kSegmentBytes);
    const std::vector<Digest> digests(6, sha256(Bytes(body).first(kSegmentBytes)));
    std::atomic<std::size_t> fetched{0};
    SegmentSource source(
        [&](std::uint64_t offset, MutableBytes out) {
            ++fetched;
            return reader_of(body)(offset, out);
        },
        body.size(), digests, 2);
    ASSERT_TRUE(source.next().ok());
    EXPECT_LE(fetched.load(), 2U);
    ASSERT_TRUE(source.next().ok());
    EXPECT_LE(fetched.load(), 3U);
}

TEST(SegmentSource, MayBeDestroyedBeforeItsEnd) {
    const auto& stored = three_segments();
    { const SegmentSource unused(reader_of(stored.body), stored.body.size(), stored.digests, 2); }
    SegmentSource begun(reader_of(stored.body), stored.body.size(), stored.digests, 2);
    EXPECT_TRUE(begun.next().ok());
}

// Writes until an error comes out; nullopt when none did.
Status write_until_error(SegmentSink& sink) {
    const Data piece(1 * kMiB);
    for (std::size_t i = 0; i < 200; ++i) ASB_CHECK(sink.write(piece));
    return sink.finish();
}

TEST(SegmentSink, ReportsTheErrorOfTheNextSinkFromALaterWrite) {
    for (const std::size_t good_writes : {0U, 1U, 3U}) {
        FailingSink next(good_writes);
        SegmentSink sink(next);
        EXPECT_THAT(write_until_error(sink), FailsWith(Code::space, "the disk is full"));
        EXPECT_THAT(sink.write(as_bytes("x")), FailsWith(Code::space, "the disk is full"));
        EXPECT_THAT(sink.finish(), FailsWith(Code::space, "the disk is full"));
    }
}

TEST(SegmentSink, ReportsTheErrorOfTheNextSinkFromFinish) {
    FailingSink next(0);
    SegmentSink sink(next);
    ASSERT_THAT(sink.write(as_bytes("x")), Succeeds());
    EXPECT_THAT(sink.finish(), FailsWith(Code::space, "the disk is full"));
}

TEST(SegmentSink, MayBeDestroyedWithoutFinish) {
    for (const std::size_t good_writes : {0U, 1000U}) {
        FailingSink next(good_writes);
        { const SegmentSink unused(next); }
        SegmentSink begun(next);
        EXPECT_THAT(begun.write(as_bytes("x")), Succeeds());
        SegmentSink busy(next);
        [[maybe_unused]] const auto written = busy.write(Data(3 * kSegmentBytes + 1));
    }
}

}  // namespace
}  // namespace asb
