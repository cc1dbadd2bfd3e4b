// Objects in one request and in parts: sizes, order, memory, and what is left when something fails.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <barrier>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "store/remote/memory_client.hpp"
#include "store/remote/rights.hpp"

namespace asb::remote {
namespace {

using namespace std::chrono_literals;
using test::Call;
using test::FaultKind;
using test::MemoryClient;
using testing::ElementsAre;
using testing::IsEmpty;

// Different at every offset that the tests look at.
std::string text_of(std::size_t size) {
    std::string text;
    text.reserve(size + 8);
    while (text.size() < size) text += fmt::format("{:x},", text.size());
    text.resize(size);
    return text;
}

class RemoteWriting : public testing::Test {
  protected:
    void use(MemoryClient::Options options) {
        client_ = std::make_shared<MemoryClient>(std::move(options));
        appender_ = make_appender(client_);
    }
    void SetUp() override {
        use({.part_bytes = [](std::size_t) { return std::size_t{100}; }, .parts_at_once = 3});
    }
    std::unique_ptr<ObjectWriter> create() {
        auto writer = appender_->create(ObjectKey::known("a"));
        EXPECT_TRUE(writer.ok()) << to_text(writer.error());
        return writer.ok() ? std::move(*writer) : nullptr;
    }
    // In pieces of 7 bytes; the first error.
    static Status append_all(ObjectWriter& writer, std::string_view text) {
        for (; !text.empty(); text.remove_prefix(std::min<std::size_t>(7, text.size())))
            ASB_CHECK(writer.append(as_bytes(text.substr(0, 7))));
        return {};
    }
    Status write(std::string_view text) {
        const auto writer = create();
        ASB_CHECK(append_all(*writer, text));
        return writer->commit();
    }
    void expect_nothing_left() {
        EXPECT_THAT(client_->names(), IsEmpty());
        EXPECT_EQ(client_->uploads(), 0U);
    }

    std::shared_ptr<MemoryClient> client_;
    std::unique_ptr<StoreAppender> appender_;
};

TEST_F(RemoteWriting, TakesOneRequestForWhatFitsIntoOnePart) {
    ASSERT_TRUE(write(text_of(100)).ok());
    EXPECT_EQ(client_->text("a"), text_of(100));
    EXPECT_EQ(client_->calls(Call::begin), 0U);
    EXPECT_EQ(client_->calls(Call::put), 2U);  // one is the lease
}

TEST_F(RemoteWriting, SendsNothingBeforeItIsClearThatMoreThanAPartComes) {
    const auto writer = create();
    ASSERT_TRUE(append_all(*writer, text_of(100)).ok());
    EXPECT_EQ(client_->calls(Call::begin), 0U);
    ASSERT_TRUE(append_all(*writer, "x").ok());
    EXPECT_EQ(client_->calls(Call::begin), 1U);
    EXPECT_EQ(client_->text("a"), "<none>");
}

TEST_F(RemoteWriting, MakesPartsOfTheSizesThatTheStoreWants) {
    use({.part_bytes = [](std::size_t number) { return 100 + 50 * (number / 2); },
         .parts_at_once = 3});
    ASSERT_TRUE(write(text_of(420)).ok());
    EXPECT_EQ(client_->text("a"), text_of(420));
    EXPECT_THAT(test::parts_text(client_->parts_seen()),
                ElementsAre("0:100", "1:100", "2:150", "3:70 last"));
}

TEST_F(RemoteWriting, MarksAFullPartAsTheLastWhenNothingFollows) {
    ASSERT_TRUE(write(text_of(200)).ok());
    EXPECT_THAT(test::parts_text(client_->parts_seen()), ElementsAre("0:100", "1:100 last"));
}

TEST_F(RemoteWriting, PutsPartsTogetherInOrderWhicheverEndsFirst) {
    std::atomic<unsigned> calls = 0;
    client_->set_hook([&](Call call, const std::string&) {
        if (call == Call::part)
            std::this_thread::sleep_for(std::chrono::microseconds(++calls * 7919 % 2000));
    });
    ASSERT_TRUE(write(text_of(6'050)).ok());
    EXPECT_EQ(client_->text("a"), text_of(6'050));
    EXPECT_EQ(client_->parts_seen().size(), 61U);
    EXPECT_LE(client_->parts_under_way_max(), 3U);
}

TEST_F(RemoteWriting, SendsAsManyPartsAtOnceAsTheStoreWants) {
    std::barrier all_there(3);  // never passed when fewer are under way
    client_->set_hook([&](Call call, const std::string&) {
        if (call == Call::part) all_there.arrive_and_wait();
    });
    ASSERT_TRUE(write(text_of(600)).ok());
    EXPECT_EQ(client_->parts_under_way_max(), 3U);
}

TEST_F(RemoteWriting, HoldsNoMoreThanThePartsUnderWayAndOne) {
    std::atomic<bool> gate = false;
    client_->set_hook([&](Call call, const std::string&) {
        while (call == Call::part && !gate) std::this_thread::sleep_for(1ms);
    });
    const auto writer = create();
    std::atomic<std::size_t> taken = 0;
    std::jthread appending([&] {
        const std::string piece(10, 'x');
        for (int i = 0; i < 100; ++i) {
            EXPECT_TRUE(writer->append(as_bytes(piece)).ok());
            taken += 10;
        }
    });
    const auto end = after(10s);
    while (taken < 400 && std::chrono::steady_clock::now() < end) std::this_thread::sleep_for(1ms);
    std::this_thread::sleep_for(50ms);
    EXPECT_EQ(taken, 400U);
    gate = true;
    appending.join();
    EXPECT_TRUE(writer->commit().ok());
    EXPECT_EQ(client_->text("a"), std::string(1'000, 'x'));
}

TEST_F(RemoteWriting, KeepsTheFirstErrorOfAPartAndLeavesNothing) {
    client_->fail_at({.call = Call::part, .nth = 2, .error = fail(Code::space, "quota exceeded")});
    auto writer = create();
    Status status;
    for (int i = 0; i < 20 && status.ok(); ++i) status = append_all(*writer, text_of(100));
    ASSERT_FALSE(status.ok());
    EXPECT_EQ(status.error().fact, "quota exceeded");
    EXPECT_EQ(writer->append(as_bytes("x")).error().fact, "quota exceeded");
    EXPECT_EQ(writer->commit().error().code, Code::space);
    writer.reset();
    expect_nothing_left();
}

TEST_F(RemoteWriting, TellsTheErrorOfTheLastPartAtTheCommit) {
    client_->fail_at({.call = Call::part, .nth = 3});
    EXPECT_EQ(write(text_of(250)).error().fact, "the store answered 500");
    expect_nothing_left();
}

TEST_F(RemoteWriting, LeavesNothingWhenAnUploadCannotBegin) {
    client_->fail_at({.call = Call::begin});
    EXPECT_EQ(write(text_of(250)).error().fact, "the store answered 500");
    expect_nothing_left();
}

TEST_F(RemoteWriting, LeavesNothingWhenAnUploadCannotBeCompleted) {
    client_->fail_at({.call = Call::complete});
    EXPECT_EQ(write(text_of(250)).error().fact, "the store answered 500");
    expect_nothing_left();
}

TEST_F(RemoteWriting, ForgetsThePartsOfAnObjectThatIsGivenUp) {
    auto writer = create();
    ASSERT_TRUE(append_all(*writer, text_of(950)).ok());
    EXPECT_EQ(client_->uploads(), 1U);
    writer.reset();
    expect_nothing_left();
    EXPECT_EQ(client_->calls(Call::abort), 1U);
}

TEST_F(RemoteWriting, LetsGoOfTheNameOnlyOnceThePartsAreForgotten) {
    std::vector<Call> order;
    auto writer = create();
    ASSERT_TRUE(append_all(*writer, text_of(250)).ok());
    std::mutex mutex;
    client_->set_hook([&](Call call, const std::string&) {
        const std::lock_guard lock(mutex);
        if (call == Call::abort || call == Call::remove) order.push_back(call);
    });
    writer.reset();
    EXPECT_THAT(order, ElementsAre(Call::abort, Call::remove));
}

TEST_F(RemoteWriting, IsDoneWhenTheReplyToASmallCommitWasLost) {
    client_->fail_at({.call = Call::put, .nth = 2, .kind = FaultKind::reply_lost});
    EXPECT_TRUE(write("text").ok());
    EXPECT_THAT(client_->names(), ElementsAre("a"));
}

TEST_F(RemoteWriting, IsDoneWhenTheReplyToALargeCommitWasLost) {
    client_->fail_at({.call = Call::complete, .kind = FaultKind::reply_lost});
    EXPECT_TRUE(write(text_of(250)).ok());
    EXPECT_EQ(client_->text("a"), text_of(250));
}

TEST_F(RemoteWriting, NeverReplacesWhatAnotherPublishedMeanwhile) {
    for (const std::size_t size : {50U, 250U}) {
        auto writer = create();
        ASSERT_TRUE(append_all(*writer, text_of(size)).ok());
        client_->write_by_hand("a", "theirs");
        const auto status = writer->commit();
        ASSERT_FALSE(status.ok());
        EXPECT_EQ(status.error().code, Code::busy);
        EXPECT_EQ(status.error().fact, "a exists already in memory://bucket/prefix");
        writer.reset();
        EXPECT_EQ(client_->text("a"), "theirs");
        EXPECT_EQ(client_->uploads(), 0U);
        ASSERT_TRUE(client_->remove({"a"}, false).ok());
    }
}

TEST_F(RemoteWriting, PutsASmallObjectInOneRequestAndNoOther) {
    ASSERT_TRUE(appender_->put(ObjectKey::known("a"), as_bytes(text_of(100))).ok());
    EXPECT_EQ(client_->text("a"), text_of(100));
    EXPECT_EQ(client_->calls(Call::put), 1U);
    EXPECT_EQ(client_->calls(Call::list) + client_->calls(Call::look), 0U);
    EXPECT_EQ(appender_->put(ObjectKey::known("a"), as_bytes("b")).error().fact,
              "a exists already in memory://bucket/prefix");
}

TEST_F(RemoteWriting, PutsASmallObjectOnceAlthoughTheReplyWasLost) {
    client_->fail_at({.call = Call::put, .kind = FaultKind::reply_lost});
    EXPECT_TRUE(appender_->put(ObjectKey::known("a"), as_bytes("text")).ok());
}

TEST_F(RemoteWriting, PutsWhatIsLargerThanAPartInParts) {
    ASSERT_TRUE(appender_->put(ObjectKey::known("a"), as_bytes(text_of(250))).ok());
    EXPECT_EQ(client_->text("a"), text_of(250));
    EXPECT_EQ(client_->parts_seen().size(), 3U);
}

TEST_F(RemoteWriting, MayOutliveTheAppender) {
    const auto writer = create();
    appender_.reset();
    ASSERT_TRUE(append_all(*writer, text_of(250)).ok());
    EXPECT_TRUE(writer->commit().ok());
    EXPECT_THAT(client_->names(), ElementsAre("a"));
}

TEST_F(RemoteWriting, HasNoBoundOfRoomToTell) {
    EXPECT_FALSE(appender_->free_space()->has_value());
}

}  // namespace
}  // namespace asb::remote
