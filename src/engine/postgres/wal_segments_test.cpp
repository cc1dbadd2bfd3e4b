#include "engine/postgres/wal_segments.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace asb {
namespace {

using ::testing::HasSubstr;

constexpr std::uint64_t kSegment = 1 * kMiB;

class CollectingSink final : public EntrySink {
  public:
    std::vector<EntryHeader> headers;
    std::vector<std::string> contents;
    std::size_t ended = 0;
    Status begin(const EntryHeader& header) override {
        headers.push_back(header);
        contents.emplace_back();
        return {};
    }
    Status write(Bytes bytes) override {
        contents.back().append(as_text(bytes));
        return {};
    }
    Status end() override {
        ++ended;
        return {};
    }
};

EntryHeader make_header(std::string name, std::uint64_t size) {
    return {.name = std::move(name), .size = size};
}

Lsn at(std::uint64_t value) {
    return Lsn{value};
}

WalData wal(std::uint64_t start, const std::string& bytes) {
    return {.start = at(start), .server_end = at(start), .bytes = as_bytes(bytes)};
}

TEST(WalSegments, CutsAtBoundariesAndFillsTheLastWithZeros) {
    CollectingSink sink;
    WalSegments segments(sink,
                         {.timeline = 1,
                          .start = at(kSegment),
                          .end = at(2 * kSegment + 100),
                          .segment_bytes = kSegment},
                         make_header);
    const std::string first(kSegment - 10, 'a');
    const std::string second(500, 'b');
    ASSERT_TRUE(segments.take(wal(kSegment, first)).ok());
    EXPECT_FALSE(segments.complete());
    ASSERT_TRUE(segments.take(wal(2 * kSegment - 10, second)).ok());
    EXPECT_TRUE(segments.complete());
    EXPECT_EQ(segments.position(), at(2 * kSegment + 100));
    ASSERT_TRUE(segments.finish().ok());
    ASSERT_EQ(sink.headers.size(), 2U);
    EXPECT_EQ(sink.ended, 2U);
    EXPECT_EQ(sink.headers[0].name, "postgresql/wal/000000010000000000000001");
    EXPECT_EQ(sink.headers[1].name, "postgresql/wal/000000010000000000000002");
    EXPECT_EQ(sink.headers[1].size, kSegment);
    EXPECT_EQ(sink.contents[0], first + std::string(10, 'b'));
    EXPECT_EQ(sink.contents[1], std::string(100, 'b') + std::string(kSegment - 100, '\0'));
}

TEST(WalSegments, AnEndOnABoundaryMakesNoEmptySegment) {
    CollectingSink sink;
    WalSegments segments(
        sink, {.timeline = 1, .start = at(0), .end = at(kSegment), .segment_bytes = kSegment},
        make_header);
    ASSERT_TRUE(segments.take(wal(0, std::string(kSegment + 5, 'x'))).ok());
    ASSERT_TRUE(segments.complete());
    ASSERT_TRUE(segments.finish().ok());
    ASSERT_EQ(sink.contents.size(), 1U);
    EXPECT_EQ(sink.contents[0].size(), kSegment);
    EXPECT_EQ(sink.ended, 1U);
}

TEST(WalSegments, RefusesAGapAndAnOverlap) {
    for (const std::uint64_t start : {kSegment - 1, kSegment + 1}) {
        CollectingSink sink;
        WalSegments segments(sink,
                             {.timeline = 1,
                              .start = at(kSegment),
                              .end = at(2 * kSegment),
                              .segment_bytes = kSegment},
                             make_header);
        const Status status = segments.take(wal(start, "x"));
        ASSERT_FALSE(status.ok());
        EXPECT_EQ(status.error().code, Code::database);
        EXPECT_THAT(status.error().fact, HasSubstr("where 0/100000 was next"));
    }
}

}  // namespace
}  // namespace asb
