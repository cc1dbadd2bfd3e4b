// Who may write a name: other machines and dead processes, take-overs, sleep.

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <barrier>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "store/remote/held_lease.hpp"
#include "store/remote/lease_test_support.hpp"

namespace asb::remote {
namespace {

using namespace std::chrono_literals;
using test::Call;
using test::FaultKind;
using test::kFirst;
using test::line_elsewhere;
using testing::ElementsAre;
using testing::IsEmpty;

// Another process of this machine, which has made a holder of itself; lives until told to end.
class OtherProcess {
  public:
    OtherProcess() {
        std::array<int, 2> told{};
        std::array<int, 2> end{};
        EXPECT_EQ(pipe(told.data()) + pipe(end.data()), 0);
        pid_ = fork();
        if (pid_ == 0) {
            close(end[1]);
            const auto line = to_line(new_holder());
            char nothing = 0;
            const bool good = write(told[1], line.data(), line.size()) > 0;
            _exit(good && read(end[0], &nothing, 1) == 0 ? 0 : 1);
        }
        close(end[0]);
        close(told[1]);
        std::array<char, 4096> line{};
        const auto size = read(told[0], line.data(), line.size());
        close(told[0]);
        end_ = end[1];
        holder_ = parse_line({line.data(), static_cast<std::size_t>(std::max<ssize_t>(size, 0))});
        EXPECT_TRUE(holder_);
    }
    ~OtherProcess() {
        die();
        reap();
    }
    OtherProcess(const OtherProcess&) = delete;
    OtherProcess& operator=(const OtherProcess&) = delete;

    // Ends it, and leaves it a zombie.
    void die() {
        if (end_ < 0) return;
        close(std::exchange(end_, -1));
        siginfo_t info{};
        EXPECT_EQ(waitid(P_PID, static_cast<id_t>(pid_), &info, WEXITED | WNOWAIT), 0);
    }
    void reap() {
        if (pid_ < 0) return;
        EXPECT_GT(waitpid(std::exchange(pid_, -1), nullptr, 0), 0);
    }
    [[nodiscard]] const LeaseHolder& holder() const { return *holder_; }

  private:
    pid_t pid_ = -1;
    int end_ = -1;
    std::optional<LeaseHolder> holder_;
};

class RemoteLease : public test::LeaseFixture {};

TEST_F(RemoteLease, IsASmallObjectThatNoKeyCanName) {
    const auto writer = create();
    EXPECT_THAT(client_->names(), ElementsAre(kFirst));
    EXPECT_FALSE(ObjectKey::is_valid(kFirst));
    EXPECT_TRUE(client_->is_lease(kFirst));
    const auto holder = parse_line(client_->text(kFirst));
    ASSERT_TRUE(holder);
    EXPECT_EQ(holder->pid, getpid());
    EXPECT_TRUE(lives(*holder).value());
}

TEST_F(RemoteLease, GoesWithTheCommit) {
    const auto writer = create();
    ASSERT_TRUE(writer->append(as_bytes("text")).ok());
    ASSERT_TRUE(writer->commit().ok());
    EXPECT_THAT(client_->names(), ElementsAre("a"));
    EXPECT_FALSE(client_->is_lease("a"));
}

// Each is a round trip to a store that may be far away.
TEST_F(RemoteLease, IsTakenWithFourRequestsAndNotReadBack) {
    const auto writer = create();
    EXPECT_EQ(client_->calls(Call::list), 2U);
    EXPECT_EQ(client_->calls(Call::put), 1U);
    EXPECT_EQ(client_->calls(Call::look), 1U);
    EXPECT_EQ(client_->calls(Call::get), 0U);
}

TEST_F(RemoteLease, OfAnotherHostHoldsTheNameAsLongAsItIsRenewed) {
    client_->write_by_hand(".writing/a.0000000007", line_elsewhere(), 170s);
    const auto writer = try_create();
    ASSERT_FALSE(writer.ok());
    EXPECT_EQ(writer.error().code, Code::busy);
    EXPECT_EQ(writer.error().fact,
              "a in memory://bucket/prefix is being written by another run (host db2, process "
              "4711)");
    EXPECT_THAT(being_written(), ElementsAre("a"));
    EXPECT_EQ(sweep(), 0U);
}

TEST_F(RemoteLease, OfAnotherHostIsTakenOverOnceItIsStaleByTheStoresClock) {
    client_->write_by_hand(".writing/a.0000000007", line_elsewhere());
    client_->turn_clock(181s);
    EXPECT_THAT(being_written(), IsEmpty());
    const auto writer = create();
    EXPECT_THAT(client_->names(), ElementsAre(".writing/a.0000000008"));
}

TEST_F(RemoteLease, OfAnotherHostIsSweptOnceItIsStale) {
    client_->write_by_hand(".writing/a.0000000007", line_elsewhere(), 181s);
    client_->write_by_hand(".writing/b.0000000001", line_elsewhere(), 170s);
    EXPECT_EQ(sweep(), 1U);
    EXPECT_THAT(client_->names(), ElementsAre(".writing/b.0000000001"));
}

TEST_F(RemoteLease, OfALiveProcessOfThisMachineNeverGoesStale) {
    const OtherProcess other;
    client_->write_by_hand(kFirst, to_line(other.holder()), 24h);
    EXPECT_EQ(try_create().error().code, Code::busy);
    EXPECT_THAT(being_written(), ElementsAre("a"));
    EXPECT_EQ(sweep(), 0U);
}

TEST_F(RemoteLease, OfADeadProcessOfThisMachineIsTakenOverAtOnce) {
    OtherProcess other;
    client_->write_by_hand(kFirst, to_line(other.holder()));
    EXPECT_EQ(try_create().error().code, Code::busy);
    other.die();
    EXPECT_THAT(being_written(), IsEmpty());
    EXPECT_FALSE(lives(other.holder()).value());  // a zombie
    other.reap();
    EXPECT_FALSE(lives(other.holder()).value());
    EXPECT_NE(create(), nullptr);
}

TEST_F(RemoteLease, TellsAProcessFromALaterOneOfTheSameId) {
    const OtherProcess other;
    auto earlier = other.holder();
    earlier.process_start = "1";
    EXPECT_TRUE(lives(other.holder()).value());
    EXPECT_FALSE(lives(earlier).value());
}

TEST_F(RemoteLease, JudgesAnotherContainersProcessByAge) {
    auto holder = new_holder();
    holder.pid_namespace = "pid:[1]";
    EXPECT_FALSE(lives(holder).has_value());
    client_->write_by_hand(kFirst, to_line(holder));
    EXPECT_EQ(try_create().error().code, Code::busy);
    client_->turn_clock(181s);
    EXPECT_NE(create(), nullptr);
}

TEST_F(RemoteLease, ThatCannotBeReadIsJudgedByAge) {
    client_->write_by_hand(kFirst, "<html>");
    EXPECT_EQ(try_create().error().fact,
              "a in memory://bucket/prefix is being written by another run (unknown)");
    client_->turn_clock(181s);
    EXPECT_EQ(sweep(), 1U);
}

TEST_F(RemoteLease, LeavesOtherPeoplesObjectsAlone) {
    const std::vector<std::string> names = {".writing/", ".writing/a", ".writing/a.1",
                                            ".writing/a.000000000x", ".writing/x y.0000000001"};
    for (const auto& name : names) client_->write_by_hand(name, "", 24h);
    EXPECT_EQ(sweep(), 0U);
    EXPECT_THAT(being_written(), IsEmpty());
    create().reset();
    EXPECT_THAT(client_->names(), testing::UnorderedElementsAreArray(names));
}

TEST_F(RemoteLease, DoesNotHoldANameThatOnlyBeginsAlike) {
    const auto longer = create("a.b");
    const auto shorter = create("a");
    EXPECT_THAT(being_written(), ElementsAre("a", "a.b"));
}

TEST_F(RemoteLease, ThatIsStaleGoesToExactlyOneOfManyWhoWantIt) {
    constexpr int kThreads = 8;
    constexpr int kRounds = 30;
    std::atomic<int> won = 0;
    std::atomic<int> busy = 0;
    std::barrier point(kThreads);
    std::vector<std::jthread> threads;
    threads.reserve(kThreads);
    for (int round = 0; round < kRounds; ++round)
        client_->write_by_hand(fmt::format(".writing/n{}.0000000003", round), line_elsewhere(),
                               200s);
    for (int i = 0; i < kThreads; ++i)
        threads.emplace_back([&] {
            const auto appender = make_appender(client_);
            for (int round = 0; round < kRounds; ++round) {
                point.arrive_and_wait();
                const auto writer = appender->create(ObjectKey::known(fmt::format("n{}", round)));
                if (writer.ok()) ++won;
                if (!writer.ok() && writer.error().code == Code::busy) ++busy;
                point.arrive_and_wait();
            }
        });
    threads.clear();
    EXPECT_EQ(won, kRounds);
    EXPECT_EQ(busy, kRounds * (kThreads - 1));
    EXPECT_THAT(client_->names(), IsEmpty());
}

TEST_F(RemoteLease, GivesWayToOneOfAnotherGenerationThatCameBetween) {
    client_->set_hook([&](Call call, const std::string& name) {
        if (call == Call::put && name == kFirst)
            client_->write_by_hand(".writing/a.0000000002", line_elsewhere());
    });
    EXPECT_EQ(try_create().error().code, Code::busy);
    EXPECT_THAT(client_->names(), ElementsAre(".writing/a.0000000002"));
}

TEST_F(RemoteLease, IsLetGoWhenThePublishedObjectIsThereAlready) {
    client_->write_by_hand("a", "text");
    EXPECT_EQ(try_create().error().fact, "a exists already in memory://bucket/prefix");
    EXPECT_THAT(client_->names(), ElementsAre("a"));
}

TEST_F(RemoteLease, IsTakenAlthoughTheReplyWasLost) {
    client_->fail_at({.call = Call::put, .kind = FaultKind::reply_lost});
    EXPECT_NE(create(), nullptr);
}

TEST_F(RemoteLease, LeavesNothingWhenItsWriteIsReportedAsFailedAlthoughDone) {
    client_->fail_at({.call = Call::put, .kind = FaultKind::afterwards});
    EXPECT_EQ(try_create().error().fact, "the store answered 500");
    EXPECT_THAT(client_->names(), IsEmpty());
}

TEST_F(RemoteLease, ThatCannotBeRemovedIsNoErrorAndIsSweptLater) {
    const auto writer = create();
    client_->fail_at({.call = Call::remove});
    ASSERT_TRUE(writer->commit().ok());
    EXPECT_THAT(client_->names(), ElementsAre(kFirst, "a"));
    EXPECT_THAT(being_written(), IsEmpty());
    EXPECT_EQ(sweep(), 1U);
    EXPECT_THAT(client_->names(), ElementsAre("a"));
}

TEST_F(RemoteLease, IsRenewedWhileItIsHeld) {
    use({.renew_every = 5ms});
    const auto first = create("a");
    const auto second = create("b");
    const auto begin = client_->store_time();
    client_->turn_clock(1h);
    wait_for(Call::put, 4);
    for (const auto* name : {".writing/a.0000000001", ".writing/b.0000000001"})
        EXPECT_GE((*client_->look(name))->modified, begin + 1h);
    EXPECT_EQ(client_->names().size(), 2U);
}

TEST_F(RemoteLease, IsNeverWrittenAgainOnceItIsLetGo) {
    use({.renew_every = 0ms});
    for (int i = 0; i < 300; ++i) {
        create().reset();
        ASSERT_THAT(client_->names(), IsEmpty()) << i;
    }
}

TEST_F(RemoteLease, IsNotRenewedByARoundThatBeganBeforeItWasLetGo) {
    HeldLease held(client_, times_, ObjectKey::known("a"), 1);
    ASSERT_TRUE(held.create().ok());
    held.release();
    held.renew();
    EXPECT_THAT(client_->names(), IsEmpty());
}

TEST_F(RemoteLease, GoesOnAfterRenewalsThatFailed) {
    use({.renew_every = 5ms});
    for (const std::size_t nth : {2U, 3U}) client_->fail_at({.call = Call::put, .nth = nth});
    const auto writer = create();
    wait_for(Call::put, 4);
    EXPECT_TRUE(writer->commit().ok());
}

TEST_F(RemoteLease, EndsAtOnceHoweverLongUntilTheNextRenewal) {
    use({.renew_every = 1h});
    create().reset();
    const auto begin = std::chrono::steady_clock::now();
    appender_.reset();
    EXPECT_LT(std::chrono::steady_clock::now() - begin, 5s);
}

}  // namespace
}  // namespace asb::remote
