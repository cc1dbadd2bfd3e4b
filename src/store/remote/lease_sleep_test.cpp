// A holder that slept must not act on a lease that is another's by now.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <string>
#include <thread>
#include <vector>

#include "store/remote/lease_test_support.hpp"

namespace asb::remote {
namespace {

using namespace std::chrono_literals;
using test::Call;
using test::kFirst;
using test::line_elsewhere;
using testing::ElementsAre;

// A lease that is in doubt from the first moment on is one whose holder has slept.
class RemoteLeaseAfterSleep : public test::LeaseFixture {
  protected:
    void SetUp() override { use({.renew_every = 1h, .check_after = 0ms}); }
    void expect_lost(const Status& status) {
        ASSERT_FALSE(status.ok());
        EXPECT_EQ(status.error().code, Code::busy);
        EXPECT_EQ(status.error().fact,
                  "a in memory://bucket/prefix was taken over: this run could not renew its lease "
                  "for 3 min 00 s");
    }
};

TEST_F(RemoteLeaseAfterSleep, LetsTheHolderGoOnWhenNobodyCame) {
    EXPECT_TRUE(create()->commit().ok());
    EXPECT_THAT(client_->names(), ElementsAre("a"));
}

TEST_F(RemoteLeaseAfterSleep, StopsTheHolderOfAnOlderGeneration) {
    auto writer = create();
    const auto theirs = line_elsewhere();
    client_->write_by_hand(".writing/a.0000000002", theirs);
    expect_lost(writer->commit());
    expect_lost(writer->append(as_bytes("x")));
    writer.reset();
    EXPECT_EQ(client_->text(".writing/a.0000000002"), theirs);
    EXPECT_EQ(client_->text("a"), "<none>");
}

TEST_F(RemoteLeaseAfterSleep, StopsTheHolderWhoseGenerationIsAnothersByNow) {
    auto writer = create();
    const auto theirs = line_elsewhere();
    client_->write_by_hand(kFirst, theirs);
    expect_lost(writer->commit());
    writer.reset();
    EXPECT_EQ(client_->text(kFirst), theirs);
}

TEST_F(RemoteLeaseAfterSleep, StopsTheHolderWhoseLeaseIsGone) {
    const auto writer = create();
    ASSERT_TRUE(client_->remove({kFirst}, false).ok());
    expect_lost(writer->commit());
}

TEST_F(RemoteLeaseAfterSleep, DoesNotRemoveAnothersLeaseOnDestruction) {
    auto writer = create();
    const auto theirs = line_elsewhere();
    client_->write_by_hand(kFirst, theirs);
    writer.reset();
    EXPECT_EQ(client_->text(kFirst), theirs);
}

TEST_F(RemoteLeaseAfterSleep, LeavesNoPartsOfALargeObject) {
    auto writer = create();
    ASSERT_TRUE(writer->append(std::vector<std::byte>(3 * kMiB)).ok());
    client_->write_by_hand(".writing/a.0000000002", line_elsewhere());
    expect_lost(writer->commit());
    writer.reset();
    EXPECT_EQ(client_->uploads(), 0U);
    EXPECT_EQ(client_->text("a"), "<none>");
}

TEST_F(RemoteLeaseAfterSleep, IsNotRenewedOverAnothersAndTellsTheWriterSoon) {
    constexpr std::size_t kLooksOfTheTaking = 2;
    const auto theirs = line_elsewhere();
    std::atomic<std::size_t> looks = 0;
    client_->set_hook([&](Call call, const std::string&) {
        if (call == Call::list && ++looks == kLooksOfTheTaking + 1)
            client_->write_by_hand(kFirst, theirs);
    });
    use({.renew_every = 5ms, .check_after = 0ms});
    const auto writer = create();
    const auto end = after(10s);
    Status status;
    while (status.ok() && std::chrono::steady_clock::now() < end) {
        status = writer->append(as_bytes("x"));
        std::this_thread::sleep_for(1ms);
    }
    expect_lost(status);
    EXPECT_EQ(client_->text(kFirst), theirs);
    EXPECT_EQ(client_->calls(Call::put), 1U);
}

}  // namespace
}  // namespace asb::remote
