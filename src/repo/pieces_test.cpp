// Parts of an archive, across the borders of members, segments and cipher blocks, in every
// combination of compression and encryption.

#include "repo/pieces.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>

#include "base/text.hpp"
#include "codec/gzip.hpp"
#include "codec/segment.hpp"
#include "codec/test_support.hpp"
#include "repo/archive_writer.hpp"

namespace asb {
namespace {

using test::Data;
using test::EntryList;
using test::FailsWith;
using test::MemorySink;
using test::Succeeds;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;

constexpr Salt kSalt = {};

const BodyKeys& keys() {
    static const BodyKeys kKeys = derive_body_keys(Secret("swordfish"), kSalt, 1000);
    return kKeys;
}

class MemoryObject final : public StoredObject {
  public:
    explicit MemoryObject(Data data) : data_(std::move(data)) {}
    [[nodiscard]] std::uint64_t size() const override { return data_.size(); }
    Status read_at(std::uint64_t offset, MutableBytes out) override {
        read += out.size();
        std::copy_n(data_.begin() + static_cast<std::ptrdiff_t>(offset), out.size(), out.begin());
        return {};
    }
    void flip(std::uint64_t offset) { data_[offset] ^= std::byte{1}; }
    std::atomic<std::uint64_t> read = 0;

  private:
    Data data_;
};

struct Kind {
    bool compressed;
    bool encrypted;
};

struct Sample {
    std::string name;
    EntryType type = EntryType::file;
    std::size_t size = 0;
};

// Sizes that put headers and data just before, at and behind the borders of members and segments.
const std::vector<Sample>& samples() {
    constexpr std::size_t kMember = kMemberPlainBytes;
    static const std::vector<Sample> kSamples = {
        {"config", EntryType::folder},
        {"config/a", EntryType::file, 1},
        {"config/empty", EntryType::file, 0},
        {"config/to the border", EntryType::file, kMember - std::size_t{512} * 7},
        {"config/behind it", EntryType::file, 513},
        {"config/link", EntryType::symbolic_link},
        {std::string(150, 'n') + "/" + std::string(150, 'm'), EntryType::file, 15},
        {"config/three members", EntryType::file, 3 * kMember + 17},
        {"config/deep", EntryType::folder},
        {"config/deep/large", EntryType::file, 25 * kMiB + 1},
        {"config/deep/after", EntryType::file, 16},
        {"config/hard", EntryType::hard_link},
        {"logs", EntryType::folder},
    };
    return kSamples;
}

EntryHeader header_of(const Sample& sample) {
    EntryHeader header;
    header.name = sample.name;
    header.type = sample.type;
    header.size = sample.size;
    if (sample.type == EntryType::symbolic_link || sample.type == EntryType::hard_link)
        header.link_target = "config/a";
    return header;
}

const Data& data_of(std::size_t number) {
    static const std::vector<Data> kData = [] {
        std::vector<Data> all;
        for (const auto& sample : samples())
            all.push_back(test::random_data(sample.size, all.size() + 1));
        return all;
    }();
    return kData[number];
}

class Pieces : public testing::TestWithParam<Kind> {
  protected:
    void SetUp() override {
        MemorySink body;
        std::promise<BodyKeys> promise;
        promise.set_value(keys());
        ArchiveOptions options;
        options.compressed = GetParam().compressed;
        options.salt = kSalt;
        if (GetParam().encrypted) options.keys = promise.get_future().share();
        ArchiveWriter writer(body, options);
        for (std::size_t i = 0; i < samples().size(); ++i) {
            ASSERT_THAT(writer.begin(header_of(samples()[i])), Succeeds());
            ASSERT_THAT(writer.write(data_of(i)), Succeeds());
            ASSERT_THAT(writer.end(), Succeeds());
        }
        auto summary = writer.finish();
        ASSERT_THAT(summary, Succeeds());
        Manifest& manifest = archive.read.manifest;
        manifest.name = "the backup";
        manifest.compressed = GetParam().compressed;
        manifest.plain_bytes = summary->plain_bytes;
        manifest.entry_count = summary->entry_count;
        manifest.inner_manifest_offset = summary->inner_manifest_offset;
        archive.index = summary->index;
        manifest.body_length = archive.index.body_length;
        if (GetParam().encrypted) archive.keys = keys();
        auto memory = std::make_unique<MemoryObject>(std::move(body.data));
        object = memory.get();
        archive.body = std::move(memory);
    }

    // What a choice gives is what was written, and only what was planned is read.
    void expect_round_trip(const std::vector<bool>& chosen) {
        const auto contents = read_contents(archive, {});
        ASSERT_THAT(contents, Succeeds());
        const auto selection = select_entries(archive, *contents, chosen);
        ASSERT_THAT(selection, Succeeds());
        object->read = 0;
        EntryList list;
        ASSERT_THAT(read_selection(archive, *contents, *selection, list, {}), Succeeds());
        EXPECT_EQ(object->read, selection->pieces.stored_bytes);
        std::size_t at = 0;
        for (std::size_t i = 0; i < chosen.size(); ++i) {
            if (!chosen[i]) continue;
            ASSERT_LT(at, list.entries.size());
            EXPECT_EQ(list.entries[at].header.name, samples()[i].name);
            EXPECT_EQ(list.entries[at].header.type, samples()[i].type);
            const auto& written = data_of(i);
            EXPECT_EQ(list.entries[at].data, as_text(written)) << samples()[i].name;
            ++at;
        }
        EXPECT_EQ(at, list.entries.size());
    }

    OpenArchive archive;
    MemoryObject* object = nullptr;
};

std::vector<bool> all_but(std::size_t left_out) {
    std::vector<bool> chosen(samples().size(), true);
    if (left_out < chosen.size()) chosen[left_out] = false;
    return chosen;
}

std::vector<bool> none_but(std::size_t wanted) {
    std::vector<bool> chosen(samples().size());
    chosen[wanted] = true;
    return chosen;
}

TEST_P(Pieces, EachEntryComesAlone) {
    expect_round_trip(all_but(samples().size()));
    for (std::size_t i = 0; i < samples().size(); ++i) {
        expect_round_trip(none_but(i));
    }
    expect_round_trip(all_but(4));
    expect_round_trip(all_but(9));
}

TEST_P(Pieces, AnyChoiceComes) {
    std::mt19937 generator(7);
    for (int round = 0; round < 6; ++round) {
        std::vector<bool> chosen;
        for (std::size_t i = 0; i < samples().size(); ++i) chosen.push_back(generator() % 3 == 0);
        expect_round_trip(chosen);
    }
    expect_round_trip(std::vector<bool>(samples().size()));
}

TEST_P(Pieces, AnyRangeOfPlainBytesIsThatOfTheWholeStream) {
    const auto end = archive.read.manifest.plain_bytes;
    const auto whole_pieces = pieces_of(archive, {{0, end}});
    ASSERT_THAT(whole_pieces, Succeeds());
    PieceSource whole_source(archive, *whole_pieces, 2);
    const auto whole = test::read_all(whole_source);
    ASSERT_THAT(whole, Succeeds());
    ASSERT_THAT(*whole, SizeIs(end));
    std::vector<ByteRange> ranges;
    for (const std::uint64_t border : {1UL, 16UL, kMemberPlainBytes, 2 * kMemberPlainBytes,
                                       4 * kMemberPlainBytes, 8 * kMemberPlainBytes})
        for (std::uint64_t begin = border - 1; begin <= border + 15; begin += 5)
            ranges.push_back({begin, std::min(begin + 3, end)});
    ranges.erase(std::unique(ranges.begin(), ranges.end()), ranges.end());
    for (const auto& range : ranges) {
        const auto pieces = pieces_of(archive, {range, {end - 100, end}});
        ASSERT_THAT(pieces, Succeeds());
        EXPECT_LE(pieces->plain_bytes, 3 * kMemberPlainBytes);
        PieceSource source(archive, *pieces, 2);
        const auto bytes = test::read_all(source);
        ASSERT_THAT(bytes, Succeeds());
        const auto at = [&](std::uint64_t offset) {
            return whole->begin() + static_cast<std::ptrdiff_t>(offset);
        };
        Data expected(at(range.begin), at(range.end));
        expected.insert(expected.end(), at(end - 100), whole->end());
        EXPECT_EQ(*bytes, expected) << range.begin;
    }
}

TEST_P(Pieces, OnlyDamageInWhatIsReadMatters) {
    const auto contents = read_contents(archive, {});
    ASSERT_THAT(contents, Succeeds());
    object->flip(kSegmentBytes + 1000);  // inside config/deep/large
    const auto small = select_entries(archive, *contents, none_but(1));
    const auto large = select_entries(archive, *contents, none_but(9));
    ASSERT_THAT(small, Succeeds());
    ASSERT_THAT(large, Succeeds());
    EXPECT_THAT(small->pieces.segments, ElementsAre(0));
    EntryList list;
    EXPECT_THAT(read_selection(archive, *contents, *small, list, {}), Succeeds());
    EXPECT_THAT(read_selection(archive, *contents, *large, list, {}),
                FailsWith(Code::damaged, "segment 2 of"));
}

TEST_P(Pieces, AListThatDoesNotFitTheEntriesIsDamaged) {
    auto contents = read_contents(archive, {});
    ASSERT_THAT(contents, Succeeds());
    const auto selection = select_entries(archive, *contents, none_but(4));
    ASSERT_THAT(selection, Succeeds());
    EntryList list;
    contents->entries[4].digest[10] = 'x';
    EXPECT_THAT(read_selection(archive, *contents, *selection, list, {}),
                FailsWith(Code::damaged, "config/behind it of the archive does not match"));
    contents->entries[4].name = "config/another";
    list = {};
    EXPECT_THAT(read_selection(archive, *contents, *selection, list, {}),
                FailsWith(Code::damaged, "is not what its inner manifest says"));
}

TEST_P(Pieces, TheListIsFoundFromTheEndWhereItsPlaceIsNotSaid) {
    const auto known = read_contents(archive, {});
    archive.read.manifest.inner_manifest_offset.reset();
    const auto found = read_contents(archive, {});
    ASSERT_THAT(known, Succeeds());
    ASSERT_THAT(found, Succeeds());
    EXPECT_EQ(found->end, known->end);
    EXPECT_THAT(found->entries, SizeIs(samples().size()));
}

TEST_P(Pieces, AnIndexOrOffsetThatContradictsTheManifestIsDamaged) {
    archive.read.manifest.inner_manifest_offset = archive.read.manifest.plain_bytes;
    EXPECT_THAT(read_contents(archive, {}), FailsWith(Code::damaged, "has no bytes"));
    archive.read.manifest.inner_manifest_offset = 512;
    EXPECT_THAT(read_contents(archive, {}), FailsWith(Code::damaged, ""));
    archive.index.segments.pop_back();
    EXPECT_THAT(pieces_of(archive, {{0, 1}}), FailsWith(Code::damaged, "number of segments"));
    archive.index.body_length -= 1;
    EXPECT_THAT(pieces_of(archive, {{0, 1}}), FailsWith(Code::damaged, "length of the body"));
}

INSTANTIATE_TEST_SUITE_P(EveryCombination, Pieces,
                         testing::Values(Kind{true, true}, Kind{true, false}, Kind{false, true},
                                         Kind{false, false}),
                         [](const auto& tested) {
                             return std::string(tested.param.compressed ? "Compressed" : "Plain") +
                                    (tested.param.encrypted ? "Encrypted" : "Open");
                         });

TEST(InnerManifest, IsReadAsItWasWritten) {
    InnerManifestText text;
    text.add({.name = "a\xff\n", .type = EntryType::folder, .digest = {}});
    text.add({.name = "b", .offset = 1024, .size = 3, .digest = "sha256:00"});
    text.add({.name = "c", .type = EntryType::hard_link, .digest = {}});
    const auto document = text.finish();
    const auto entries = parse_inner_manifest(document, 2048);
    ASSERT_THAT(entries, Succeeds());
    ASSERT_THAT(*entries, SizeIs(3));
    EXPECT_EQ(entries->at(0).name, "a\xff\n");
    EXPECT_EQ(entries->at(1).offset, 1024);
    EXPECT_EQ(entries->at(2).type, EntryType::hard_link);
    EXPECT_THAT(parse_inner_manifest(document, 1024), FailsWith(Code::damaged, "entry 2"));
    for (std::size_t i = 0; i < document.size(); ++i) {
        const auto cut = parse_inner_manifest(std::string_view(document).substr(0, i), 2048);
        EXPECT_FALSE(cut.ok()) << i;
    }
    auto changed = document;
    changed.replace(changed.find("\"size\":3"), 8, "\"size\":03");
    EXPECT_THAT(parse_inner_manifest(changed, 2048), FailsWith(Code::damaged, ""));
    const auto none = parse_inner_manifest(InnerManifestText().finish(), 512);
    ASSERT_THAT(none, Succeeds());
    EXPECT_THAT(*none, IsEmpty());
}

}  // namespace
}  // namespace asb
