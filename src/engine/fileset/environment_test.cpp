#include "engine/fileset/environment.hpp"

#include <gmock/gmock.h>

#include "engine/fileset/test_support.hpp"
#include "io/subprocess.hpp"

namespace asb::fileset {
namespace {

// What `sh` has in `name` after it has read `text`.
std::string read_by_sh(const std::string& text, const std::string& name) {
    const TempFolder folder;
    const auto path = folder.file("environment", text);
    const Command command{
        .arguments = {"sh", "-c", ". \"$1\"; printf '%s' \"$" + name + "\"", "sh", path},
        .environment = {},
        .run_as = {},
        .folder = ""};
    const auto result = run_command(command, "", StopToken(), after(std::chrono::seconds(20)));
    EXPECT_TRUE(result.ok() && result.value().exit_status == 0);
    return result.ok() ? result.value().output : "";
}

TEST(EnvironmentRecord, IsReadBackByShUnchanged) {
    const std::vector<std::string> values = {
        "",      "plain",          "two words",   "it's",      "say \"hello\"", "$HOME and ${HOME}",
        "`id`",  "$(id)",          "back\\slash", "end\\",     "two\nlines\n.", "\\$x \\\" \\`",
        "# ; &", "bytes \xff\x80", "!history",    "tab\there", "a=b=c",         "\\\n."};
    for (const auto& value : values) {
        const auto recorded = record_environment({"APP_VALUE"}, {"APP_VALUE=" + value});
        ASSERT_TRUE(recorded.ok());
        EXPECT_EQ(read_by_sh(recorded.value().text, "APP_VALUE"), value);
    }
}

TEST(EnvironmentRecord, TakesNamesAndPrefixesAndNothingElse) {
    const auto recorded = record_environment(
        {"APP_*", "ISSUER"},
        {"ISSUER=me", "ISSUER_KEY=no", "APP_B=2", "PATH=x", "APP_A=1", "APP_=0", "XAPP_C=3"});
    ASSERT_TRUE(recorded.ok());
    EXPECT_EQ(recorded.value().text, "APP_=\"0\"\nAPP_A=\"1\"\nAPP_B=\"2\"\nISSUER=\"me\"\n");
    EXPECT_EQ(recorded.value().count, 4U);
    EXPECT_THAT(recorded.value().warnings, testing::IsEmpty());
}

TEST(EnvironmentRecord, WarnsOfNamesThatAreNotSet) {
    const auto recorded = record_environment({"APP_*", "ISSUER"}, {"PATH=x"});
    ASSERT_TRUE(recorded.ok());
    EXPECT_THAT(recorded.value().warnings,
                testing::ElementsAre("ENVIRONMENT_NAMES: APP_* is not set",
                                     "ENVIRONMENT_NAMES: ISSUER is not set"));
}

TEST(EnvironmentRecord, LeavesOutWhatNoShellCanSet) {
    const auto recorded =
        record_environment({"BASH_*"}, {"BASH_FUNC_f%%=() { secret; }", "BASH_ENV=x"});
    ASSERT_TRUE(recorded.ok());
    EXPECT_EQ(recorded.value().text, "BASH_ENV=\"x\"\n");
    EXPECT_THAT(recorded.value().warnings,
                testing::ElementsAre(
                    "ENVIRONMENT_NAMES: left out 'BASH_FUNC_f%%', which no shell can set"));
}

TEST(EnvironmentRecord, RefusesPatternsThatAreNotNames) {
    for (const std::string pattern : {"*", "A-B", "1ST", "A*B", "A B", ""}) {
        const auto recorded = record_environment({pattern}, {});
        ASSERT_FALSE(recorded.ok()) << pattern;
        EXPECT_EQ(recorded.error().code, Code::usage);
        EXPECT_EQ(recorded.error().fact, "ENVIRONMENT_NAMES: '" + pattern + "' is not a name");
    }
}

}  // namespace
}  // namespace asb::fileset
