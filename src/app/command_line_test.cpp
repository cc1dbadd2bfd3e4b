#include "app/command_line.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "app/drivers.hpp"
#include "app/option_table.hpp"

namespace asb {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

ParsedCommandLine parse(std::vector<const char*> words) {
    words.insert(words.begin(), "auth-service-backup");
    return parse_command_line(static_cast<int>(words.size()), words.data(),
                              all_options(all_drivers()));
}

Invocation good(std::vector<const char*> words) {
    auto parsed = parse(std::move(words));
    EXPECT_TRUE(parsed.invocation.has_value()) << parsed.text;
    return parsed.invocation.value_or(Invocation{});
}

void expect_usage(std::vector<const char*> words, const std::string& text) {
    const auto parsed = parse(std::move(words));
    EXPECT_FALSE(parsed.invocation.has_value()) << text;
    EXPECT_EQ(parsed.exit_status, 2);
    EXPECT_THAT(parsed.text, HasSubstr(text));
}

TEST(CommandLine, ABackupsTypeIsAWordOrAnOption) {
    EXPECT_EQ(good({"backup"}).backup.type, BackupType::full);
    EXPECT_EQ(good({"backup", "config"}).backup.type, BackupType::config);
    EXPECT_EQ(good({"backup", "--type", "config", "--dry-run"}).backup.type, BackupType::config);
    expect_usage({"backup", "full", "--type", "config"}, "two types");
    const auto incremental = good({"backup", "--type", "incremental", "--no-promote"}).backup;
    EXPECT_EQ(incremental.type, BackupType::incremental);
    EXPECT_TRUE(incremental.no_promote);
    expect_usage({"backup", "--no-promote"}, "--no-promote goes with --type incremental");
    expect_usage({"backup", "--type", "weekly"}, "no backup type 'weekly' in this version\nhint: ");
}

TEST(CommandLine, ATargetStandsForABackup) {
    EXPECT_EQ(good({"restore", "--target-time", "latest"}).restore.target.time, "latest");
    const auto both = good({"restore", "-f", "x", "--target-position", "0/28"}).restore;
    EXPECT_EQ(both.backup, "x");
    EXPECT_EQ(both.target.position, "0/28");
    EXPECT_EQ(good({"explain", "--target-name", "before"}).explain.name, "before");
    expect_usage({"explain"}, "explain needs to know where to");
    EXPECT_TRUE(good({"verify", "--chain", "latest"}).verify_chain);
}

TEST(CommandLine, FetchWalIsToldAFileOrWhatElseToDo) {
    const auto fetch = good({"fetch-wal", "--source", "s", "000000010000000000000001", "to"}).fetch;
    EXPECT_EQ(fetch.name, "000000010000000000000001");
    EXPECT_EQ(fetch.path, "to");
    EXPECT_TRUE(good({"fetch-wal", "--source", "s", "--end"}).fetch.end);
    expect_usage({"fetch-wal", "--source", "s", "name"}, "fetch-wal needs NAME and PATH");
    expect_usage({"fetch-wal", "--source", "s", "--end", "name", "path"}, "fetch-wal needs");
}

TEST(CommandLine, RestoreSpeaksTheProductsPage) {
    EXPECT_EQ(good({"restore", "--list"}).verb, Verb::list);
    const auto verify = good({"restore", "--verify", "/x/b.tar.gz.enc"});
    EXPECT_EQ(verify.verb, Verb::verify);
    EXPECT_EQ(verify.verify_reference, "/x/b.tar.gz.enc");
    const auto restore = good({"restore", "--backup-file", "latest", "--force", "--dry-run"});
    EXPECT_EQ(restore.verb, Verb::restore);
    EXPECT_TRUE(restore.restore.request.force && restore.restore.dry_run);
    EXPECT_THAT(restore.restore.request.components, ElementsAre("database"));
}

TEST(CommandLine, RestoreIsToldOneThing) {
    expect_usage({"restore"}, "exactly one of");
    expect_usage({"restore", "--list", "--verify", "x"}, "exactly one of");
    expect_usage({"restore", "--backup-file", "x", "--drop-old"}, "--drop-old goes with --force");
    expect_usage({"restore", "--backup-file", "x", "--all-databases", "--target-dir", "/d"},
                 "leave out --all-databases");
    expect_usage({"restore", "--backup-file", "x", "--tablespace", "16384"}, "is not OID=NEWPATH");
}

TEST(CommandLine, OnlyTakesWordsAndLeavesTheComponentsToThem) {
    const auto invocation =
        good({"restore", "-f", "x", "--only", "auth.users, /etc/a", "--only", "config/b"});
    EXPECT_THAT(invocation.restore.request.only, ElementsAre("auth.users", "/etc/a", "config/b"));
    EXPECT_FALSE(invocation.restore.components_named);
    EXPECT_TRUE(good({"restore", "-f", "x", "--only", "a", "--components", "database"})
                    .restore.components_named);
    expect_usage({"restore", "-f", "x", "--only", ","}, "--only names nothing");
}

TEST(CommandLine, AListOfContentsBelongsToAList) {
    EXPECT_EQ(good({"list", "--contents", "latest"}).contents_reference, "latest");
    const auto restore = good({"restore", "--list", "--contents", "latest"});
    EXPECT_EQ(restore.verb, Verb::list);
    EXPECT_EQ(restore.contents_reference, "latest");
    expect_usage({"restore", "-f", "x", "--contents", "x"}, "--contents goes with --list");
}

TEST(CommandLine, StagingPreparesAndResumePublishes) {
    const auto prepare = good({"restore", "-f", "x", "--staging", "/s"});
    EXPECT_EQ(prepare.restore.staging, "/s");
    EXPECT_FALSE(prepare.restore.resume);
    EXPECT_EQ(prepare.restore.request.staging_dir, "");
    for (const auto& words : std::vector<std::vector<const char*>>{
             {"restore", "--resume", "--staging", "/s"},
             {"restore", "--resume", "/s"},
             {"restore", "--staging", "/s", "--resume", "-f", "x"}}) {
        const auto resume = good(words);
        EXPECT_TRUE(resume.restore.resume);
        EXPECT_EQ(resume.restore.staging, "/s");
    }
    expect_usage({"restore", "--resume"}, "--resume needs the folder");
    expect_usage({"restore", "--resume", "/a", "--staging", "/b"}, "name two folders");
    expect_usage({"restore", "--resume", "/a", "--list"}, "exactly one of");
    expect_usage({"restore", "-f", "x", "--unauthenticated", "--staging", "/s"},
                 "leave out --staging");
}

TEST(CommandLine, TakesSettingsButNoSecrets) {
    EXPECT_EQ(good({"list", "--set", "LOG_DIR=/l"}).settings.at("LOG_DIR"), "/l");
    EXPECT_EQ(good({"list", "--backup-dir", "/r"}).settings.at("BACKUP_DIR"), "/r");
    expect_usage({"list", "--set", "BACKUP_ENCRYPTION_KEY=x"}, "the command line is public");
    expect_usage({"list", "--set", "NOTHING=x"}, "is not NAME=VALUE of a setting");
}

TEST(CommandLine, ARepositoryIsForVerbsThatWorkWithOne) {
    for (const auto& words : std::vector<std::vector<const char*>>{{"list"},
                                                                   {"verify", "x"},
                                                                   {"restore", "-f", "x"},
                                                                   {"explain", "latest"},
                                                                   {"expire"}}) {
        auto chosen = words;
        chosen.insert(chosen.end(), {"--repository", "s3://b/p"});
        EXPECT_EQ(good(chosen).settings.at("REPOSITORY"), "s3://b/p");
    }
    for (const char* verb : {"backup", "stream", "sync", "check"})
        expect_usage({verb, "--set", "REPOSITORY=s3://b/p"}, "verbs that work with one repository");
}

TEST(CommandLine, UnknownWordsAreNamed) {
    expect_usage({"explode"}, "there is no verb 'explode'");
    expect_usage({"bakcup"}, "did you mean 'backup'?");
    expect_usage({"dr", "--test"}, "this version does not have 'dr' yet");
    expect_usage({"backup", "--tpye", "full"}, "--tpye");
    EXPECT_TRUE(parse({"list", "--json", "--nonsense"}).json);
}

TEST(CommandLine, EveryVerbHasHelpWithAnExample) {
    for (const char* verb : {"backup", "restore", "list", "verify", "explain", "stream", "sync",
                             "expire", "hold", "check", "config"}) {
        const auto parsed = parse({verb, "--help"});
        EXPECT_EQ(parsed.exit_status, 0);
        EXPECT_THAT(parsed.text, HasSubstr("Example:\n  auth-service-backup ")) << verb;
        EXPECT_THAT(parsed.text, HasSubstr("--json")) << verb;
    }
}

}  // namespace
}  // namespace asb
