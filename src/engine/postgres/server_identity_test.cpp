#include "engine/postgres/server_identity.hpp"

#include <gtest/gtest.h>

namespace asb {
namespace {

TEST(SettingBytes, ReadsWhatShowPrints) {
    EXPECT_EQ(parse_setting_bytes("16MB").value(), 16 * kMiB);
    EXPECT_EQ(parse_setting_bytes("1GB").value(), kGiB);
    EXPECT_EQ(parse_setting_bytes("1024kB").value(), kMiB);
    EXPECT_EQ(parse_setting_bytes("512B").value(), 512U);
}

TEST(SettingBytes, RefusesWhatIsNoSize) {
    for (const char* text : {"", "MB", "16", "16 MB", "-1MB", "16TB", "99999999999999999999MB",
                             "18446744073709551615GB"})
        EXPECT_FALSE(parse_setting_bytes(text).ok()) << text;
}

}  // namespace
}  // namespace asb
