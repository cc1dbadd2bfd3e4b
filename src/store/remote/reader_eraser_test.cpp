// Reading what is there as it was, and removing what may go.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "store/remote/memory_client.hpp"
#include "store/remote/rights.hpp"

namespace asb::remote {
namespace {

using namespace std::chrono_literals;
using test::Call;
using test::MemoryClient;
using testing::ElementsAre;
using testing::IsEmpty;

std::vector<std::string> texts_of(const std::vector<ObjectKey>& keys) {
    std::vector<std::string> texts;
    texts.reserve(keys.size());
    for (const auto& key : keys) texts.push_back(key.text());
    return texts;
}

class RemoteReading : public testing::Test {
  protected:
    std::shared_ptr<MemoryClient> client_ = std::make_shared<MemoryClient>();
    std::unique_ptr<StoreReader> reader_ = make_reader(client_);
};

TEST_F(RemoteReading, ListsAllPagesAndLeavesOutWhatNoKeyCanName) {
    for (const auto* name : {"a", "b/c", "b/d", "b-e", "b/", ".writing/a.0000000001", "x y", "../z",
                             "b//c", "c", "d", "e"})
        client_->write_by_hand(name, "12");
    const auto objects = reader_->list("");
    std::vector<std::string> names;
    for (const auto& object : objects.value()) names.push_back(object.key.text());
    EXPECT_THAT(names, ElementsAre("a", "b-e", "b/c", "b/d", "c", "d", "e"));
    EXPECT_EQ(client_->calls(Call::list), 4U);  // 12 objects, 3 a page
}

TEST_F(RemoteReading, EndsWhenAServerRepeatsAPage) {
    class Repeating : public MemoryClient {
      public:
        Result<Page> list(std::string_view, const std::string&) override {
            return Page{.found = {}, .next = "again"};
        }
    };
    const auto listed = make_reader(std::make_shared<Repeating>())->list("");
    ASSERT_FALSE(listed.ok());
    EXPECT_EQ(listed.error().fact, "the listing of memory://bucket/prefix repeats a page");
}

TEST_F(RemoteReading, ReadsTheVersionThatItOpened) {
    client_->write_by_hand("a", "0123456789");
    const auto object = reader_->open(ObjectKey::known("a"));
    ASSERT_TRUE(object.ok());
    std::vector<std::byte> out(4);
    ASSERT_TRUE(object.value()->read_at(3, out).ok());
    EXPECT_EQ(as_text(out), "3456");
    client_->write_by_hand("a", "abcdefghij");
    const auto status = object.value()->read_at(3, out);
    ASSERT_FALSE(status.ok());
    EXPECT_EQ(status.error().code, Code::damaged);
    EXPECT_EQ(status.error().fact,
              "a in memory://bucket/prefix was replaced while it was being read");
}

TEST_F(RemoteReading, TellsThatAnOpenObjectIsGone) {
    client_->write_by_hand("a", "0123456789");
    const auto object = reader_->open(ObjectKey::known("a"));
    ASSERT_TRUE(client_->remove({"a"}, false).ok());
    std::vector<std::byte> out(4);
    const auto status = object.value()->read_at(0, out);
    ASSERT_FALSE(status.ok());
    EXPECT_EQ(status.error().code, Code::not_found);
    EXPECT_EQ(status.error().fact, "there is no a in memory://bucket/prefix");
}

TEST_F(RemoteReading, AsksNothingForARangeThatCannotBe) {
    client_->write_by_hand("a", "0123456789");
    const auto object = reader_->open(ObjectKey::known("a"));
    std::vector<std::byte> out(4);
    const auto status = object.value()->read_at(7, out);
    ASSERT_FALSE(status.ok());
    EXPECT_EQ(status.error().fact,
              "a in memory://bucket/prefix ends at byte 10, before byte 7 + 4 that should be "
              "there");
    EXPECT_TRUE(object.value()->read_at(10, {}).ok());
    EXPECT_EQ(client_->calls(Call::read), 0U);
}

TEST_F(RemoteReading, GetsASmallObjectInOneRequest) {
    client_->write_by_hand("a", "text");
    EXPECT_EQ(*reader_->get(ObjectKey::known("a"), 100), "text");
    EXPECT_EQ(client_->calls(Call::get), 1U);
    EXPECT_EQ(client_->calls(Call::look) + client_->calls(Call::read), 0U);
}

TEST_F(RemoteReading, PassesOnWhatTheStoreSaysOfDamage) {
    client_->write_by_hand("a", "text");
    client_->fail_at({.call = Call::get, .error = fail(Code::damaged, "the checksum is wrong")});
    EXPECT_EQ(reader_->get(ObjectKey::known("a"), 100).error().fact, "the checksum is wrong");
}

TEST_F(RemoteReading, PassesOnWhyItCannotLook) {
    for (const auto call : {Call::list, Call::look, Call::get}) client_->fail_at({.call = call});
    EXPECT_EQ(reader_->list("").error().fact, "the store answered 500");
    EXPECT_EQ(reader_->open(ObjectKey::known("a")).error().fact, "the store answered 500");
    EXPECT_EQ(reader_->get(ObjectKey::known("a"), 1).error().fact, "the store answered 500");
}

class RemoteErasing : public testing::Test {
  protected:
    std::shared_ptr<MemoryClient> client_ = std::make_shared<MemoryClient>();
    std::unique_ptr<StoreEraser> eraser_ = make_eraser(client_);
};

TEST_F(RemoteErasing, TellsWhatALockKeepsAndRemovesTheRest) {
    for (const auto* name : {"a", "b", "c", "d"}) client_->write_by_hand(name, "text");
    client_->lock_object("b");
    client_->lock_object("d");
    const auto kept =
        eraser_->erase_all({ObjectKey::known("a"), ObjectKey::known("b"), ObjectKey::known("c"),
                            ObjectKey::known("d"), ObjectKey::known("missing")});
    ASSERT_TRUE(kept.ok());
    EXPECT_THAT(texts_of(*kept), ElementsAre("b", "d"));
    EXPECT_THAT(client_->names(), ElementsAre("b", "d"));
}

TEST_F(RemoteErasing, RemovesAThousandAtATime) {
    std::vector<ObjectKey> keys;
    for (int i = 0; i < 2'001; ++i) {
        keys.push_back(ObjectKey::known(fmt::format("n{}", i)));
        client_->write_by_hand(keys.back().text(), "");
    }
    EXPECT_THAT(*eraser_->erase_all(keys), IsEmpty());
    EXPECT_THAT(client_->names(), IsEmpty());
    EXPECT_EQ(client_->calls(Call::remove), 3U);
}

TEST_F(RemoteErasing, StopsAtTheFirstBatchThatFails) {
    client_->fail_at({.call = Call::remove});
    client_->write_by_hand("a", "text");
    EXPECT_EQ(eraser_->erase_all({ObjectKey::known("a")}).error().fact, "the store answered 500");
}

TEST_F(RemoteErasing, SweepsUploadsThatAreOlderThanADay) {
    const auto upload = client_->begin_upload("a", {});
    client_->turn_clock(23h);
    EXPECT_EQ(*eraser_->sweep_abandoned(), 0U);
    EXPECT_EQ(client_->uploads(), 1U);
    client_->turn_clock(2h);
    EXPECT_EQ(*eraser_->sweep_abandoned(), 1U);
    EXPECT_EQ(client_->uploads(), 0U);
}

TEST_F(RemoteErasing, CountsOnlyTheLeasesThatWent) {
    for (const auto* name : {".writing/a.0000000001", ".writing/b.0000000001"})
        client_->write_by_hand(name, "", 1h);
    client_->lock_object(".writing/a.0000000001");
    EXPECT_EQ(*eraser_->sweep_abandoned(), 1U);
    EXPECT_THAT(client_->names(), ElementsAre(".writing/a.0000000001"));
}

}  // namespace
}  // namespace asb::remote
