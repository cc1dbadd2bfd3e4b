#pragma once
// Why this exists: tests of leases share a store in memory, holders on other machines, and ways to
// wait for the renewing thread.

#include <gtest/gtest.h>

#include <chrono>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "store/remote/memory_client.hpp"
#include "store/remote/rights.hpp"
#include "store/remote/seen_lease.hpp"

namespace asb::remote::test {

inline constexpr const char* kFirst = ".writing/a.0000000001";

inline LeaseHolder holder_elsewhere() {
    auto holder = new_holder();
    holder.host = "db2";
    holder.boot_id = "another";
    holder.pid = 4711;
    return holder;
}
inline std::string line_elsewhere() {
    return to_line(holder_elsewhere());
}

class LeaseFixture : public testing::Test {
  protected:
    void use(LeaseTimes times) {
        times_ = times;
        appender_ = make_appender(client_, times_);
    }
    Result<std::unique_ptr<ObjectWriter>> try_create(const std::string& key = "a") {
        return appender_->create(ObjectKey::known(key));
    }
    std::unique_ptr<ObjectWriter> create(const std::string& key = "a") {
        auto writer = try_create(key);
        EXPECT_TRUE(writer.ok()) << to_text(writer.error());
        return writer.ok() ? std::move(*writer) : nullptr;
    }
    std::vector<std::string> being_written() {
        const auto keys = make_eraser(client_, times_)->being_written();
        std::vector<std::string> texts;
        for (const auto& key : keys.value()) texts.push_back(key.text());
        return texts;
    }
    std::size_t sweep() { return *make_eraser(client_, times_)->sweep_abandoned(); }
    // Until `call` has been made `more` times from now on.
    void wait_for(Call call, std::size_t more) {
        const auto wanted = client_->calls(call) + more;
        const auto end = after(std::chrono::seconds(10));
        while (client_->calls(call) < wanted && std::chrono::steady_clock::now() < end)
            std::this_thread::sleep_for(std::chrono::milliseconds(1));
        EXPECT_GE(client_->calls(call), wanted);
    }

    LeaseTimes times_;
    std::shared_ptr<MemoryClient> client_ = std::make_shared<MemoryClient>();
    std::unique_ptr<StoreAppender> appender_ = make_appender(client_);
};

}  // namespace asb::remote::test
