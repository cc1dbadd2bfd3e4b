#include "codec/gzip.hpp"

#include <atomic>

#include "codec/test_support.hpp"

namespace asb {
namespace {

using test::Data;
using test::FailingSink;
using test::FailsWith;
using test::MemorySink;
using test::MemorySource;
using test::page_like_data;
using test::random_data;
using test::read_all;
using test::Succeeds;

struct Stored {
    Data bytes;
    std::vector<std::uint32_t> sizes;
};

Stored compress(Bytes plain, GzipMemberSink::Options options = {},
                std::size_t piece_bytes = 1'000'003) {
    MemorySink sink;
    GzipMemberSink gzip(sink, options);
    EXPECT_THAT(test::write_in_pieces(gzip, plain, piece_bytes), Succeeds());
    EXPECT_TRUE(sink.finished);
    return {std::move(sink.data), gzip.member_sizes()};
}

Result<Data> decompress(const Stored& stored, std::size_t span_bytes = 300'007,
                        std::size_t threads = 2) {
    MemorySource source(stored.bytes, span_bytes);
    GzipMemberSource gzip(source, stored.sizes, threads);
    return read_all(gzip);
}

Result<Data> decompress_stream(Bytes bytes, std::size_t span_bytes = 300'007) {
    MemorySource source(bytes, span_bytes);
    GzipStreamSource gzip(source);
    return read_all(gzip);
}

// Two whole members and a short one, made once.
const Data& plain_of_three() {
    static const Data kPlain = page_like_data(2 * kMemberPlainBytes + 100'000);
    return kPlain;
}
const Stored& three_members() {
    static const Stored kStored = compress(plain_of_three());
    return kStored;
}

TEST(GzipMemberSink, RoundTripsAtEverySizeAroundItsBoundaries) {
    for (const std::size_t size :
         {std::size_t{0}, std::size_t{1}, std::size_t{511}, std::size_t{512}, kMemberPlainBytes - 1,
          kMemberPlainBytes, kMemberPlainBytes + 1, 3 * kMemberPlainBytes}) {
        const auto plain = page_like_data(size);
        const auto stored = compress(plain);
        const auto members =
            std::max<std::size_t>(1, (size + kMemberPlainBytes - 1) / kMemberPlainBytes);
        ASSERT_EQ(stored.sizes.size(), members) << size;
        const auto from_members = decompress(stored);
        ASSERT_THAT(from_members, Succeeds()) << size;
        EXPECT_EQ(from_members.value(), plain) << size;
        const auto from_stream = decompress_stream(stored.bytes);
        ASSERT_THAT(from_stream, Succeeds()) << size;
        EXPECT_EQ(from_stream.value(), plain) << size;
    }
}

TEST(GzipMemberSink, RoundTripsAtEveryLevelAndNumberOfThreads) {
    const auto plain = page_like_data(3 * kMemberPlainBytes + 17);
    for (const int level : {0, 1, 2, 3}) {
        for (const std::size_t threads : {1U, 2U, 5U}) {
            const auto stored = compress(plain, {.threads = threads, .level = level}, 77'777);
            EXPECT_LT(stored.bytes.size(), plain.size() * 2 / 3) << level;
            const auto back = decompress(stored, 77'777, threads);
            ASSERT_THAT(back, Succeeds());
            EXPECT_EQ(back.value(), plain) << level;
        }
    }
}

TEST(GzipMemberSink, KeepsWhatDoesNotCompressWithinTheBound) {
    const auto plain = random_data(kMemberPlainBytes + 1000);
    for (const int level : {0, 1, 2, 3}) {
        const auto stored = compress(plain, {.level = level});
        for (const auto size : stored.sizes) EXPECT_LE(size, kMemberStoredBytesMax);
        EXPECT_LT(stored.bytes.size(), plain.size() + 1000);
        const auto back = decompress(stored);
        ASSERT_THAT(back, Succeeds());
        EXPECT_EQ(back.value(), plain);
    }
}

TEST(GzipMemberSink, WritesWhatStockGzipReads) {
    const test::TempFolder folder;
    test::write_file(folder / "three.gz", three_members().bytes);
    EXPECT_EQ(test::run_tool("gzip -dc " + folder / "three.gz"), as_text(plain_of_three()));
    test::write_file(folder / "empty.gz", compress({}).bytes);
    EXPECT_EQ(test::run_tool("gzip -dc " + folder / "empty.gz"), "");
}

TEST(GzipMemberSource, TakesSpansOfAnySize) {
    const auto plain = page_like_data(kMemberPlainBytes + 5000);
    const auto stored = compress(plain);
    for (const std::size_t span : {4096U, 65'536U, 16'777'216U}) {
        const auto back = decompress(stored, span);
        ASSERT_THAT(back, Succeeds());
        EXPECT_EQ(back.value(), plain);
    }
}

TEST(GzipMemberSource, NamesTheMemberWithAFlippedBit) {
    const auto& good = three_members();
    const std::size_t second = good.sizes[0];
    // Into the magic, the method, the data, the CRC and the length of the second member.
    const std::size_t end = second + good.sizes[1];
    for (const std::size_t at :
         {second, second + 2, second + 5000, end - 8, end - 5, end - 4, end - 1}) {
        auto stored = good;
        stored.bytes[at] ^= std::byte{4};
        EXPECT_THAT(decompress(stored), FailsWith(Code::damaged, "member 2 of 3")) << at - second;
    }
}

TEST(GzipMemberSource, RefusesAStreamThatEndsEarly) {
    const auto& good = three_members();
    for (const std::size_t kept : {std::size_t{0}, std::size_t{good.sizes[0]},
                                   std::size_t{good.sizes[0]} + 1, good.bytes.size() - 1}) {
        auto stored = good;
        stored.bytes.resize(kept);
        EXPECT_THAT(decompress(stored), FailsWith(Code::damaged, "the gzip stream ends inside"))
            << kept;
    }
}

TEST(GzipMemberSource, RefusesAByteTooMany) {
    auto stored = three_members();
    stored.bytes.push_back(std::byte{0});
    EXPECT_THAT(decompress(stored), FailsWith(Code::damaged, "goes on after its last member"));
    EXPECT_THAT(decompress({test::data_of("x"), {}}), FailsWith(Code::damaged, "goes on"));
}

TEST(GzipMemberSource, RefusesSizesThatAreNotThoseOfTheMembers) {
    auto shifted = three_members();
    ++shifted.sizes[0];
    --shifted.sizes[1];
    EXPECT_THAT(decompress(shifted), FailsWith(Code::damaged, "member 1 of 3"));
    auto zero = three_members();
    zero.sizes[1] = 0;
    EXPECT_THAT(decompress(zero), FailsWith(Code::damaged, "member 2 of 3"));
    auto huge = three_members();
    huge.sizes[0] = kMemberStoredBytesMax + 1;
    EXPECT_THAT(decompress(huge), FailsWith(Code::damaged, "member 1 is said to be"));
    auto missing = three_members();
    missing.sizes.pop_back();
    EXPECT_THAT(decompress(missing), FailsWith(Code::damaged, "goes on after its last member"));
    auto joined = three_members();
    joined.sizes[1] += joined.sizes[2];
    joined.sizes.pop_back();
    EXPECT_THAT(decompress(joined), FailsWith(Code::damaged, "member 2 of 2"));
}

TEST(GzipMemberSource, RefusesAShortMemberThatIsNotTheLast) {
    const auto one = compress(as_bytes("short"));
    Stored two{one.bytes, {one.sizes[0], one.sizes[0]}};
    two.bytes.insert(two.bytes.end(), one.bytes.begin(), one.bytes.end());
    EXPECT_THAT(decompress(two), FailsWith(Code::damaged, "member 1 of 2 holds 5 bytes"));
}

TEST(GzipMemberSource, PassesOnTheErrorOfItsSourceAndRepeatsIt) {
    const Bytes bytes(three_members().bytes);
    test::FailingSource source(bytes.first(three_members().sizes[0]));
    GzipMemberSource gzip(source, three_members().sizes, 2);
    ASSERT_THAT(gzip.next(), Succeeds());
    EXPECT_THAT(gzip.next(), FailsWith(Code::store, "the connection was lost"));
    EXPECT_THAT(gzip.next(), FailsWith(Code::store, "the connection was lost"));
}

TEST(GzipMemberSource, MayBeDestroyedBeforeItsEnd) {
    const auto stored = compress(page_like_data(12 * kMemberPlainBytes), {.level = 0});
    for (const int taken : {0, 1, 2}) {
        MemorySource source(stored.bytes, 100'000);
        GzipMemberSource gzip(source, stored.sizes, 2);
        for (int i = 0; i < taken; ++i) EXPECT_THAT(gzip.next(), Succeeds());
    }
}

TEST(InflateMember, GivesExactlyOneMember) {
    const auto plain = page_like_data(100'000);
    const auto stored = compress(plain);
    Buffer out(plain.size());
    ASSERT_THAT(inflate_member(stored.bytes, out), Succeeds());
    EXPECT_EQ(as_text(out.view()), as_text(plain));
    Buffer small(plain.size() - 1);
    EXPECT_THAT(inflate_member(stored.bytes, small), FailsWith(Code::damaged, "gzip member"));
    auto longer = stored.bytes;
    longer.push_back(std::byte{0});
    EXPECT_THAT(inflate_member(longer, out), FailsWith(Code::damaged, "followed by 1 bytes"));
}

TEST(InflateMember, RefusesEveryTruncation) {
    const auto stored = compress(page_like_data(300));
    Buffer out(1000);
    for (std::size_t kept = 0; kept < stored.bytes.size(); ++kept)
        EXPECT_THAT(inflate_member(Bytes(stored.bytes).first(kept), out),
                    FailsWith(Code::damaged, "gzip member"))
            << kept;
}

TEST(InflateMember, RefusesUnknownFlags) {
    auto stored = compress(page_like_data(300));
    Buffer out(1000);
    for (const unsigned bit : {5U, 6U, 7U}) {
        stored.bytes[3] = std::byte{1} << bit;
        EXPECT_THAT(inflate_member(stored.bytes, out), FailsWith(Code::damaged, "unknown flags"));
    }
}

TEST(InflateMember, ReadsWhatStockGzipWrites) {
    const test::TempFolder folder;
    const auto plain = page_like_data(500'000);
    test::write_file(folder / "plain", plain);
    const auto member = test::run_tool("gzip -c " + folder / "plain");  // with a name in its header
    Buffer out(kMemberPlainBytes);
    ASSERT_THAT(inflate_member(as_bytes(member), out), Succeeds());
    EXPECT_EQ(as_text(out.view()), as_text(plain));
}

TEST(GzipStreamSource, ReadsConcatenatedStreamsOfStockGzip) {
    const test::TempFolder folder;
    test::write_file(folder / "a", test::data_of("first "));
    test::write_file(folder / "b", test::data_of("second"));
    const auto stream =
        test::run_tool("cd " + folder.path() + " && gzip -9c a && gzip -1c b && gzip -c /dev/null");
    for (const std::size_t span : {1U, 5U, 1000U}) {
        const auto plain = decompress_stream(as_bytes(stream), span);
        ASSERT_THAT(plain, Succeeds());
        EXPECT_EQ(as_text(plain.value()), "first second");
    }
}

TEST(GzipStreamSource, GivesAllOfAHighlyCompressedStream) {
    const Data zeros(5'000'000);
    const auto stored = compress(zeros);
    const auto plain = decompress_stream(stored.bytes, stored.bytes.size());
    ASSERT_THAT(plain, Succeeds());
    EXPECT_EQ(plain.value(), zeros);
}

TEST(GzipStreamSource, RefusesTruncationAndTrailingGarbage) {
    const auto stored = compress(page_like_data(1000));
    const Bytes whole(stored.bytes);
    for (std::size_t kept = 0; kept < whole.size(); ++kept)
        EXPECT_THAT(decompress_stream(whole.first(kept), 64),
                    FailsWith(Code::damaged, "the gzip stream is damaged"))
            << kept;
    auto longer = stored.bytes;
    longer.push_back(std::byte{0});
    EXPECT_THAT(decompress_stream(longer), FailsWith(Code::damaged, "the gzip stream is damaged"));
    longer.back() = std::byte{0x1f};
    EXPECT_THAT(decompress_stream(longer), FailsWith(Code::damaged, "the gzip stream is damaged"));
}

TEST(GzipStreamSource, RefusesAWrongChecksum) {
    auto stored = compress(page_like_data(1000));
    stored.bytes[stored.bytes.size() - 8] ^= std::byte{1};
    EXPECT_THAT(decompress_stream(stored.bytes), FailsWith(Code::damaged, "incorrect data check"));
}

// Each piece is a block of its own, so that errors may come from any stage.
Status write_until_error(GzipMemberSink& sink) {
    const Data block(kMemberPlainBytes);
    for (std::size_t i = 0; i < 200; ++i) ASB_CHECK(sink.write(block));
    return sink.finish();
}

TEST(GzipMemberSink, ReportsTheErrorOfTheNextSinkFromALaterWrite) {
    for (const std::size_t good_writes : {0U, 1U, 9U}) {
        FailingSink next(good_writes);
        GzipMemberSink sink(next, {});
        EXPECT_THAT(write_until_error(sink), FailsWith(Code::space, "the disk is full"));
        EXPECT_THAT(sink.write(as_bytes("x")), FailsWith(Code::space, "the disk is full"));
        EXPECT_THAT(sink.finish(), FailsWith(Code::space, "the disk is full"));
    }
}

TEST(GzipMemberSink, ReportsTheErrorOfTheNextSinkFromFinish) {
    FailingSink next(0);
    GzipMemberSink sink(next, {});
    ASSERT_THAT(sink.write(as_bytes("x")), Succeeds());
    EXPECT_THAT(sink.finish(), FailsWith(Code::space, "the disk is full"));
}

TEST(GzipMemberSink, MayBeDestroyedWithoutFinish) {
    const Data data(7 * kMemberPlainBytes + 1);
    for (const std::size_t good_writes : {0U, 1000U}) {
        FailingSink next(good_writes);
        { const GzipMemberSink unused(next, {}); }
        GzipMemberSink begun(next, {});
        EXPECT_THAT(begun.write(as_bytes("x")), Succeeds());
        GzipMemberSink busy(next, {});
        [[maybe_unused]] const auto written = busy.write(data);
    }
}

}  // namespace
}  // namespace asb
