#include "base/settings.hpp"

#include <gtest/gtest.h>

namespace asb {
namespace {

constexpr Option kEnabled{.name = "ENCRYPTION_ENABLED",
                          .kind = OptionKind::boolean,
                          .default_value = "true",
                          .summary = "encrypt what is stored"};
constexpr Option kWorkers{
    .name = "WORKERS", .kind = OptionKind::number, .default_value = "2", .summary = "threads"};
constexpr Option kMethod{.name = "METHOD",
                         .kind = OptionKind::choice,
                         .default_value = "auto",
                         .summary = "how",
                         .choices = "auto|physical|logical"};
constexpr Option kFolder{
    .name = "BACKUP_DIR", .kind = OptionKind::path, .default_value = "/x", .summary = "where"};
constexpr Option kPaths{
    .name = "CONFIG_PATHS", .kind = OptionKind::list, .default_value = "", .summary = "what"};

std::string error_text(const Option& option, std::string_view text) {
    const auto status = validate(option, text);
    if (status.ok()) return "";
    EXPECT_EQ(status.error().code, Code::usage);
    return to_text(status.error());
}

TEST(Validate, TakesWhatEachKindAllows) {
    EXPECT_EQ(error_text(kEnabled, "true"), "");
    EXPECT_EQ(error_text(kEnabled, "false"), "");
    EXPECT_EQ(error_text(kWorkers, "0"), "");
    EXPECT_EQ(error_text(kMethod, "logical"), "");
    EXPECT_EQ(error_text(kFolder, "/any/where else"), "");
    EXPECT_EQ(error_text(kPaths, "/a:/b::"), "");
    EXPECT_EQ(error_text(kPaths, ""), "");
}

TEST(Validate, SaysWhatABooleanMayBe) {
    EXPECT_EQ(error_text(kEnabled, "yes"),
              "ENCRYPTION_ENABLED='yes' is not true or false\n"
              "hint: write ENCRYPTION_ENABLED=true or ENCRYPTION_ENABLED=false");
    EXPECT_NE(error_text(kEnabled, ""), "");
    EXPECT_NE(error_text(kEnabled, "TRUE"), "");
}

TEST(Validate, SaysWhatANumberLooksLike) {
    EXPECT_EQ(error_text(kWorkers, "two"),
              "WORKERS='two' is not a whole number\nhint: write a number, as in WORKERS=2");
    for (const auto* text : {"", "-1", "1.5", "99999999999999999999999"})
        EXPECT_NE(error_text(kWorkers, text), "") << text;
}

TEST(Validate, ListsTheChoices) {
    EXPECT_EQ(error_text(kMethod, "physica"),
              "METHOD='physica' is not one of its values\nhint: choose auto, physical, logical");
    EXPECT_NE(error_text(kMethod, "auto|physical"), "");
}

TEST(Validate, RefusesALineBreakInAnyText) {
    for (const auto& option : {kFolder, kPaths})
        for (const auto text : {std::string_view("a\nb"), std::string_view("a\0b", 3)})
            EXPECT_EQ(error_text(option, text),
                      fmt::format("the value of {} holds a line break\nhint: a value is one line; "
                                  "remove the line break",
                                  option.name));
}

TEST(Settings, GivesEachValueByItsKind) {
    Settings settings;
    settings.set(kEnabled, "false", "default");
    settings.set(kWorkers, "8", "command line");
    settings.set(kPaths, "/a::/b", "environment");
    settings.set(kFolder, "/backups", "backup.conf line 3");
    EXPECT_FALSE(settings.flag("ENCRYPTION_ENABLED"));
    EXPECT_EQ(settings.number("WORKERS"), 8U);
    EXPECT_EQ(settings.list("CONFIG_PATHS"), (std::vector<std::string>{"/a", "/b"}));
    EXPECT_EQ(settings.text("BACKUP_DIR"), "/backups");
    EXPECT_TRUE(settings.is_default("ENCRYPTION_ENABLED"));
    EXPECT_FALSE(settings.is_default("WORKERS"));
    EXPECT_EQ(settings.all().at("BACKUP_DIR").origin, "backup.conf line 3");
}

TEST(Settings, KeepsTheValueThatWasSetLast) {
    Settings settings;
    settings.set(kWorkers, "2", "default");
    settings.set(kWorkers, "3", "environment");
    EXPECT_EQ(settings.number("WORKERS"), 3U);
    EXPECT_EQ(settings.all().size(), 1U);
}

TEST(SettingsDeathTest, EndsTheProcessForANameThatNoRowDeclares) {
    Settings settings;
    settings.set(kWorkers, "2", "default");
    EXPECT_DEATH((void)settings.text("WORKER"), "assertion failed");
    EXPECT_DEATH((void)settings.flag("WORKERS"), "assertion failed");
}

}  // namespace
}  // namespace asb
