#include "engine/fileset/file_walk.hpp"

#include <gmock/gmock.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "engine/fileset/test_support.hpp"

namespace asb::fileset {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

FileSet walk_config(const std::vector<std::string>& paths) {
    WalkRequest request;
    request.paths[kConfigArea] = paths;
    request.now = now();
    auto files = walk(request, StopToken());
    EXPECT_TRUE(files.ok());
    return files.ok() ? std::move(files).value() : FileSet();
}

std::vector<std::string> paths_of(const FileSet& files) {
    std::vector<std::string> paths;
    for (const auto& found : files.entries) paths.push_back(found.path);
    return paths;
}

std::vector<std::string> warnings_of(const FileSet& files) {
    std::vector<std::string> warnings;
    for (const auto& warning : files.warnings) warnings.push_back(warning.what);
    return warnings;
}

TEST(FileWalk, FindsFilesAndFoldersRecursivelyEmptyOnesToo) {
    const TempFolder temp;
    temp.file("app/b.conf", "bb");
    temp.file("app/sub/a.conf", "a");
    temp.folder("app/empty");
    const auto files = walk_config({temp.at("app")});
    EXPECT_THAT(paths_of(files),
                ElementsAre(temp.at("app"), temp.at("app/b.conf"), temp.at("app/empty"),
                            temp.at("app/sub"), temp.at("app/sub/a.conf")));
    EXPECT_EQ(files.entries[1].name, stored_as("config", temp.at("app/b.conf")));
    EXPECT_EQ(files.entries[2].type, EntryType::folder);
    ASSERT_EQ(files.paths.size(), 1U);
    EXPECT_EQ(files.paths[0].files, 2U);
    EXPECT_EQ(files.paths[0].bytes, 3U);
}

TEST(FileWalk, ExpandsGlobsInOrderAndPrefersAFileOfThatVeryName) {
    const TempFolder temp;
    temp.file("b.conf", "");
    temp.file("a.conf", "");
    temp.file("c.txt", "");
    temp.file("odd[1].txt", "");
    EXPECT_THAT(paths_of(walk_config({temp.at("*.conf")})),
                ElementsAre(temp.at("a.conf"), temp.at("b.conf")));
    EXPECT_THAT(paths_of(walk_config({temp.at("odd[1].txt")})), ElementsAre(temp.at("odd[1].txt")));
}

TEST(FileWalk, WarnsOfMissingPathsAndOfGlobsThatMatchNothing) {
    const TempFolder temp;
    const auto files = walk_config({temp.at("none"), temp.at("*.none"), temp.at("no/such/file")});
    EXPECT_THAT(warnings_of(files),
                ElementsAre("CONFIG_PATHS: " + temp.at("none") + " does not exist",
                            "CONFIG_PATHS: nothing matches " + temp.at("*.none"),
                            "CONFIG_PATHS: " + temp.at("no/such/file") + " does not exist"));
    EXPECT_THAT(files.entries, IsEmpty());
}

TEST(FileWalk, RefusesARelativePath) {
    WalkRequest request;
    request.paths[kLogArea] = {"var/log"};
    const auto files = walk(request, StopToken());
    ASSERT_FALSE(files.ok());
    EXPECT_EQ(files.error().code, Code::usage);
    EXPECT_EQ(files.error().fact, "LOG_PATHS holds 'var/log', which is not an absolute path");
}

TEST(FileWalk, FollowsAConfiguredSymbolicLinkAndKeepsTheLink) {
    const TempFolder temp;
    temp.file("archive/cert1.pem", "one");
    temp.folder("live");
    temp.link("live/newest.pem", "../archive/cert1.pem");
    temp.link("live/cert.pem", temp.at("live/newest.pem"));
    const auto files = walk_config({temp.at("live/cert.pem")});
    EXPECT_THAT(paths_of(files), ElementsAre(temp.at("archive/cert1.pem"), temp.at("live/cert.pem"),
                                             temp.at("live/newest.pem")));
    EXPECT_EQ(files.entries[0].type, EntryType::file);
    EXPECT_EQ(files.entries[1].link_target, temp.at("live/newest.pem"));
    EXPECT_EQ(files.entries[2].link_target, "../archive/cert1.pem");
}

TEST(FileWalk, DoesNotFollowSymbolicLinksInsideAFolder) {
    const TempFolder temp;
    temp.file("secret/key", "k");
    temp.folder("app");
    temp.link("app/out", "../secret");
    temp.link("app/loop", ".");
    const auto files = walk_config({temp.at("app")});
    EXPECT_THAT(paths_of(files),
                ElementsAre(temp.at("app"), temp.at("app/loop"), temp.at("app/out")));
}

TEST(FileWalk, StoresUnderTheRealPathWhenAFolderAboveIsALink) {
    const TempFolder temp;
    temp.file("real/app.conf", "x");
    temp.link("alias", "real");
    EXPECT_THAT(paths_of(walk_config({temp.at("alias/app.conf"), temp.at("real")})),
                ElementsAre(temp.at("real"), temp.at("real/app.conf")));
    EXPECT_THAT(paths_of(walk_config({temp.at("alias/../real//app.conf")})),
                ElementsAre(temp.at("real/app.conf")));
}

TEST(FileWalk, EndsAtACircleOfLinks) {
    const TempFolder temp;
    temp.link("a", "b");
    temp.link("b", "a");
    const auto files = walk_config({temp.at("a")});
    EXPECT_THAT(paths_of(files), ElementsAre(temp.at("a"), temp.at("b")));
    EXPECT_THAT(warnings_of(files),
                ElementsAre(HasSubstr("leads through too many symbolic links")));
}

TEST(FileWalk, LeavesOutSocketsAndPipesWithAWarning) {
    const TempFolder temp;
    temp.folder("run");
    ASSERT_EQ(mkfifo(temp.at("run/pipe").c_str(), 0600), 0);
    const UniqueFd listener(socket(AF_UNIX, SOCK_STREAM, 0));
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    temp.at("run/sock").copy(address.sun_path, sizeof(address.sun_path) - 1);
    ASSERT_EQ(bind(listener.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
    const auto files = walk_config({temp.at("run")});
    EXPECT_THAT(paths_of(files), ElementsAre(temp.at("run")));
    EXPECT_THAT(warnings_of(files),
                testing::UnorderedElementsAre(
                    "CONFIG_PATHS: left out " + temp.at("run/pipe") + ", which is a named pipe",
                    "CONFIG_PATHS: left out " + temp.at("run/sock") + ", which is a socket"));
}

TEST(FileWalk, NeverEntersTheKernelsFileSystems) {
    const auto files = walk_config({"/proc", "/proc/version"});
    EXPECT_THAT(files.entries, IsEmpty());
    EXPECT_THAT(warnings_of(files),
                ElementsAre("CONFIG_PATHS: left out /proc, which belongs to the kernel",
                            "CONFIG_PATHS: left out /proc/version, which belongs to the kernel"));
}

TEST(FileWalk, LeavesOutLogsThatAreTooOld) {
    const TempFolder temp;
    WalkRequest request;
    request.now = now();
    const auto seconds =
        std::chrono::floor<std::chrono::seconds>(request.now).time_since_epoch().count();
    constexpr std::int64_t kDay = 86400;
    for (const auto& [name, age] : std::map<std::string, std::int64_t>{
             {"fresh.log", 0}, {"week.log", 7 * kDay - 5}, {"old.log", 7 * kDay + 5}}) {
        temp.file("log/" + name, "x");
        const std::array<timespec, 2> times = {{{seconds - age, 0}, {seconds - age, 0}}};
        ASSERT_EQ(utimensat(AT_FDCWD, temp.at("log/" + name).c_str(), times.data(), 0), 0);
    }
    request.paths[kLogArea] = {temp.at("log")};
    const auto recent = walk(request, StopToken());
    ASSERT_TRUE(recent.ok());
    EXPECT_THAT(paths_of(recent.value()),
                ElementsAre(temp.at("log"), temp.at("log/fresh.log"), temp.at("log/week.log")));
    request.log_days_max = 0;
    const auto all = walk(request, StopToken());
    ASSERT_TRUE(all.ok());
    EXPECT_EQ(all.value().entries.size(), 4U);
}

TEST(FileWalk, NamesWhatItMayNotReadWithWhoWeAreAndWhatHelps) {
    const TempFolder temp;
    ASSERT_EQ(chmod(temp.file("app/key.pem", "k").c_str(), 0000), 0);
    ASSERT_EQ(chmod(temp.folder("app/private").c_str(), 0000), 0);
    const auto files = [&] {
        const AsNobody nobody;
        return walk_config({temp.at("app"), temp.at("app/private/*.conf")});
    }();
    ASSERT_EQ(chmod(temp.at("app/private").c_str(), 0700), 0);
    std::vector<std::string> facts;
    for (const auto& unreadable : files.unreadable) {
        EXPECT_EQ(unreadable.what.code, Code::failed);
        facts.push_back(unreadable.what.fact);
    }
    EXPECT_THAT(facts, testing::UnorderedElementsAre(
                           "cannot read " + temp.at("app/key.pem") + ": Permission denied",
                           "cannot read " + temp.at("app/private") + ": Permission denied",
                           "cannot read " + temp.at("app/private") + ": Permission denied"));
    const auto error = unreadable_error(temp.at("app/key.pem"), EACCES, false);
    EXPECT_THAT(error.hint, HasSubstr("(uid " + std::to_string(geteuid()) + ")"));
    EXPECT_THAT(error.hint, HasSubstr(":r " + temp.at("app/key.pem") + "`"));
    EXPECT_THAT(error.hint, HasSubstr("chgrp "));
}

TEST(FileWalk, StopsWhenAsked) {
    const TempFolder temp;
    WalkRequest request;
    request.paths[kConfigArea] = {temp.path()};
    const StopToken stop;
    stop.request();
    const auto files = walk(request, stop);
    ASSERT_FALSE(files.ok());
    EXPECT_EQ(files.error().code, Code::interrupted);
}

}  // namespace
}  // namespace asb::fileset
