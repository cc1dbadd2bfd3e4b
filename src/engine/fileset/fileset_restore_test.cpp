#include "engine/fileset/fileset_restore.hpp"

#include <gmock/gmock.h>

#include "base/clock.hpp"
#include "engine/fileset/owners.hpp"
#include "engine/fileset/restore_test_support.hpp"

namespace asb::fileset {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

TEST(FilesetRestore, PutsFilesBackWithModeTimeAndOwner) {
    const TempFolder temp;
    Restore restore(temp);
    auto folder = entry("config/etc/app", EntryType::folder);
    folder.mode = 0550;
    folder.mtime_seconds = 1600000000;
    folder.mtime_nanoseconds = 5;
    auto file = entry("config/etc/app/app.conf", EntryType::file);
    file.mode = 0640;
    file.mtime_seconds = 1700000001;
    file.mtime_nanoseconds = 123456789;
    const bool is_root = geteuid() == 0;
    if (is_root) {
        file.uid = 1234;
        file.gid = 5678;
        file.user_name = "nobody-of-this-name";
    }
    ASSERT_TRUE(restore.add(folder).ok());
    ASSERT_TRUE(restore.add(file, "port=1\n").ok());
    ASSERT_TRUE(restore.session->publish().ok());

    const auto path = restore.at("config/etc/app/app.conf");
    EXPECT_EQ(text_of(path), "port=1\n");
    const auto info = stat_of(path);
    EXPECT_EQ(info.st_mode & 07777U, 0640U);
    EXPECT_EQ(info.st_mtim.tv_sec, 1700000001);
    EXPECT_EQ(info.st_mtim.tv_nsec, 123456789);
    EXPECT_EQ(info.st_uid, is_root ? 1234U : geteuid());
    EXPECT_EQ(info.st_gid, is_root ? 5678U : getegid());
    const auto above = stat_of(restore.at("config/etc/app"));
    EXPECT_EQ(above.st_mode & 07777U, 0550U);
    EXPECT_EQ(above.st_mtim.tv_sec, 1600000000);
    EXPECT_EQ(above.st_mtim.tv_nsec, 5);
    EXPECT_EQ(stat_of(restore.at("config/etc")).st_mode & 07777U, 0700U);
    EXPECT_EQ(chmod(restore.at("config/etc/app").c_str(), 0755), 0);
}

TEST(FilesetRestore, GivesAFileToTheUserOfThatNameHere) {
    const TempFolder temp;
    Owners owners;
    auto header = entry("config/a", EntryType::file);
    header.uid = 4242;
    header.user_name = owners.user_name(0);
    EXPECT_EQ(owners.uid_of(header), 0U);
    header.user_name = "nobody-of-this-name";
    EXPECT_EQ(owners.uid_of(header), 4242U);
    header.gid = 4343;
    header.group_name = owners.group_name(0);
    EXPECT_EQ(owners.gid_of(header), 0U);
}

TEST(FilesetRestore, ShowsNothingUnderAFinalNameBeforePublish) {
    const TempFolder temp;
    Restore restore(temp);
    ASSERT_TRUE(restore.add_file("config/a.conf", "a").ok());
    const auto names = names_in(restore.request.files_dir);
    ASSERT_EQ(names.size(), 1U);
    EXPECT_THAT(names[0], testing::StartsWith(".auth-service-backup-staging-"));
    ASSERT_TRUE(restore.session->publish().ok());
    EXPECT_THAT(names_in(restore.request.files_dir), ElementsAre("config"));
}

TEST(FilesetRestore, LeavesNoTraceWhenItIsNotPublished) {
    const TempFolder temp;
    Restore restore(temp);
    restore.request.files_dir = temp.at("new/deeper/files");
    auto locked = entry("config/locked", EntryType::folder);
    locked.mode = 0000;
    ASSERT_TRUE(restore.add(locked).ok());
    ASSERT_TRUE(restore.add_file("config/locked/a.conf", "a").ok());
    restore.session.reset();
    EXPECT_FALSE(exists(temp.at("new")));
}

TEST(FilesetRestore, CreatesSymbolicLinksAsTheyWereAndNamesThoseThatLeadOutside) {
    const TempFolder temp;
    Restore restore(temp);
    ASSERT_TRUE(restore.add(entry("config/a/abs", EntryType::symbolic_link, "/etc/passwd")).ok());
    ASSERT_TRUE(restore.add(entry("config/a/in", EntryType::symbolic_link, "../b/file")).ok());
    ASSERT_TRUE(restore.add(entry("config/a/out", EntryType::symbolic_link, "../../../x")).ok());
    ASSERT_TRUE(restore.add_file("config/b/file", "b").ok());
    ASSERT_TRUE(restore.session->publish().ok());
    EXPECT_EQ(std::filesystem::read_symlink(restore.at("config/a/abs")), "/etc/passwd");
    EXPECT_EQ(text_of(restore.at("config/a/in")), "b");
    const auto& dir = restore.request.files_dir;
    const auto report = restore.session->report();
    EXPECT_THAT(report, testing::Contains("config: 4 files, 1 B, in " + restore.at("config")));
    EXPECT_THAT(report, testing::Contains("the symbolic link config/a/abs leads outside " + dir +
                                          ": /etc/passwd"));
    EXPECT_THAT(report, testing::Contains("the symbolic link config/a/out leads outside " + dir +
                                          ": ../../../x"));
    EXPECT_THAT(report, testing::Not(testing::Contains(HasSubstr("config/a/in"))));
}

TEST(FilesetRestore, CreatesHardLinks) {
    const TempFolder temp;
    Restore restore(temp);
    ASSERT_TRUE(restore.add_file("config/a", "same").ok());
    ASSERT_TRUE(restore.add(entry("config/sub/b", EntryType::hard_link, "config/a")).ok());
    ASSERT_TRUE(restore.session->publish().ok());
    EXPECT_EQ(stat_of(restore.at("config/a")).st_ino, stat_of(restore.at("config/sub/b")).st_ino);
    EXPECT_EQ(stat_of(restore.at("config/a")).st_nlink, 2U);
}

TEST(FilesetRestore, TakesOnlyTheComponentsAskedFor) {
    const TempFolder temp;
    Restore restore(temp);
    restore.request.components = {"database", "certificates"};
    ASSERT_TRUE(restore.add_file("config/a", "a").ok());
    ASSERT_TRUE(restore.add_file("certificates/c.pem", "c").ok());
    ASSERT_TRUE(restore.add_file("manifest-inner.json", "{}").ok());
    ASSERT_TRUE(restore.session->publish().ok());
    EXPECT_THAT(names_in(restore.request.files_dir), ElementsAre("certificates"));
    EXPECT_THAT(restore.session->report().at(0),
                "certificates: 1 file, 1 B, in " + restore.at("certificates"));
}

TEST(FilesetRestore, NeedsAFolder) {
    const TempFolder temp;
    Restore restore(temp);
    restore.request.files_dir = "";
    const auto opened = open_restore(restore.request, Json::object(), restore.run.context());
    ASSERT_FALSE(opened.ok());
    EXPECT_EQ(opened.error().code, Code::usage);
    EXPECT_THAT(opened.error().hint, HasSubstr("--files-dir DIR"));
    EXPECT_EQ(plan_restore(restore.request, Json::object()).error().code, Code::usage);
}

TEST(FilesetRestore, RefusesAPlaceThatIsNotEmpty) {
    const TempFolder temp;
    temp.file("files/config/old.conf", "old");
    Restore restore(temp);
    const auto opened = open_restore(restore.request, Json::object(), restore.run.context());
    ASSERT_FALSE(opened.ok());
    EXPECT_EQ(opened.error().code, Code::refused);
    EXPECT_EQ(opened.error().fact, restore.at("config") + " is not empty");
    EXPECT_THAT(opened.error().hint, HasSubstr("--force"));
    EXPECT_EQ(plan_restore(restore.request, Json::object()).error().code, Code::refused);
    restore.request.components = {"logs"};
    EXPECT_TRUE(plan_restore(restore.request, Json::object()).ok());
}

TEST(FilesetRestore, UsesAnEmptyFolderThatIsThere) {
    const TempFolder temp;
    temp.folder("files/config");
    Restore restore(temp);
    ASSERT_TRUE(restore.add_file("config/a", "a").ok());
    ASSERT_TRUE(restore.session->publish().ok());
    EXPECT_EQ(text_of(restore.at("config/a")), "a");
}

TEST(FilesetRestore, KeepsWhatItReplacesBesideIt) {
    const TempFolder temp;
    temp.file("files/config/old.conf", "old");
    Restore restore(temp);
    restore.request.force = true;
    ASSERT_TRUE(restore.add_file("config/new.conf", "new").ok());
    EXPECT_EQ(text_of(restore.at("config/old.conf")), "old");
    ASSERT_TRUE(restore.session->publish().ok());
    EXPECT_THAT(names_in(restore.at("config")), ElementsAre("new.conf"));
    const auto names = names_in(restore.request.files_dir);
    ASSERT_EQ(names.size(), 2U);
    EXPECT_THAT(names[1], testing::MatchesRegex("config.before-[0-9]{8}_[0-9]{6}"));
    EXPECT_EQ(text_of(restore.at(names[1]) + "/old.conf"), "old");
    EXPECT_THAT(restore.session->report(),
                testing::Contains("what was in " + restore.at("config") + " is kept as " +
                                  restore.at(names[1])));
}

TEST(FilesetRestore, DropsWhatItReplacesWhenToldTo) {
    const TempFolder temp;
    temp.file("files/config/old.conf", "old");
    Restore restore(temp);
    restore.request.force = true;
    restore.request.drop_old = true;
    ASSERT_TRUE(restore.add_file("config/new.conf", "new").ok());
    ASSERT_TRUE(restore.session->publish().ok());
    EXPECT_THAT(names_in(restore.request.files_dir), ElementsAre("config"));
    EXPECT_THAT(names_in(restore.at("config")), ElementsAre("new.conf"));
    EXPECT_THAT(restore.session->incomplete(), IsEmpty());
}

TEST(FilesetRestore, ReplacesALinkAtItsPlaceAndNotWhatItLeadsTo) {
    const TempFolder temp;
    temp.file("live/app.conf", "live");
    temp.folder("files");
    temp.link("files/config", "../live");
    Restore restore(temp);
    restore.request.force = true;
    ASSERT_TRUE(restore.add_file("config/app.conf", "restored").ok());
    ASSERT_TRUE(restore.session->publish().ok());
    EXPECT_EQ(text_of(temp.at("live/app.conf")), "live");
    EXPECT_EQ(text_of(restore.at("config/app.conf")), "restored");
}

TEST(FilesetRestore, TakesBackAllStepsWhenOneOfThemFails) {
    const TempFolder temp;
    temp.file("files/config/old.conf", "old");
    Restore restore(temp);
    restore.request.force = true;
    ASSERT_TRUE(restore.add_file("config/new.conf", "new").ok());
    ASSERT_TRUE(restore.add_file("logs/new.log", "new").ok());
    // Something moved in while the restore ran; what is to hold its old content is taken, too.
    temp.file("files/logs/late.log", "late");
    const auto stamp = now();
    for (int second = 0; second < 120; ++second)
        temp.file("files/logs.before-" + to_stamp(stamp + std::chrono::seconds(second)), "");
    const auto status = restore.session->publish();
    ASSERT_FALSE(status.ok());
    EXPECT_EQ(status.error().code, Code::refused);
    EXPECT_THAT(names_in(restore.at("config")), ElementsAre("old.conf"));
    EXPECT_EQ(text_of(restore.at("logs/late.log")), "late");
    restore.session.reset();
    for (const auto& name : names_in(restore.request.files_dir))
        EXPECT_THAT(name, testing::Not(testing::HasSubstr("staging")));
}

TEST(FilesetRestore, RefusesAPlaceThatFilledUpMeanwhile) {
    const TempFolder temp;
    Restore restore(temp);
    ASSERT_TRUE(restore.add_file("config/a", "a").ok());
    temp.file("files/config/late", "late");
    const auto status = restore.session->publish();
    ASSERT_FALSE(status.ok());
    EXPECT_EQ(status.error().code, Code::refused);
    EXPECT_EQ(status.error().fact, restore.at("config") + " is no longer empty");
    EXPECT_EQ(text_of(restore.at("config/late")), "late");
}

TEST(FilesetRestore, PlansWithoutTouchingAnything) {
    const TempFolder temp;
    temp.file("files/config/old.conf", "old");
    Restore restore(temp);
    restore.request.force = true;
    restore.request.components = {"config", "logs"};
    restore.request.files_dir += "/";
    const auto facts = Json::parse(R"({"config":{"entries":3,"bytes":2048}})");
    const auto plan = plan_restore(restore.request, facts);
    ASSERT_TRUE(plan.ok());
    EXPECT_THAT(plan.value().steps,
                ElementsAre("write config to " + temp.at("files/config") + ", 2.0 KiB",
                            "write logs to " + temp.at("files/logs")));
    EXPECT_THAT(plan.value().replaces,
                ElementsAre(temp.at("files/config") + " (kept beside it as config.before-TIME)"));
    EXPECT_THAT(names_in(temp.at("files")), ElementsAre("config"));
}

TEST(FilesetRestore, SaysBeforehandThatThereIsNoRoom) {
    const TempFolder temp;
    Restore restore(temp);
    const auto facts = Json::parse(R"({"logs":{"bytes":9000000000000000000}})");
    const auto plan = plan_restore(restore.request, facts);
    ASSERT_FALSE(plan.ok());
    EXPECT_EQ(plan.error().code, Code::space);
    EXPECT_FALSE(exists(temp.at("files")));
}

TEST(FilesetRestore, StopsWhenAsked) {
    const TempFolder temp;
    Restore restore(temp);
    ASSERT_TRUE(restore.add_file("config/a", "a").ok());
    restore.run.stop.request();
    EXPECT_EQ(restore.add_file("config/b", "b").error().code, Code::interrupted);
    EXPECT_EQ(restore.session->publish().error().code, Code::interrupted);
    restore.session.reset();
    EXPECT_FALSE(exists(temp.at("files")));
}

// Collects a tar stream and, once asked, reads it into a restore.
class TarText final : public ByteSink {
  public:
    Status write(Bytes bytes) override {
        text += as_text(bytes);
        return {};
    }
    Status finish() override { return {}; }
    std::string text;
};

TEST(FilesetRestore, BringsBackThroughTarWhatWasBackedUp) {
    const TempFolder temp;
    const std::string folder = "app/" + std::string(100, 'd') + "/" + std::string(200, 'e');
    const std::vector<std::string> names = {"app/new\nline", "app/bytes \xff\xfe", "app/ü",
                                            folder + "/long", "app/trailing space "};
    for (const auto& name : names) temp.file(name, "content of " + name);
    temp.file("app/empty", "");
    temp.folder("app/empty folder");
    temp.link("app/link", "new\nline \xff");
    ASSERT_EQ(::link(temp.at("app/empty").c_str(), temp.at("app/second").c_str()), 0);

    const auto settings = settings_with({{"CONFIG_PATHS", temp.at("app")}});
    const auto engine = kFilesetEngine.open(settings);
    QuietRun run;
    auto session = engine->open_session(run.context());
    ASSERT_TRUE(session.ok());
    TarText tar;
    TarWriter writer(tar);
    ASSERT_TRUE(session.value()->write_entries(writer).ok());
    ASSERT_TRUE(writer.finish().ok());

    Restore restore(temp);
    auto opened =
        engine->open_restore(restore.request, session.value()->facts().engine, run.context());
    ASSERT_TRUE(opened.ok());
    TarParser parser(*opened.value());
    ASSERT_TRUE(parser.feed(as_bytes(tar.text)).ok());
    ASSERT_TRUE(parser.finish().ok());
    ASSERT_TRUE(opened.value()->publish().ok());

    const auto back = restore.at("config") + temp.path() + "/";
    for (const auto& name : names) {
        EXPECT_EQ(text_of(back + name), "content of " + name);
        const auto before = stat_of(temp.at(name)), after = stat_of(back + name);
        EXPECT_EQ(before.st_mtim.tv_nsec, after.st_mtim.tv_nsec);
        EXPECT_EQ(before.st_mode, after.st_mode);
    }
    EXPECT_EQ(std::filesystem::read_symlink(back + "app/link").string(), "new\nline \xff");
    EXPECT_TRUE(std::filesystem::is_empty(back + "app/empty folder"));
    EXPECT_EQ(stat_of(back + "app/empty").st_ino, stat_of(back + "app/second").st_ino);
    EXPECT_EQ(names_in(back + "app"), names_in(temp.at("app")));
}

}  // namespace
}  // namespace asb::fileset
