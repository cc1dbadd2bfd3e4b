// One write at several folders, some of which fail or are slow.

#include "ops/fan_out.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <string>
#include <vector>

#include "base/text.hpp"
#include "store/local/local_store.hpp"

namespace asb {
namespace {

using std::chrono::milliseconds;
using testing::HasSubstr;

// A folder that takes `delay` for each append, unless it is given up.
class SlowAppender final : public StoreAppender {
  public:
    SlowAppender(std::unique_ptr<StoreAppender> real, milliseconds delay, StopToken stop)
        : real_(std::move(real)), delay_(delay), stop_(std::move(stop)) {}
    Result<std::unique_ptr<ObjectWriter>> create(const ObjectKey& key) override {
        ASB_TRY(auto writer, real_->create(key));
        return std::unique_ptr<ObjectWriter>(std::make_unique<Writer>(*this, std::move(writer)));
    }
    Result<std::optional<std::uint64_t>> free_space() override { return real_->free_space(); }

  private:
    class Writer final : public ObjectWriter {
      public:
        Writer(SlowAppender& appender, std::unique_ptr<ObjectWriter> real)
            : appender_(appender), real_(std::move(real)) {}
        Status append(Bytes bytes) override {
            if (appender_.delay_ != milliseconds{})
                ASB_CHECK(appender_.stop_.wait_until(after(appender_.delay_)));
            return real_->append(bytes);
        }
        Status commit() override { return real_->commit(); }

      private:
        SlowAppender& appender_;
        std::unique_ptr<ObjectWriter> real_;
    };

    std::unique_ptr<StoreAppender> real_;
    milliseconds delay_;
    StopToken stop_;
};

class FanOutTest : public testing::Test {
  protected:
    void SetUp() override {
        std::string pattern = testing::TempDir() + "asb-fan-XXXXXX";
        folder_ = mkdtemp(pattern.data());
    }
    void TearDown() override { std::filesystem::remove_all(folder_); }

    // One destination for each delay, named by its number.
    FanOut fan(const std::vector<milliseconds>& delays, FanOut::Bounds bounds) {
        std::vector<FanOut::Destination> destinations;
        destinations.reserve(delays.size());
        for (const auto delay : delays) {
            const auto stop = run_.linked();
            const auto place = fmt::format("{}/{}", folder_, appenders_.size());
            auto real = kLocalStore.open_appender(place, {settings_, log_, stop}).value();
            appenders_.push_back(std::make_unique<SlowAppender>(std::move(real), delay, stop));
            destinations.push_back(
                {.place = place, .appender = appenders_.back().get(), .stop = stop});
        }
        return FanOut(std::move(destinations), bounds);
    }
    [[nodiscard]] bool has(int number, const std::string& name) const {
        return std::filesystem::exists(fmt::format("{}/{}/{}", folder_, number, name));
    }
    static Status write(FanOut& fan, const std::string& name, int appends) {
        ASB_TRY(const auto writer, fan.create(ObjectKey::known(name)));
        for (int i = 0; i < appends; ++i) ASB_CHECK(writer->append(as_bytes("0123456789")));
        return writer->commit();
    }

    Settings settings_;
    Log log_{Log::Options{.run_id = "test"}};
    StopToken run_;

  private:
    std::string folder_;
    std::vector<std::unique_ptr<SlowAppender>> appenders_;
};

TEST_F(FanOutTest, WaitsForASlowOneThatIsRequired) {
    auto all =
        fan({milliseconds(0), milliseconds(50)}, {.required = 2, .patience = milliseconds(1)});
    ASSERT_TRUE(write(all, "a", 3).ok());
    EXPECT_TRUE(has(0, "a"));
    EXPECT_TRUE(has(1, "a"));
}

TEST_F(FanOutTest, LeavesOutASlowOneOncePatienceIsUsedUp) {
    auto any = fan({milliseconds(0), milliseconds(100), milliseconds(0)},
                   {.required = 2, .patience = milliseconds(250)});
    ASSERT_TRUE(write(any, "quick", 2).ok());
    EXPECT_TRUE(has(1, "quick"));
    ASSERT_TRUE(write(any, "slow", 30).ok());
    EXPECT_TRUE(has(0, "slow"));
    EXPECT_FALSE(has(1, "slow"));
    EXPECT_TRUE(has(2, "slow"));
    ASSERT_TRUE(any.destinations()[1].failed.has_value());
    EXPECT_THAT(any.destinations()[1].failed->fact, HasSubstr("held up the other destinations"));
    EXPECT_FALSE(run_.requested());
}

// What one waited for is not held against the others, and neither is time when nobody waited.
TEST_F(FanOutTest, GivesNobodyUpWhileTooFewAreDone) {
    auto two = fan({milliseconds(60), milliseconds(60), milliseconds(60)},
                   {.required = 3, .patience = milliseconds(1)});
    ASSERT_TRUE(write(two, "a", 3).ok());
    for (const auto& one : two.destinations()) EXPECT_FALSE(one.failed.has_value());
}

TEST_F(FanOutTest, AStopOfTheRunIsNoFaultOfADestination) {
    auto all = fan({milliseconds(20'000), milliseconds(20'000)},
                   {.required = 1, .patience = std::chrono::hours(1)});
    run_.request();
    const auto done = write(all, "a", 1);
    ASSERT_FALSE(done.ok());
    EXPECT_EQ(done.error().code, Code::interrupted);
    for (const auto& one : all.destinations()) EXPECT_FALSE(one.failed.has_value());
}

}  // namespace
}  // namespace asb
