#include "contract/store_contract.hpp"

#include <gmock/gmock.h>

#include <atomic>
#include <barrier>
#include <thread>

#include "base/text.hpp"

namespace asb::contract {

using testing::ElementsAre;
using testing::IsEmpty;

TEST_P(StoreContract, IsEmptyBeforeAnythingIsPutThere) {
    EXPECT_THAT(list(), IsEmpty());
    EXPECT_EQ(get("a"), "<not_found>");
    EXPECT_THAT(being_written(), IsEmpty());
    EXPECT_EQ(sweep(), 0U);
    EXPECT_TRUE(eraser().erase_all({ObjectKey::known("a")}).ok());
}

TEST_P(StoreContract, GivesBackWhatWasPut) {
    put("a.manifest.json", "{\"id\":1}");
    EXPECT_EQ(get("a.manifest.json"), "{\"id\":1}");
}

TEST_P(StoreContract, KeepsAnObjectOfNoBytes) {
    put("empty", "");
    EXPECT_EQ(get("empty"), "");
    EXPECT_THAT(list(), ElementsAre("empty"));
}

TEST_P(StoreContract, NamesWhatIsMissingAndWhere) {
    const auto object = reader().open(ObjectKey::known("missing"));
    ASSERT_FALSE(object.ok());
    EXPECT_EQ(object.error().code, Code::not_found);
    EXPECT_EQ(object.error().fact, "there is no missing in " + reader().place());
}

TEST_P(StoreContract, WritesANameOnce) {
    put("a", "first");
    EXPECT_EQ(refusal_to_create("a"), Code::busy);
    const auto again = appender().put(ObjectKey::known("a"), as_bytes("second"));
    ASSERT_FALSE(again.ok());
    EXPECT_EQ(again.error().code, Code::busy);
    EXPECT_EQ(get("a"), "first");
}

TEST_P(StoreContract, ShowsAnObjectOnlyOnceItIsCommitted) {
    const auto writer = create("a");
    ASSERT_TRUE(writer->append(as_bytes("text")).ok());
    EXPECT_THAT(list(), IsEmpty());
    EXPECT_EQ(get("a"), "<not_found>");
    ASSERT_TRUE(writer->commit().ok());
    EXPECT_THAT(list(), ElementsAre("a"));
    EXPECT_EQ(get("a"), "text");
}

TEST_P(StoreContract, VisitsTheNamesBelowAPrefixUntilTheVisitorHasEnough) {
    for (const char* key : {"a", "log/x/1", "log/x/2", "log/x/3", "log/y/1"}) put(key, "");
    std::vector<std::string> seen;
    const auto status = reader().visit_names("log/x/", [&](std::string_view key) -> Status {
        seen.emplace_back(key);
        return seen.size() < 2 ? Status() : fail(Code::damaged, "enough");
    });
    ASSERT_FALSE(status.ok());
    EXPECT_EQ(status.error().fact, "enough");
    ASSERT_EQ(seen.size(), 2U);
    for (const auto& key : seen) EXPECT_THAT(key, testing::StartsWith("log/x/"));
}

TEST_P(StoreContract, ReservesANameForOneLiveWriter) {
    auto writer = create("a");
    EXPECT_EQ(refusal_to_create("a"), Code::busy);
    writer.reset();
    writer = create("a");
    ASSERT_TRUE(writer->commit().ok());
    EXPECT_EQ(refusal_to_create("a"), Code::busy);
    writer.reset();
    EXPECT_EQ(refusal_to_create("a"), Code::busy);
}

TEST_P(StoreContract, LeavesNothingOfAnAbandonedObject) {
    auto writer = create("a");
    ASSERT_TRUE(writer->append(make_bytes(3 * kMiB)).ok());
    writer.reset();
    EXPECT_THAT(list(), IsEmpty());
    EXPECT_THAT(being_written(), IsEmpty());
    EXPECT_EQ(sweep(), 0U);
    put("a", "text");
    EXPECT_EQ(get("a"), "text");
}

TEST_P(StoreContract, TakesNothingMoreAfterTheCommit) {
    const auto writer = create("a");
    ASSERT_TRUE(writer->append(as_bytes("text")).ok());
    ASSERT_TRUE(writer->commit().ok());
    EXPECT_FALSE(writer->append(as_bytes("more")).ok());
    EXPECT_FALSE(writer->commit().ok());
    EXPECT_EQ(get("a"), "text");
}

TEST_P(StoreContract, ListsByNameWithSizeAndTime) {
    const auto begin = now();
    put("b", "22");
    put("c", "");
    put("a", "1");
    const auto objects = reader().list("");
    ASSERT_TRUE(objects.ok());
    ASSERT_THAT(texts_of(objects.value()), ElementsAre("a", "b", "c"));
    EXPECT_EQ(objects.value()[0].size, 1U);
    EXPECT_EQ(objects.value()[1].size, 2U);
    EXPECT_EQ(objects.value()[2].size, 0U);
    for (const auto& object : objects.value()) {
        EXPECT_GE(object.modified, begin - std::chrono::seconds(2));
        EXPECT_LE(object.modified, now() + std::chrono::seconds(2));
    }
}

TEST_P(StoreContract, ListsWhatBeginsWithAPrefix) {
    for (const auto* key : {"ab-1", "ab-2", "abc", "b", "log/ab/1", "log/ab/2", "log/b/1", "logo"})
        put(key, "x");
    EXPECT_THAT(list("ab-"), ElementsAre("ab-1", "ab-2"));
    EXPECT_THAT(list("ab"), ElementsAre("ab-1", "ab-2", "abc"));
    EXPECT_THAT(list("log"), ElementsAre("log/ab/1", "log/ab/2", "log/b/1", "logo"));
    EXPECT_THAT(list("log/"), ElementsAre("log/ab/1", "log/ab/2", "log/b/1"));
    EXPECT_THAT(list("log/a"), ElementsAre("log/ab/1", "log/ab/2"));
    EXPECT_THAT(list("log/ab/2"), ElementsAre("log/ab/2"));
    EXPECT_THAT(list("x"), IsEmpty());
    EXPECT_THAT(list("../"), IsEmpty());
}

TEST_P(StoreContract, SortsByTheWholeNameAndNotByFolder) {
    for (const auto* key : {"a/b", "a-b", "a.b", "a0"}) put(key, "x");
    EXPECT_THAT(list(), ElementsAre("a-b", "a.b", "a/b", "a0"));
}

TEST_P(StoreContract, KeepsNamesOfSeveralParts) {
    put("log/chain/1", "one");
    put("log/chain/2", "two");
    put("log/other/1", "three");
    EXPECT_EQ(get("log/chain/2"), "two");
    EXPECT_EQ(get("log/chain/3"), "<not_found>");
    EXPECT_EQ(get("nowhere/chain/3"), "<not_found>");
    EXPECT_EQ(refusal_to_create("log/chain/1"), Code::busy);
    ASSERT_TRUE(eraser().erase_all({ObjectKey::known("log/chain/1")}).ok());
    EXPECT_THAT(list(), ElementsAre("log/chain/2", "log/other/1"));
}

TEST_P(StoreContract, KeepsTheLongestNames) {
    const std::string part(240, 'x');
    const std::string key = part + "/" + part + "/" + part + "/" + part;
    put(key, "text");
    EXPECT_EQ(get(key), "text");
    EXPECT_THAT(list(), ElementsAre(key));
}

TEST_P(StoreContract, ReadsAnyRange) {
    const auto bytes = make_bytes(100'000);
    ASSERT_TRUE(appender().put(ObjectKey::known("a"), bytes).ok());
    const auto object = reader().open(ObjectKey::known("a"));
    ASSERT_TRUE(object.ok());
    EXPECT_EQ(object.value()->size(), bytes.size());
    const std::vector<std::pair<std::size_t, std::size_t>> ranges = {
        {0, 100'000}, {0, 1}, {99'999, 1}, {4095, 4098}, {0, 0}, {100'000, 0}};
    for (const auto& [offset, count] : ranges) {
        std::vector<std::byte> out(count);
        ASSERT_TRUE(object.value()->read_at(offset, out).ok());
        EXPECT_TRUE(std::equal(out.begin(), out.end(), bytes.begin() + static_cast<long>(offset)));
    }
}

TEST_P(StoreContract, ReportsARangePastTheEndAsDamage) {
    put("a", "0123456789");
    const auto object = reader().open(ObjectKey::known("a"));
    ASSERT_TRUE(object.ok());
    std::vector<std::byte> out(5);
    for (const std::uint64_t offset : {6ULL, 10ULL, 11ULL, ~0ULL, ~0ULL - 4}) {
        const auto status = object.value()->read_at(offset, out);
        ASSERT_FALSE(status.ok()) << offset;
        EXPECT_EQ(status.error().code, Code::damaged);
    }
}

TEST_P(StoreContract, RefusesToGetMoreThanTheBound) {
    put("a", "0123456789");
    EXPECT_TRUE(reader().get(ObjectKey::known("a"), 10).ok());
    const auto text = reader().get(ObjectKey::known("a"), 9);
    ASSERT_FALSE(text.ok());
    EXPECT_EQ(text.error().code, Code::damaged);
    EXPECT_EQ(text.error().fact,
              "a in " + reader().place() + " has 10 bytes, more than the 9 it may have");
}

TEST_P(StoreContract, TakesALargeObjectInOddPieces) {
    const auto bytes = make_bytes(40 * kMiB + 12'345);
    const auto writer = create("large");
    std::size_t done = 0;
    for (std::size_t piece = 1; done < bytes.size(); piece = piece * 3 + 7) {
        const auto count = std::min(piece % (5 * kMiB), bytes.size() - done);
        ASSERT_TRUE(writer->append(Bytes(bytes).subspan(done, count)).ok());
        done += count;
    }
    ASSERT_TRUE(writer->commit().ok());
    const auto object = reader().open(ObjectKey::known("large"));
    ASSERT_TRUE(object.ok());
    ASSERT_EQ(object.value()->size(), bytes.size());
    std::vector<std::byte> out(bytes.size());
    ASSERT_TRUE(object.value()->read_at(0, out).ok());
    EXPECT_TRUE(out == bytes);
}

// A store may write large aligned pieces another way (past the page cache): what is in the object
// must not tell.
TEST_P(StoreContract, TakesAlignedAndOddPiecesInTurn) {
    constexpr std::size_t kPiece = 2 * kMiB;
    constexpr std::size_t kAlignment = 4096;
    auto memory = make_bytes(2 * kPiece);
    void* begin = memory.data();
    std::size_t room = memory.size();
    ASSERT_NE(std::align(kAlignment, kPiece, begin, room), nullptr);
    const Bytes aligned(static_cast<const std::byte*>(begin), kPiece);
    std::string expected;
    const auto writer = create("a");
    for (const std::size_t count : {kPiece, kPiece, kAlignment, kPiece, kPiece - 1, kPiece}) {
        ASSERT_TRUE(writer->append(aligned.first(count)).ok());
        expected += as_text(aligned.first(count));
    }
    ASSERT_TRUE(writer->commit().ok());
    const auto text = reader().get(ObjectKey::known("a"), 6 * kPiece);
    ASSERT_TRUE(text.ok()) << to_text(text.error());
    EXPECT_TRUE(text.value() == expected);
}

TEST_P(StoreContract, LetsTwoWritersOfDifferentNamesWorkAtOnce) {
    const auto first = create("first");
    const auto second = create("second");
    for (int i = 0; i < 10; ++i) {
        ASSERT_TRUE(first->append(as_bytes("1")).ok());
        ASSERT_TRUE(second->append(as_bytes("22")).ok());
    }
    ASSERT_TRUE(second->commit().ok());
    ASSERT_TRUE(first->commit().ok());
    EXPECT_EQ(get("first"), std::string(10, '1'));
    EXPECT_EQ(get("second"), std::string(20, '2'));
}

TEST_P(StoreContract, GivesANameToOneOfManyWhoWantItAtOnce) {
    constexpr int kThreads = 8;
    constexpr int kNames = 10;
    std::atomic<int> committed = 0;
    std::atomic<int> busy = 0;
    std::barrier start(kThreads);
    std::vector<std::jthread> threads;
    threads.reserve(kThreads);
    for (int i = 0; i < kThreads; ++i)
        threads.emplace_back([&, i] {
            const auto rights = location_->open();
            for (int name = 0; name < kNames; ++name) {
                start.arrive_and_wait();
                const auto status = rights.appender->put(
                    ObjectKey::known(fmt::format("name-{}", name)), as_bytes(std::to_string(i)));
                if (status.ok()) ++committed;
                if (!status.ok() && status.error().code == Code::busy) ++busy;
            }
        });
    threads.clear();
    EXPECT_EQ(committed, kNames);
    EXPECT_EQ(busy, kNames * (kThreads - 1));
    EXPECT_EQ(list().size(), static_cast<std::size_t>(kNames));
}

TEST_P(StoreContract, ReadsOneObjectFromManyThreads) {
    constexpr std::size_t kPiece = 64 * kKiB;
    constexpr std::size_t kPieces = 64;
    const auto bytes = make_bytes(kPiece * kPieces);
    ASSERT_TRUE(appender().put(ObjectKey::known("a"), bytes).ok());
    const auto object = reader().open(ObjectKey::known("a"));
    ASSERT_TRUE(object.ok());
    std::atomic<std::size_t> next = 0;
    std::atomic<std::size_t> good = 0;
    std::vector<std::jthread> threads;
    threads.reserve(4);
    for (int i = 0; i < 4; ++i)
        threads.emplace_back([&] {
            std::vector<std::byte> out(kPiece);
            for (auto piece = next++; piece < kPieces; piece = next++) {
                const auto expected = Bytes(bytes).subspan(piece * kPiece, kPiece);
                if (object.value()->read_at(piece * kPiece, out).ok() &&
                    std::equal(out.begin(), out.end(), expected.begin()))
                    ++good;
            }
        });
    threads.clear();
    EXPECT_EQ(good, kPieces);
}

TEST_P(StoreContract, TellsWhatIsBeingWritten) {
    const auto second = create("b");
    auto first = create("log/chain/1");
    EXPECT_THAT(being_written(), ElementsAre("b", "log/chain/1"));
    first.reset();
    EXPECT_THAT(being_written(), ElementsAre("b"));
    ASSERT_TRUE(second->commit().ok());
    EXPECT_THAT(being_written(), IsEmpty());
}

TEST_P(StoreContract, SweepsNothingOfALiveWriter) {
    const auto writer = create("a");
    ASSERT_TRUE(writer->append(as_bytes("te")).ok());
    EXPECT_EQ(sweep(), 0U);
    ASSERT_TRUE(writer->append(as_bytes("xt")).ok());
    ASSERT_TRUE(writer->commit().ok());
    EXPECT_EQ(sweep(), 0U);
    EXPECT_EQ(get("a"), "text");
}

TEST_P(StoreContract, SweepsAndAsksWhileOthersWrite) {
    std::atomic<bool> done = false;
    std::vector<std::jthread> sweepers;
    sweepers.reserve(2);
    for (int i = 0; i < 2; ++i)
        sweepers.emplace_back([&] {
            const auto rights = location_->open();
            while (!done) {
                EXPECT_TRUE(rights.eraser->sweep_abandoned().ok());
                EXPECT_TRUE(rights.eraser->being_written().ok());
            }
        });
    for (int i = 0; i < 100; ++i) put(fmt::format("name-{}", i), "text");
    done = true;
    sweepers.clear();
    EXPECT_EQ(list().size(), 100U);
}

TEST_P(StoreContract, ErasesOneObject) {
    put("a", "1");
    put("b", "2");
    ASSERT_TRUE(eraser().erase_all({ObjectKey::known("a")}).ok());
    EXPECT_THAT(list(), ElementsAre("b"));
    EXPECT_EQ(get("a"), "<not_found>");
    EXPECT_TRUE(eraser().erase_all({ObjectKey::known("a")}).ok());
}

TEST_P(StoreContract, ErasesManyObjectsOfSeveralFolders) {
    for (const auto* key : {"a", "log/1/a", "log/1/b", "log/1/c", "log/2/a"}) put(key, "text");
    ASSERT_TRUE(eraser()
                    .erase_all({ObjectKey::known("log/1/a"), ObjectKey::known("log/1/c"),
                                ObjectKey::known("missing/a"), ObjectKey::known("log/2/a")})
                    .ok());
    EXPECT_THAT(list(), ElementsAre("a", "log/1/b"));
    EXPECT_TRUE(eraser().erase_all({}).ok());
}

TEST_P(StoreContract, KnowsItsRoomBeforeItExists) {
    const auto before = appender().free_space();
    ASSERT_TRUE(before.ok());
    if (before.value()) {
        EXPECT_GT(*before.value(), 0U);
    }
    EXPECT_THAT(list(), IsEmpty());
}

TEST_P(StoreContract, IsTheSameForEveryRunThatOpensIt) {
    put("a", "text");
    const auto again = location_->open();
    EXPECT_EQ(again.reader->place(), reader().place());
    EXPECT_NE(again.reader->place(), "");
    EXPECT_EQ(*again.reader->get(ObjectKey::known("a"), 100), "text");
}

}  // namespace asb::contract
