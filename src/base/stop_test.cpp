// A stop reaches whoever waits, and only those whom it is meant for.

#include "base/stop.hpp"

#include <gtest/gtest.h>
#include <poll.h>

#include <chrono>
#include <thread>

namespace asb {
namespace {

using std::chrono::seconds;

bool is_readable(const StopToken& stop) {
    pollfd wake{.fd = stop.poll_fd(), .events = POLLIN, .revents = 0};
    return poll(&wake, 1, 0) == 1;
}

TEST(StopTokenTest, ALinkedOneStopsWithItsParent) {
    const StopToken run;
    const StopToken part = run.linked().linked();
    EXPECT_FALSE(part.requested());
    EXPECT_FALSE(is_readable(part));
    run.request();
    EXPECT_TRUE(part.requested());
    EXPECT_TRUE(is_readable(part));
    EXPECT_EQ(part.check().error().code, Code::interrupted);
}

TEST(StopTokenTest, TheParentGoesOnWithoutALinkedOne) {
    const StopToken run;
    const StopToken part = run.linked();
    part.request();
    EXPECT_TRUE(part.requested());
    EXPECT_TRUE(is_readable(part));
    EXPECT_FALSE(run.requested());
    EXPECT_FALSE(is_readable(run));
    EXPECT_TRUE(run.check().ok());
}

TEST(StopTokenTest, AWaitEndsWhenTheParentIsAskedToStop) {
    const StopToken run;
    const auto began = std::chrono::steady_clock::now();
    std::jthread asker([&] {
        std::this_thread::sleep_for(std::chrono::milliseconds(20));
        run.request();
    });
    EXPECT_FALSE(run.linked().wait_until(after(seconds(30))).ok());
    EXPECT_LT(std::chrono::steady_clock::now() - began, seconds(20));
}

}  // namespace
}  // namespace asb
