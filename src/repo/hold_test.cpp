#include "repo/hold.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "lib/stored_folder.hpp"

namespace asb {
namespace {

using std::chrono::hours;
using testing::HasSubstr;

constexpr const char* kBackup = "auth-service-backup-20240115_020000";
const Instant kNow = std::chrono::sys_days(std::chrono::year(2024) / 2 / 1);

Hold some_hold() {
    return make_hold(kBackup, "case 12/24 \"Müller\"\n", "legal@example.org", kNow,
                     kNow + hours(24))
        .value();
}

TEST(Hold, ComesBackAsItWas) {
    const auto hold = some_hold();
    const auto text = to_text(hold);
    const auto parsed = parse_hold(text, "it");
    ASSERT_TRUE(parsed.ok());
    EXPECT_EQ(to_text(*parsed), text);
    EXPECT_EQ(parsed->id, hold.id);
    EXPECT_EQ(parsed->reason, hold.reason);
    EXPECT_EQ(parsed->expires_at, hold.expires_at);
    EXPECT_EQ(hold_key(hold).text(),
              "holds/auth-service-backup-20240115_020000." + hold.id + ".json");
}

TEST(Hold, IsInForceUntilItExpires) {
    auto hold = some_hold();
    EXPECT_TRUE(hold.is_in_force(kNow + hours(24) - std::chrono::milliseconds(1)));
    EXPECT_FALSE(hold.is_in_force(kNow + hours(24)));
    hold.expires_at.reset();
    EXPECT_TRUE(hold.is_in_force(kNow + hours(1'000'000)));
    hold.expires_at = kNow - hours(1);
    hold.problem = "it cannot be read";
    EXPECT_TRUE(hold.is_in_force(kNow));
}

TEST(Hold, IsRefusedWhenItSaysNothing) {
    const auto refused = [](const std::string& backup, const std::string& reason,
                            const std::string& owner, std::optional<Instant> until) {
        const auto made = make_hold(backup, reason, owner, kNow, until);
        return made ? std::string() : to_text(made.error());
    };
    EXPECT_THAT(refused("latest", "r", "o", {}), HasSubstr("'latest' is not the name of a backup"));
    EXPECT_THAT(refused(kBackup, " ", "o", {}), HasSubstr("a hold's reason is empty"));
    EXPECT_THAT(refused(kBackup, "r", std::string(1025, 'o'), {}), HasSubstr("a hold's owner"));
    EXPECT_THAT(refused(kBackup, "\xff", "o", {}), HasSubstr("not UTF-8"));
    EXPECT_THAT(refused(kBackup, "r", "o", kNow), HasSubstr("would have ended already"));
    EXPECT_EQ(refused(kBackup, "r", "o", {}), "");
}

TEST(Hold, TheLongestThatIsAcceptedCanBeReadAgain) {
    const std::string longest(kHoldTextBytesMax, '\x01');
    const auto hold = make_hold(kBackup, longest, longest, kNow, {});
    ASSERT_TRUE(hold.ok());
    EXPECT_TRUE(parse_hold(to_text(*hold), "it").ok());
}

TEST(Hold, IsDamagedWhenAnyOfItIsNotAsWritten) {
    const auto text = to_text(some_hold());
    const auto changed = [&](const std::string& from, const std::string& to) {
        auto other = text;
        other.replace(other.find(from), from.size(), to);
        const auto parsed = parse_hold(other, "it");
        return parsed ? Code::failed : parsed.error().code;
    };
    EXPECT_EQ(changed("\"version\":1", "\"version\":2"), Code::damaged);
    EXPECT_EQ(changed("\"owner\"", "\"owned\""), Code::damaged);
    EXPECT_EQ(changed("2024-02-02", "2024-01-02"), Code::damaged);  // before it was made
    EXPECT_EQ(changed("{", "{ "), Code::damaged);
    EXPECT_EQ(changed("{", "{\"more\":1,"), Code::damaged);
    EXPECT_EQ(parse_hold("", "it").error().code, Code::damaged);
    EXPECT_EQ(parse_hold("[]\n", "it").error().code, Code::damaged);
}

TEST(StoredHolds, AreReadByName) {
    const StoredFolder folder;
    const auto hold = some_hold();
    folder.put(hold_key(hold).text(), to_text(hold));
    const auto holds = load_holds(folder.reader());
    ASSERT_TRUE(holds.ok());
    ASSERT_EQ(holds->size(), 1U);
    EXPECT_EQ(to_text(holds->front()), to_text(hold));
    EXPECT_FALSE(holds->front().is_in_force(kNow + hours(48)));
}

TEST(StoredHolds, OneThatCannotBeReadIsInForceForEver) {
    const StoredFolder folder;
    const auto hold = some_hold();
    folder.put(hold_key(hold).text(), to_text(hold).substr(0, 40));
    folder.put(std::string("holds/") + kBackup + ".x", std::string(kHoldBytesMax + 1, ' '));
    auto moved = hold;
    moved.backup = "auth-service-backup-20240116_020000";
    folder.put(hold_key(moved).text(), to_text(hold));  // says another backup than its name
    const auto holds = load_holds(folder.reader());
    ASSERT_TRUE(holds.ok());
    ASSERT_EQ(holds->size(), 3U);
    for (const auto& read : *holds) {
        EXPECT_FALSE(read.problem.empty());
        EXPECT_TRUE(read.is_in_force(kNow + hours(1'000'000)));
    }
    EXPECT_EQ(holds->at(0).backup, kBackup);
    EXPECT_EQ(holds->at(2).backup, moved.backup);
}

TEST(StoredHolds, ANameThatTellsOfNoBackupStopsEverything) {
    const StoredFolder folder;
    folder.put("holds/all.json", "{}");
    const auto holds = load_holds(folder.reader());
    ASSERT_FALSE(holds.ok());
    EXPECT_EQ(holds.error().code, Code::damaged);
    EXPECT_EQ(to_text(holds.error()),
              "holds/all.json does not say which backup it holds\nhint: move the object away from "
              "holds/; until then nothing is removed");
}

}  // namespace
}  // namespace asb
