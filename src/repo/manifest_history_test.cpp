#include "repo/manifest_history.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "lib/stored_folder.hpp"
#include "repo/names.hpp"

namespace asb {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

const Instant kNow = std::chrono::sys_days(std::chrono::year(2024) / 2 / 1);

std::string name_of(int day) {
    return backup_name(kNow + std::chrono::days(day));
}
Digest digest_of(const std::string& name) {
    return sha256(as_bytes(name));
}

// One that names the one of the day `previous`; -1: it is the first.
CatalogEntry backup(int day, int previous) {
    CatalogEntry entry;
    entry.name = entry.manifest.name = name_of(day);
    entry.manifest.id = "id";
    entry.digest = digest_of(entry.name);
    if (previous >= 0)
        entry.manifest.previous =
            PreviousManifest{.name = name_of(previous), .digest = digest_of(name_of(previous))};
    return entry;
}

Catalog five_days() {
    Catalog catalog;
    for (int day = 0; day < 5; ++day) catalog.entries.push_back(backup(day, day - 1));
    return catalog;
}

void remove(Catalog& catalog, int day) {
    std::erase_if(catalog.entries, [&](const auto& entry) { return entry.name == name_of(day); });
}

// As expire does it: first the record, then the backup.
void expire(Catalog& catalog, RemovalRecords& removals, const std::vector<int>& days) {
    std::vector<RemovedBackup> gone;
    for (const auto day : days) gone.push_back(removed_backup(*catalog.find(name_of(day))));
    for (const auto& pending :
         make_removal_records(gone, removals, {.at = kNow, .by = "host", .policy = "30 days"}))
        removals.records.push_back(parse_removal_record(pending.text, pending.key.text()).value());
    for (const auto day : days) remove(catalog, day);
}

std::vector<std::string> found(const Catalog& catalog, const RemovalRecords& removals,
                               const std::optional<RepositoryHead>& remembered = {}) {
    std::vector<std::string> lines;
    for (const auto& finding : check_manifest_history(catalog, removals, remembered).findings)
        lines.push_back(fmt::format("{} {}", to_text(finding.kind), finding.text));
    return lines;
}

TEST(ManifestHistory, AWholeListHasNoFinding) {
    auto catalog = five_days();
    EXPECT_THAT(found(catalog, {}), IsEmpty());
    EXPECT_TRUE(check_manifest_history({}, {}, {}).ok());
    // Two that began at the same time.
    catalog.entries.push_back(backup(5, 3));
    EXPECT_THAT(found(catalog, {}), IsEmpty());
}

TEST(ManifestHistory, OneThatWasTakenAwayShows) {
    auto catalog = five_days();
    remove(catalog, 2);
    EXPECT_THAT(found(catalog, {}),
                ElementsAre("missing auth-service-backup-20240203_000000 is missing: "
                            "auth-service-backup-20240204_000000 was made after it, and no record "
                            "says that it was removed"));
}

TEST(ManifestHistory, OneThatWasRemovedByPolicyDoesNot) {
    auto catalog = five_days();
    RemovalRecords removals;
    expire(catalog, removals, {0, 2});
    expire(catalog, removals, {3});
    EXPECT_THAT(found(catalog, removals), IsEmpty());
    // The chain goes on through the removed ones: what they named must still be there.
    remove(catalog, 1);
    EXPECT_THAT(found(catalog, removals), ElementsAre(HasSubstr("missing " + name_of(1))));
}

TEST(ManifestHistory, ACrashBetweenRecordAndRemovalIsNoFinding) {
    auto catalog = five_days();
    auto all = catalog;
    RemovalRecords removals;
    expire(catalog, removals, {0, 1});
    EXPECT_THAT(found(all, removals), IsEmpty());
}

TEST(ManifestHistory, OneThatWasReplacedShows) {
    auto catalog = five_days();
    catalog.entries[1].digest = digest_of("another");
    EXPECT_THAT(found(catalog, {}), ElementsAre(HasSubstr("replaced " + name_of(1))));
    // One that cannot be read at all is listed as damaged, not as replaced.
    catalog.entries[1].digest = {};
    EXPECT_THAT(found(catalog, {}), IsEmpty());
}

TEST(ManifestHistory, ARecordOfAnotherManifestCoversNothing) {
    auto catalog = five_days();
    catalog.entries[1].digest = digest_of("another");
    RemovalRecords removals;
    expire(catalog, removals, {1});
    EXPECT_THAT(found(catalog, removals), ElementsAre(HasSubstr("replaced " + name_of(1))));
}

TEST(ManifestHistory, ARecordThatIsTakenAwayOrChangedShows) {
    auto catalog = five_days();
    RemovalRecords removals;
    expire(catalog, removals, {0});
    expire(catalog, removals, {1});
    auto shorter = removals;
    shorter.records.erase(shorter.records.begin());
    const auto key = removals.records.front().key;
    EXPECT_THAT(found(catalog, shorter),
                ElementsAre(HasSubstr("missing " + name_of(0)),
                            HasSubstr("record_missing the record of removal " + key)));
    auto changed = removals;
    changed.records.front().digest = {};
    EXPECT_THAT(found(catalog, changed), ElementsAre(HasSubstr("record_replaced")));
    shorter.damaged.push_back(key + " is not valid");
    EXPECT_THAT(found(catalog, shorter),
                ElementsAre(HasSubstr("missing " + name_of(0)), HasSubstr("record_damaged")));
}

TEST(ManifestHistory, AListThatWasPutBackShowsToWhoRemembers) {
    auto catalog = five_days();
    const auto head = head_of(catalog, {}, "/backups");
    EXPECT_EQ(head.count, 5U);
    EXPECT_THAT(found(catalog, {}, head), IsEmpty());
    remove(catalog, 4);
    EXPECT_THAT(found(catalog, {}), IsEmpty());  // nobody else can know
    EXPECT_THAT(found(catalog, {}, head), ElementsAre(HasSubstr("rolled_back " + name_of(4)),
                                                      HasSubstr("thinned_out of 5 backups")));
    catalog = five_days();
    catalog.entries.back().digest = digest_of("another");
    EXPECT_THAT(found(catalog, {}, head), ElementsAre(HasSubstr("replaced " + name_of(4))));
}

TEST(ManifestHistory, OneThatNobodyNamesIsMissedByItsCount) {
    auto catalog = five_days();
    catalog.entries.push_back(backup(5, 3));
    catalog.entries.push_back(backup(6, 5));
    const auto head = head_of(catalog, {}, "/backups");
    remove(catalog, 4);
    EXPECT_THAT(found(catalog, {}), IsEmpty());
    EXPECT_THAT(found(catalog, {}, head), ElementsAre(HasSubstr("thinned_out")));
}

TEST(ManifestHistory, TheCountGoesOnOverRemovals) {
    auto catalog = five_days();
    RemovalRecords removals;
    const auto head = head_of(catalog, removals, "/backups");
    expire(catalog, removals, {0, 1, 2, 3, 4});
    EXPECT_THAT(found(catalog, removals, head), IsEmpty());
    EXPECT_EQ(head_of(catalog, removals, "/backups").count, 5U);
}

TEST(RepositoryHead, ComesBackAsItWas) {
    const auto head = head_of(five_days(), {}, "s3://bucket/prefix");
    const auto parsed = parse_head(to_text(head), "it");
    ASSERT_TRUE(parsed.ok());
    EXPECT_EQ(*parsed, head);
    EXPECT_EQ(parse_head("{}", "it").error().code, Code::damaged);
    EXPECT_EQ(parse_head(to_text(head) + " ", "it").error().code, Code::damaged);
}

TEST(RemovalRecord, ALongListBecomesSeveralThatNameEachOther) {
    std::vector<RemovedBackup> gone;
    for (int i = 0; i < 2500; ++i)
        gone.push_back({.name = name_of(i),
                        .digest = digest_of("x"),
                        .type = BackupType::incremental,
                        .previous = PreviousManifest{name_of(i + 1), digest_of("y")}});
    const auto pending = make_removal_records(
        gone, {}, {.at = kNow, .by = std::string(5000, 'h'), .policy = "\x01 30 days"});
    ASSERT_EQ(pending.size(), 3U);
    std::vector<RemovalRecord> records;
    for (const auto& one : pending) {
        EXPECT_LE(one.text.size(), kRemovalBytesMax);
        const auto parsed = parse_removal_record(one.text, one.key.text());
        ASSERT_TRUE(parsed.ok()) << to_text(parsed.error());
        records.push_back(*parsed);
    }
    EXPECT_THAT(records[0].previous, IsEmpty());
    EXPECT_EQ(records[1].previous.front().name, records[0].key);
    EXPECT_EQ(records[2].previous.front().digest, records[1].digest);
    EXPECT_EQ(records[2].backups.size(), 500U);
    EXPECT_EQ(records[0].policy, "\\x01 30 days");
    EXPECT_TRUE(make_removal_records({}, {}, {}).empty());
}

TEST(RemovalRecord, IsDamagedWhenAnyOfItIsNotAsWritten) {
    const auto pending = make_removal_records({removed_backup(backup(1, 0))}, {},
                                              {.at = kNow, .by = "host", .policy = "30 days"});
    const auto key = pending.front().key.text();
    EXPECT_THAT(key, HasSubstr("removed/20240201_000000-"));
    const auto changed = [&](const std::string& from, const std::string& to) {
        auto text = pending.front().text;
        text.replace(text.find(from), from.size(), to);
        const auto parsed = parse_removal_record(text, key);
        return parsed ? Code::failed : parsed.error().code;
    };
    EXPECT_EQ(changed("\"full\"", "\"half\""), Code::damaged);
    EXPECT_EQ(changed("auth-service", "auth_service"), Code::damaged);
    EXPECT_EQ(changed("\"version\":1", "\"version\":2"), Code::damaged);
    EXPECT_EQ(changed("\"by\"", "\"bye\""), Code::damaged);
    EXPECT_EQ(changed("\"previous\":[]", "\"previous\":[1]"), Code::damaged);
    EXPECT_EQ(parse_removal_record("[", key).error().code, Code::damaged);
}

TEST(RemovalRecord, OfADamagedBackupSaysWhatIsKnown) {
    CatalogEntry entry;
    entry.name = entry.manifest.name = name_of(1);
    const auto removed = removed_backup(entry);
    EXPECT_FALSE(removed.digest || removed.type || removed.previous);
    const auto pending = make_removal_records({removed}, {}, {.at = kNow, .by = "", .policy = ""});
    EXPECT_TRUE(parse_removal_record(pending.front().text, pending.front().key.text()).ok());
}

TEST(RemovalRecord, IsReadFromAStoreAndADamagedOneIsTold) {
    const StoredFolder folder;
    const auto pending = make_removal_records({removed_backup(backup(1, 0))}, {},
                                              {.at = kNow, .by = "host", .policy = "30 days"});
    folder.put(pending.front().key.text(), pending.front().text);
    folder.put("removed/x.json", "{");
    const auto all = load_removal_records(folder.reader());
    ASSERT_TRUE(all.ok());
    ASSERT_EQ(all->records.size(), 1U);
    EXPECT_EQ(all->records.front().backups.front().name, name_of(1));
    EXPECT_THAT(all->damaged, ElementsAre(HasSubstr("removed/x.json")));
}

}  // namespace
}  // namespace asb
