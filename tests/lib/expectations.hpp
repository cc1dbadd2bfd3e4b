#pragma once
// Why this exists: how a call ended, or that it was refused for the right reason.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "base/result.hpp"

namespace asb::test {

inline void expect_ok(const Status& status) {
    ASSERT_TRUE(status.ok()) << to_text(status.error());
}

inline void expect_refusal(const Status& status, Code code, const std::string& words) {
    ASSERT_FALSE(status.ok());
    EXPECT_EQ(code_name(status.error().code), std::string(code_name(code)))
        << to_text(status.error());
    EXPECT_THAT(to_text(status.error()), ::testing::HasSubstr(words));
}

}  // namespace asb::test
