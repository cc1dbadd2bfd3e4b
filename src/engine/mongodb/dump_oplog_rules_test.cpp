#include "engine/mongodb/dump_oplog_rules.hpp"

#include <gmock/gmock.h>

#include "engine/mongodb/dump_oplog.hpp"

namespace asb {
namespace {

using ::testing::HasSubstr;

Bson from_json(const char* text) {
    bson_error_t error{};
    Bson document(bson_new_from_json(reinterpret_cast<const std::uint8_t*>(text), -1, &error));
    EXPECT_NE(document, nullptr) << error.message;
    return document;
}

EntryFit fit(const char* entry, const std::string& database = "auth") {
    return fit_oplog_entry(*from_json(entry), database).fit;
}

TEST(OplogRules, OneDatabaseKeepsItsOwnEntries) {
    EXPECT_EQ(fit(R"({"op":"i","ns":"auth.users","o":{"_id":1}})"), EntryFit::keep);
    EXPECT_EQ(fit(R"({"op":"c","ns":"auth.$cmd","o":{"create":"x"}})"), EntryFit::keep);
    EXPECT_EQ(fit(R"({"op":"i","ns":"auth2.users","o":{"_id":1}})"), EntryFit::drop);
    EXPECT_EQ(fit(R"({"op":"n","ns":"","o":{"msg":"periodic noop"}})"), EntryFit::drop);
    EXPECT_EQ(fit(R"({"op":"i","ns":"auth2.users","o":{"_id":1}})", ""), EntryFit::keep);
}

TEST(OplogRules, OneDatabaseKeepsItsUsersAndRoles) {
    EXPECT_EQ(fit(R"({"op":"i","ns":"admin.system.users","o":{"_id":"auth.app"}})"),
              EntryFit::keep);
    EXPECT_EQ(fit(R"({"op":"u","ns":"admin.system.roles","o2":{"_id":"auth.r"},"o":{"$v":2}})"),
              EntryFit::keep);
    EXPECT_EQ(fit(R"({"op":"i","ns":"admin.system.users","o":{"_id":"auth2.app"}})"),
              EntryFit::drop);
}

TEST(OplogRules, OperationsOfOtherDatabasesLeaveATransaction) {
    const auto entry = from_json(
        R"({"op":"c","ns":"admin.$cmd","lsid":{"id":1},"txnNumber":{"$numberLong":"7"},
            "o":{"applyOps":[{"op":"i","ns":"other.x","o":{"_id":1}},
                             {"op":"i","ns":"auth.users","o":{"_id":2}}],"count":2},
            "ts":{"$timestamp":{"t":9,"i":3}}})");
    const auto fitted = fit_oplog_entry(*entry, "auth");
    ASSERT_EQ(fitted.fit, EntryFit::changed);
    EXPECT_EQ(text_at(*fitted.changed, "o.applyOps.0.ns"), "auth.users");
    EXPECT_FALSE(find_field(*fitted.changed, "o.applyOps.1"));
    EXPECT_EQ(number_at(*fitted.changed, "o.count"), 2);
    EXPECT_EQ(number_at(*fitted.changed, "txnNumber"), 7);
    EXPECT_EQ(optime_at(*fitted.changed, "ts"), (OpTime{9, 3}));
}

TEST(OplogRules, ATransactionsChainStaysWhole) {
    EXPECT_EQ(fit(R"({"op":"c","ns":"admin.$cmd","lsid":{"id":1},"txnNumber":1,
                      "o":{"applyOps":[{"op":"i","ns":"other.x","o":{"_id":1}}]}})"),
              EntryFit::changed);
    EXPECT_EQ(fit(R"({"op":"c","ns":"admin.$cmd",
                      "o":{"applyOps":[{"op":"i","ns":"other.x","o":{"_id":1}}]}})"),
              EntryFit::drop);
    EXPECT_EQ(fit(R"({"op":"c","ns":"admin.$cmd","o":{"commitTransaction":1}})"), EntryFit::keep);
}

void expect_impossible(const char* entry, const std::string& database, const char* what) {
    const auto checked = check_oplog_entry(*from_json(entry), database, OplogRule::within_copy);
    ASSERT_FALSE(checked.ok()) << entry;
    EXPECT_EQ(checked.error().code, Code::database);
    EXPECT_THAT(checked.error().fact, HasSubstr(what));
}

TEST(OplogRules, NamesWhatARestoreCouldNotReplay) {
    expect_impossible(R"({"op":"c","ns":"auth.$cmd","ts":{"$timestamp":{"t":9,"i":3}},
                          "o":{"renameCollection":"auth.a","to":"auth.b"}})",
                      "", "renameCollection on auth.a at 9:3");
    expect_impossible(
        R"({"op":"c","ns":"other.$cmd","o":{"renameCollection":"other.a","to":"auth.b"}})", "auth",
        "renameCollection");
    expect_impossible(R"({"op":"c","ns":"auth.$cmd","o":{"importCollection":"a"}})", "auth",
                      "importCollection on auth.$cmd");
    expect_impossible(R"({"op":"c","ns":"config.$cmd","o":{"create":"reshardingOperations"}})", "",
                      "resharding");
    expect_impossible(R"({"op":"u","ns":"admin.system.version","o":{"version":"8.0"}})", "auth",
                      "version document");
    expect_impossible(R"({"op":"c","ns":"admin.$cmd","o":{"applyOps":[
        {"op":"c","ns":"auth.$cmd","o":{"renameCollection":"auth.a","to":"auth.b"}}]}})",
                      "auth", "renameCollection");
}

TEST(OplogRules, AfterACopyARenameWithinADatabaseIsFine) {
    const auto check = [](const char* entry, const std::string& database) {
        return check_oplog_entry(*from_json(entry), database, OplogRule::after_it);
    };
    const auto* within =
        R"({"op":"c","ns":"auth.$cmd","o":{"renameCollection":"auth.a","to":"auth.b"}})";
    const auto* between =
        R"({"op":"c","ns":"auth.$cmd","o":{"renameCollection":"auth.a","to":"other.a"}})";
    const auto* cap = R"({"op":"c","ns":"auth.$cmd","o":{"convertToCapped":"a","size":4096}})";
    EXPECT_TRUE(check(within, "auth").ok());
    EXPECT_TRUE(check(within, "").ok());
    EXPECT_TRUE(check(cap, "").ok());
    EXPECT_THAT(check(between, "").error().fact, HasSubstr("renameCollection on auth.a"));
    EXPECT_THAT(check(between, "other").error().fact, HasSubstr("renameCollection on auth.a"));
    EXPECT_TRUE(check(between, "third").ok());
    EXPECT_EQ(check(between, "").error().hint, "take a full backup");
    EXPECT_THAT(check(R"({"op":"u","ns":"admin.system.version","o":{"version":"8.0"}})", "auth")
                    .error()
                    .fact,
                HasSubstr("version document"));
    EXPECT_THAT(check(R"({"op":"c","ns":"auth.$cmd","o":{"createIndexes":"system.buckets.x"}})", "")
                    .error()
                    .fact,
                HasSubstr("createIndexes"));
    expect_impossible(cap, "", "convertToCapped");
}

TEST(OplogReach, GrowsAtTheRateItHadUntilItIsFull) {
    using std::chrono::hours;
    EXPECT_EQ(reach_of(hours(2), 100, 1000).full, hours(20));
    EXPECT_EQ(reach_of(hours(2), 1001, 1000).full, hours(2));
    EXPECT_EQ(reach_of(hours(2), 100, 0).full, std::nullopt);  // a server that does not tell
    EXPECT_EQ(reach_of(hours(0), 100, 1000).full, std::nullopt);
    EXPECT_EQ(reach_of(hours(2), 100, 0).now, hours(2));
}

TEST(OplogRules, WhatARestoreReplaysIsFine) {
    for (const auto* entry : {R"({"op":"c","ns":"auth.$cmd","o":{"create":"a"}})",
                              R"({"op":"c","ns":"auth.$cmd","o":{"drop":"a"}})",
                              R"({"op":"c","ns":"auth.$cmd","o":{"createIndexes":"a"}})",
                              R"({"op":"c","ns":"auth.$cmd","o":{"dropIndexes":"a"}})",
                              R"({"op":"c","ns":"auth.$cmd","o":{"collMod":"a"}})",
                              R"({"op":"i","ns":"auth.a","o":{"renameCollection":"auth.a"}})",
                              R"({"op":"n","ns":"","o":{"msg":"x"}})"})
        EXPECT_TRUE(check_oplog_entry(*from_json(entry), "", OplogRule::within_copy).ok()) << entry;
    EXPECT_TRUE(check_oplog_entry(*from_json(R"({"op":"c","ns":"other.$cmd",
        "o":{"renameCollection":"other.a","to":"other.b"}})"),
                                  "auth", OplogRule::within_copy)
                    .ok());
}

}  // namespace
}  // namespace asb
