#include "app/configuration.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "app/drivers.hpp"

namespace asb {
namespace {

using testing::HasSubstr;

class ConfigurationTest : public testing::Test {
  protected:
    void SetUp() override {
        std::string pattern = testing::TempDir() + "asb-config-XXXXXX";
        folder = mkdtemp(pattern.data());
    }
    void TearDown() override { std::filesystem::remove_all(folder); }

    [[nodiscard]] std::string file(const std::string& name, const std::string& content) const {
        std::ofstream(folder + "/" + name) << content;
        return folder + "/" + name;
    }
    Result<Configuration> load(const std::string& config = {},
                               std::map<std::string, std::string> command_line = {}) {
        sources.command_line = std::move(command_line);
        sources.config_path = config.empty() ? file("empty.conf", "") : config;
        sources.environment = [this](const char* name) {
            const auto found = environment.find(name);
            return found == environment.end() ? nullptr : found->second.c_str();
        };
        return load_configuration(all_options(all_drivers()), sources);
    }
    void expect_usage(const std::string& conf, const std::string& fact,
                      const std::string& hint = {}) {
        const auto loaded = load(file("bad.conf", conf));
        ASSERT_FALSE(loaded.ok()) << conf;
        EXPECT_EQ(loaded.error().code, Code::usage);
        EXPECT_THAT(loaded.error().fact, HasSubstr(fact));
        EXPECT_THAT(loaded.error().hint, HasSubstr(hint));
    }

    std::string folder;
    std::map<std::string, std::string> environment;
    ConfigurationSources sources;
};

TEST_F(ConfigurationTest, CommandLineBeatsEnvironmentBeatsFileBeatsDefault) {
    const auto conf =
        file("a.conf", "BACKUP_DIR=\"/from/file\"\nLOG_DIR=/logs/file\nBACKUP_JOBS=3\n");
    environment = {{"BACKUP_DIR", "/from/environment"}, {"LOG_DIR", "/logs/environment"}};
    const auto loaded = load(conf, {{"BACKUP_DIR", "/from/line"}});
    ASSERT_TRUE(loaded.ok()) << loaded.error().fact;
    EXPECT_EQ(loaded->settings.text("BACKUP_DIR"), "/from/line");
    EXPECT_EQ(loaded->settings.text("LOG_DIR"), "/logs/environment");
    EXPECT_EQ(loaded->settings.number("BACKUP_JOBS"), 3U);
    EXPECT_TRUE(loaded->settings.flag("ENCRYPTION_ENABLED"));
    EXPECT_EQ(loaded->settings.all().find("BACKUP_JOBS")->second.origin, conf + " line 3");
}

TEST_F(ConfigurationTest, ReadsTheLinesOfTheProductsPage) {
    const auto loaded =
        load(file("page.conf",
                  "# Backup schedule\nBACKUP_SCHEDULE_FULL=\"0 2 * * *\"      # Daily at 2 AM\n"
                  "BACKUP_SCHEDULE_INCREMENTAL=\"0 */6 * * *\"  # Every 6 hours\n"
                  "S3_STORAGE_CLASS=\"STANDARD_IA\"\nBACKUP_METRICS_ENABLED=true\n"
                  "PROMETHEUS_PUSHGATEWAY_URL=http://pushgateway:9091\n"));
    ASSERT_TRUE(loaded.ok()) << loaded.error().fact;
    EXPECT_EQ(loaded->warnings.size(), 3U);
}

TEST_F(ConfigurationTest, NamesTheNearestSetting) {
    expect_usage("BACKUP_DIRR=/x\n", "line 1: there is no setting BACKUP_DIRR",
                 "did you mean BACKUP_DIR?");
}

TEST_F(ConfigurationTest, RefusesWhatIsNotASettingLine) {
    for (const char* text :
         {"BACKUP_DIR", "BACKUP_DIR=\"unfinished", "BACKUP_DIR=\"a\" b", "BACKUP_DIR=$(rm -rf /)",
          "BACKUP_DIR=`id`", "1X=2", "=3", "BACKUP_DIR = x"})
        expect_usage(std::string("LOG_DIR=/l\n") + text + "\n", "line 2 is not a setting");
}

TEST_F(ConfigurationTest, ExpandsNothing) {
    const auto loaded = load(file("a.conf", "BACKUP_DIR=\"/x/$HOME\"\nLOG_DIR='/l/\\n'\n"));
    ASSERT_TRUE(loaded.ok());
    EXPECT_EQ(loaded->settings.text("BACKUP_DIR"), "/x/$HOME");
    EXPECT_EQ(loaded->settings.text("LOG_DIR"), "/l/\\n");
}

TEST_F(ConfigurationTest, RefusesBadValuesAndDoubles) {
    expect_usage("ENCRYPTION_ENABLED=yes\n", "ENCRYPTION_ENABLED='yes' is not true or false",
                 "ENCRYPTION_ENABLED=true");
    expect_usage("BACKUP_JOBS=-1\n", "is not a whole number");
    expect_usage("DATABASE_TYPE=oracle\n", "is not one of its values", "mongodb, postgresql");
    expect_usage("LOG_DIR=/a\nLOG_DIR=/b\n", "LOG_DIR was set before, on line 1");
}

TEST_F(ConfigurationTest, ASecretMayComeFromAFile) {
    environment = {
        {"BACKUP_ENCRYPTION_KEY_FILE", file("key", "the key of the file\nsecond line\n")}};
    const auto loaded = load();
    ASSERT_TRUE(loaded.ok()) << loaded.error().fact;
    EXPECT_EQ(loaded->settings.text("BACKUP_ENCRYPTION_KEY"), "the key of the file");
    environment["BACKUP_ENCRYPTION_KEY"] = "another";
    EXPECT_EQ(load().error().fact,
              "both BACKUP_ENCRYPTION_KEY and BACKUP_ENCRYPTION_KEY_FILE are set");
}

TEST_F(ConfigurationTest, AMissingSecretFileIsAnError) {
    environment = {{"BACKUP_ENCRYPTION_KEY_FILE", folder + "/none"}};
    EXPECT_EQ(load().error().code, Code::usage);
}

TEST_F(ConfigurationTest, StandInsCountOnlyWhileTheUrlIsEmpty) {
    environment = {{"POSTGRES_URL", "postgresql://a"}};
    EXPECT_EQ(load()->settings.text("DATABASE_URL"), "postgresql://a");
    environment["DATABASE_URL"] = "postgresql://b";
    EXPECT_EQ(load()->settings.text("DATABASE_URL"), "postgresql://b");
}

TEST_F(ConfigurationTest, WhatThisVersionDoesNotObeyIsSaid) {
    environment = {{"DR_REGION", "b"}, {"NOTIFICATION_ENABLED", "true"}};
    const auto loaded = load();
    ASSERT_TRUE(loaded.ok());
    ASSERT_EQ(loaded->warnings.size(), 1U);
    EXPECT_THAT(loaded->warnings[0], HasSubstr("NOTIFICATION_ENABLED"));
}

TEST_F(ConfigurationTest, ANamedFileThatIsMissingIsAnError) {
    EXPECT_EQ(load(folder + "/none.conf").error().code, Code::usage);
    environment = {{"BACKUP_CONFIG_FILE", folder + "/none.conf"}};
    sources.config_path.clear();
    sources.environment = [this](const char* name) {
        const auto found = environment.find(name);
        return found == environment.end() ? nullptr : found->second.c_str();
    };
    EXPECT_EQ(find_config_file(sources).error().code, Code::usage);
}

}  // namespace
}  // namespace asb
