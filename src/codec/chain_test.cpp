// The whole byte path at once: tar, gzip, AES and segments, there and back, and with stock tools.

#include "base/text.hpp"
#include "codec/cbc.hpp"
#include "codec/gzip.hpp"
#include "codec/segment.hpp"
#include "codec/tar.hpp"
#include "codec/test_support.hpp"

namespace asb {
namespace {

using test::Data;
using test::EntryList;
using test::FailsWith;
using test::MemorySink;
using test::Succeeds;

constexpr Salt kChainSalt = {std::byte{9}, std::byte{8}, std::byte{7}, std::byte{6},
                             std::byte{5}, std::byte{4}, std::byte{3}, std::byte{2}};

const BodyKeys& chain_keys() {
    static const BodyKeys kKeys = derive_body_keys(Secret("swordfish"), kChainSalt, 10'000);
    return kKeys;
}

struct Body {
    Data bytes;
    std::vector<Digest> digests;
    std::vector<std::uint32_t> members;
};

struct Entry {
    std::string name;
    Data data;
};

Status write_entry(TarWriter& writer, const Entry& entry) {
    ASB_CHECK(writer.begin({.name = entry.name, .size = entry.data.size()}));
    for (Bytes rest(entry.data); !rest.empty();) {
        const auto piece = rest.first(std::min<std::size_t>(rest.size(), 99'991));
        ASB_CHECK(writer.write(piece));
        rest = rest.subspan(piece.size());
    }
    return writer.end();
}

Status write_all_to(ByteSink& last, const std::vector<Entry>& entries, Body& body) {
    SegmentSink segments(last);
    CbcEncryptSink encrypter(segments, chain_keys(), kChainSalt);
    GzipMemberSink gzip(encrypter, {.threads = 2, .level = 1});
    TarWriter writer(gzip);
    for (const auto& entry : entries) ASB_CHECK(write_entry(writer, entry));
    ASB_CHECK(writer.finish());
    body.digests = segments.digests();
    body.members = gzip.member_sizes();
    return {};
}

Body make_body(const std::vector<Entry>& entries) {
    MemorySink sink;
    Body body;
    EXPECT_THAT(write_all_to(sink, entries, body), Succeeds());
    body.bytes = std::move(sink.data);
    return body;
}

Status read_body(const Body& body, EntryList& list) {
    SegmentSource segments(
        [&](std::uint64_t offset, MutableBytes out) -> Status {
            if (offset + out.size() > body.bytes.size()) return fail(Code::damaged, "too short");
            std::memcpy(out.data(), body.bytes.data() + offset, out.size());
            return {};
        },
        body.bytes.size(), body.digests, 2);
    CbcDecryptSource decrypter(segments, chain_keys());
    GzipMemberSource gzip(decrypter, body.members, 2);
    TarParser parser(list);
    while (true) {
        ASB_TRY(const auto bytes, gzip.next());
        if (bytes.empty()) return parser.finish();
        ASB_CHECK(parser.feed(bytes));
    }
}

// More than two segments, since random bytes do not compress.
const std::vector<Entry>& large_entries() {
    static const std::vector<Entry> kEntries = {{"pages", test::page_like_data(9'000'000)},
                                                {"empty", {}},
                                                {"noise", test::random_data(34'000'001)}};
    return kEntries;
}
const Body& large_body() {
    static const Body kBody = make_body(large_entries());
    return kBody;
}

TEST(Chain, GivesBackEntriesOfEverySizeAroundTheBoundaries) {
    std::vector<Entry> entries;
    for (const std::size_t size :
         {std::size_t{0}, std::size_t{1}, std::size_t{511}, std::size_t{512}, std::size_t{513},
          kMemberPlainBytes - 1, kMemberPlainBytes, kMemberPlainBytes + 1, kSegmentBytes - 1,
          kSegmentBytes, kSegmentBytes + 1})
        entries.push_back({fmt::format("of-{}-bytes", size), test::page_like_data(size, size + 1)});
    EntryList list;
    ASSERT_THAT(read_body(make_body(entries), list), Succeeds());
    ASSERT_EQ(list.entries.size(), entries.size());
    for (std::size_t i = 0; i < entries.size(); ++i) {
        EXPECT_EQ(list.entries[i].header.name, entries[i].name);
        EXPECT_EQ(list.entries[i].data, as_text(entries[i].data)) << entries[i].name;
    }
}

TEST(Chain, IsWhatOpensslAndTarRead) {
    const test::TempFolder folder;
    test::write_file(folder / "body", large_body().bytes);
    const std::string decrypt =
        "SECRET=swordfish openssl enc -d -aes-256-cbc -pbkdf2 -iter 10000 -md sha256 -pass "
        "env:SECRET -in " +
        folder / "body" + " | ";
    EXPECT_EQ(test::run_tool(decrypt + "tar tz"), "pages\nempty\nnoise\n");
    EXPECT_EQ(test::run_tool(decrypt + "tar xzO noise"), as_text(large_entries()[2].data));
}

TEST(Chain, IsTheSameBytesEachTime) {
    EXPECT_EQ(make_body(large_entries()).bytes, large_body().bytes);
}

TEST(Chain, RefusesAFlippedBitAnywhere) {
    const auto size = large_body().bytes.size();
    for (const std::size_t at : {std::size_t{0}, std::size_t{8}, std::size_t{16}, kSegmentBytes - 1,
                                 kSegmentBytes, size / 2, size - 1}) {
        auto body = large_body();
        body.bytes[at] ^= std::byte{1};
        EntryList list;
        EXPECT_THAT(
            read_body(body, list),
            FailsWith(Code::damaged, fmt::format("segment {} of 3", at / kSegmentBytes + 1)))
            << at;
    }
}

TEST(Chain, RefusesTruncationAtEveryKindOfBoundary) {
    const std::size_t size = large_body().bytes.size();
    const std::size_t first_member =
        kCbcHeaderBytes + std::size_t{large_body().members[0]} / 16 * 16;
    for (const std::size_t kept : {std::size_t{0}, kCbcHeaderBytes, first_member, kSegmentBytes - 1,
                                   kSegmentBytes, 2 * kSegmentBytes, size - 16, size - 1}) {
        auto body = large_body();
        body.bytes.resize(kept);
        EntryList list;
        EXPECT_THAT(read_body(body, list), FailsWith(Code::damaged, "")) << kept;
        EntryList second;
        // Even when the list of digests is cut to match, as only the holder of the key could.
        body.digests.resize((kept + kSegmentBytes - 1) / kSegmentBytes);
        if (!body.digests.empty())
            body.digests.back() =
                sha256(Bytes(body.bytes).subspan((body.digests.size() - 1) * kSegmentBytes));
        EXPECT_THAT(read_body(body, second), FailsWith(Code::damaged, "")) << kept;
    }
}

TEST(Chain, RefusesSwappedAndForeignSegments) {
    auto swapped = large_body();
    std::swap_ranges(swapped.bytes.begin(), swapped.bytes.begin() + kSegmentBytes,
                     swapped.bytes.begin() + kSegmentBytes);
    EntryList list;
    EXPECT_THAT(read_body(swapped, list), FailsWith(Code::damaged, "segment 1 of 3"));
    auto spliced = large_body();
    const auto other = make_body({{"other", test::random_data(34'000'000, 2)}});
    std::copy_n(other.bytes.begin() + kSegmentBytes, kSegmentBytes,
                spliced.bytes.begin() + kSegmentBytes);
    EntryList second;
    EXPECT_THAT(read_body(spliced, second), FailsWith(Code::damaged, "segment 2 of 3"));
}

TEST(Chain, RefusesExtraBytes) {
    auto body = large_body();
    body.bytes.resize(body.bytes.size() + 16);
    EntryList list;
    EXPECT_THAT(read_body(body, list), FailsWith(Code::damaged, "segment 3 of 3"));
}

TEST(Chain, BringsTheErrorOfTheLastSinkBackToTheWriter) {
    for (const std::size_t good_writes : {0U, 1U, 2U}) {
        test::FailingSink last(good_writes);
        Body body;
        EXPECT_THAT(write_all_to(last, large_entries(), body),
                    FailsWith(Code::space, "the disk is full"))
            << good_writes;
    }
}

TEST(Chain, MayBeDroppedInTheMiddle) {
    MemorySink sink;
    SegmentSink segments(sink);
    CbcEncryptSink encrypter(segments, chain_keys(), kChainSalt);
    GzipMemberSink gzip(encrypter, {});
    TarWriter writer(gzip);
    ASSERT_THAT(write_entry(writer, large_entries()[2]), Succeeds());
}

}  // namespace
}  // namespace asb
