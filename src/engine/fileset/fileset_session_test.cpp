#include "engine/fileset/fileset_session.hpp"

#include <gmock/gmock.h>

#include <algorithm>

#include "engine/fileset/test_support.hpp"

namespace asb::fileset {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

// A backup of the given settings into memory.
struct Backup {
    explicit Backup(const std::map<std::string, std::string>& values, const ReadHook& hook = {})
        : settings(settings_with(values)), engine(open_engine(settings, hook)) {
        auto opened = engine->open_session(run.context());
        EXPECT_TRUE(opened.ok()) << (opened.ok() ? "" : to_text(opened.error()));
        session = std::move(opened).value();
        status = session->write_entries(sink);
    }
    [[nodiscard]] const std::vector<std::string>& incomplete() const {
        return session->facts().incomplete;
    }
    [[nodiscard]] const std::vector<std::string>& warnings() const {
        return session->facts().warnings;
    }
    KeptEntry& config(const std::string& path) { return sink.entries[stored_as("config", path)]; }
    KeptEntry& log(const std::string& path) { return sink.entries[stored_as("logs", path)]; }

    Settings settings;
    std::unique_ptr<Engine> engine;
    QuietRun run;
    KeepingSink sink;
    std::unique_ptr<BackupSession> session;
    Status status;
};

void append(const std::string& path, const std::string& text) {
    auto fd = open_file(path, O_WRONLY | O_APPEND);
    ASSERT_TRUE(fd.ok() && write_all(fd.value().get(), as_bytes(text), path).ok());
}

std::string big_text() {
    return std::string(kWholeReadBytesMax + 100'000, 'x');
}

TEST(FilesetSession, StoresContentOwnerModeAndTimeToTheNanosecond) {
    const TempFolder temp;
    const auto path = temp.file("app.conf", "port=1\n");
    ASSERT_EQ(chmod(path.c_str(), 0640), 0);
    const std::array<timespec, 2> times = {{{1700000000, 0}, {1700000001, 123456789}}};
    ASSERT_EQ(utimensat(AT_FDCWD, path.c_str(), times.data(), 0), 0);
    Backup backup({{"CONFIG_PATHS", path}});
    ASSERT_TRUE(backup.status.ok());
    const auto& [header, data] = backup.config(path);
    EXPECT_EQ(data, "port=1\n");
    EXPECT_EQ(header.type, EntryType::file);
    EXPECT_EQ(header.mode, 0640U);
    EXPECT_EQ(header.mtime_seconds, 1700000001);
    EXPECT_EQ(header.mtime_nanoseconds, 123456789U);
    EXPECT_EQ(header.uid, geteuid());
    EXPECT_EQ(header.user_name, Owners().user_name(geteuid()));
    EXPECT_EQ(header.group_name, Owners().group_name(stat_of(path).st_gid));
    EXPECT_EQ(backup.session->facts().engine, Json::parse(R"({"config":{"entries":1,"bytes":7},
                              "certificates":{"entries":0,"bytes":0},
                              "logs":{"entries":0,"bytes":0}})"));
}

TEST(FilesetSession, TellsBeforehandWhatItWillDo) {
    const TempFolder temp;
    temp.file("app/a.conf", std::string(2048, 'a'));
    ASSERT_EQ(::link(temp.at("app/a.conf").c_str(), temp.at("app/b.conf").c_str()), 0);
    temp.file("log/x.log", "12345");
    Backup backup(
        {{"CONFIG_PATHS", temp.at("app") + ":" + temp.at("none")}, {"LOG_PATHS", temp.at("log")}});
    EXPECT_EQ(backup.session->expected_bytes(), 2048U + 5U);
    EXPECT_EQ(backup.run.progress.snapshot().bytes, 2048U + 5U);
    EXPECT_THAT(backup.session->plan(),
                ElementsAre("CONFIG_PATHS " + temp.at("app") + ": 2 files, 4.0 KiB",
                            "CONFIG_PATHS " + temp.at("none") + ": 0 files, 0 B",
                            "LOG_PATHS " + temp.at("log") + ": 1 file, 5 B"));
    EXPECT_THAT(backup.warnings(),
                ElementsAre("CONFIG_PATHS: " + temp.at("none") + " does not exist"));
}

TEST(FilesetSession, StoresTheSecondNameOfAFileAsAHardLinkWithinItsArea) {
    const TempFolder temp;
    temp.file("app/a.conf", "same");
    ASSERT_EQ(::link(temp.at("app/a.conf").c_str(), temp.at("app/b.conf").c_str()), 0);
    Backup backup({{"CONFIG_PATHS", temp.at("app")}, {"LOG_PATHS", temp.at("app/b.conf")}});
    ASSERT_TRUE(backup.status.ok());
    EXPECT_EQ(backup.config(temp.at("app/a.conf")).data, "same");
    const auto& second = backup.config(temp.at("app/b.conf"));
    EXPECT_EQ(second.header.type, EntryType::hard_link);
    EXPECT_EQ(second.header.link_target, stored_as("config", temp.at("app/a.conf")));
    EXPECT_EQ(second.data, "");
    EXPECT_EQ(backup.log(temp.at("app/b.conf")).data, "same");
}

TEST(FilesetSession, ReadsAgainAFileThatChangedOnce) {
    const TempFolder temp;
    const auto path = temp.file("app.conf", "before");
    int reads = 0;
    Backup backup({{"CONFIG_PATHS", path}}, [&](ReadStep step, const std::string&) {
        if (step == ReadStep::measured && ++reads == 1) append(path, " and after");
    });
    EXPECT_EQ(reads, 2);
    EXPECT_EQ(backup.config(path).data, "before and after");
    EXPECT_THAT(backup.incomplete(), IsEmpty());
}

TEST(FilesetSession, NamesAFileThatNeverHoldsStill) {
    const TempFolder temp;
    const auto path = temp.file("app.conf", "0");
    int reads = 0;
    Backup backup({{"CONFIG_PATHS", path}}, [&](ReadStep step, const std::string&) {
        if (step == ReadStep::measured) append(path, std::to_string(++reads));
    });
    EXPECT_EQ(reads, kReadsMax);
    EXPECT_EQ(backup.config(path).data, "012");
    EXPECT_THAT(backup.incomplete(),
                ElementsAre(stored_as("config", path) + " changed while it was being read"));
}

TEST(FilesetSession, StoresAShrinkingFileAtTheSizeItWasRead) {
    const TempFolder temp;
    const auto path = temp.file("app.conf", "0123456789");
    off_t size = 10;
    Backup backup({{"CONFIG_PATHS", path}}, [&](ReadStep step, const std::string&) {
        if (step == ReadStep::measured) {
            ASSERT_EQ(truncate(path.c_str(), --size), 0);
        }
    });
    EXPECT_EQ(backup.config(path).data, "0123456");
    EXPECT_THAT(backup.incomplete(), ElementsAre(HasSubstr("changed while it was being read")));
}

TEST(FilesetSession, TakesAGrowingLogAsItWasWhenItWasOpened) {
    const TempFolder temp;
    const auto path = temp.file("app.log", "line 1\n");
    Backup backup({{"LOG_PATHS", path}}, [&](ReadStep step, const std::string&) {
        if (step == ReadStep::measured) append(path, "line 2\n");
    });
    EXPECT_EQ(backup.log(path).data, "line 1\n");
    EXPECT_THAT(backup.incomplete(), IsEmpty());
    EXPECT_THAT(backup.warnings(), IsEmpty());
}

TEST(FilesetSession, StreamsAFileThatGrowsPastTheMemoryBound) {
    const TempFolder temp;
    const auto path = temp.file("app.conf", "small");
    int reads = 0;
    Backup backup({{"CONFIG_PATHS", path}}, [&](ReadStep step, const std::string&) {
        if (step == ReadStep::measured && ++reads == 1) append(path, big_text());
    });
    EXPECT_EQ(backup.config(path).data, "small" + big_text());
    EXPECT_THAT(backup.incomplete(), IsEmpty());
}

TEST(FilesetSession, CutsABigGrowingFileAtTheSizeItsHeaderNames) {
    const TempFolder temp;
    const auto conf = temp.file("big.conf", big_text());
    const auto log = temp.file("big.log", big_text());
    Backup backup({{"CONFIG_PATHS", conf}, {"LOG_PATHS", log}},
                  [&](ReadStep step, const std::string& path) {
                      if (step == ReadStep::measured) append(path, "more");
                  });
    EXPECT_EQ(backup.config(conf).data, big_text());
    EXPECT_EQ(backup.log(log).data, big_text());
    EXPECT_THAT(backup.incomplete(),
                ElementsAre(fmt::format("{} grew from {} to {} bytes while it was being read; the "
                                        "first {} are stored",
                                        stored_as("config", conf), big_text().size(),
                                        big_text().size() + 4, big_text().size())));
}

TEST(FilesetSession, FillsABigShrinkingFileWithZeros) {
    const TempFolder temp;
    const auto path = temp.file("big.log", big_text());
    Backup backup({{"LOG_PATHS", path}}, [&](ReadStep step, const std::string&) {
        if (step == ReadStep::block_stored) {
            ASSERT_EQ(truncate(path.c_str(), kWholeReadBytesMax), 0);
        }
    });
    EXPECT_EQ(backup.log(path).data,
              std::string(kWholeReadBytesMax, 'x') + std::string(100'000, '\0'));
    EXPECT_THAT(backup.incomplete(), ElementsAre(HasSubstr("; the rest is stored as zeros")));
}

TEST(FilesetSession, NamesABigFileRewrittenWhileItWasRead) {
    const TempFolder temp;
    const auto path = temp.file("big.conf", big_text());
    Backup backup({{"CONFIG_PATHS", path}}, [&](ReadStep step, const std::string&) {
        if (step != ReadStep::block_stored) return;
        auto fd = open_file(path, O_WRONLY);
        ASSERT_TRUE(pwrite_all(fd.value().get(), as_bytes("y"), 0, path).ok());
    });
    EXPECT_THAT(backup.incomplete(), ElementsAre(HasSubstr("changed while it was being read")));
}

TEST(FilesetSession, GoesOnWithoutAFileThatVanished) {
    const TempFolder temp;
    const auto conf = temp.file("a.conf", "a");
    const auto log = temp.file("a.log", "a");
    const auto kept = temp.file("b.conf", "b");
    Backup backup({{"CONFIG_PATHS", conf + ":" + kept}, {"LOG_PATHS", log}},
                  [&](ReadStep step, const std::string& path) {
                      if (step == ReadStep::listed && path != kept) unlink(path.c_str());
                  });
    ASSERT_TRUE(backup.status.ok());
    EXPECT_THAT(backup.incomplete(),
                ElementsAre(stored_as("config", conf) + " vanished before it was read"));
    EXPECT_THAT(backup.warnings(),
                ElementsAre(stored_as("logs", log) + " vanished before it was read"));
    EXPECT_THAT(backup.sink.order, ElementsAre(stored_as("config", kept)));
}

TEST(FilesetSession, ReadsThroughToTheEndOfAFileUnlinkedMeanwhile) {
    const TempFolder temp;
    const auto path = temp.file("big.log", big_text());
    Backup backup({{"LOG_PATHS", path}}, [&](ReadStep step, const std::string&) {
        if (step == ReadStep::measured) unlink(path.c_str());
    });
    EXPECT_EQ(backup.log(path).data, big_text());
}

TEST(FilesetSession, IsNotLedAwayByALinkOrPipePutInAFilesPlace) {
    const TempFolder temp;
    temp.file("secret", "secret");
    const auto link = temp.file("a.conf", "a");
    const auto pipe = temp.file("b.conf", "b");
    const auto inside = temp.file("sub/c.conf", "c");
    temp.file("other/c.conf", "secret");
    Backup backup({{"CONFIG_PATHS", link + ":" + pipe + ":" + inside}},
                  [&](ReadStep step, const std::string& path) {
                      if (step != ReadStep::listed) return;
                      unlink(path.c_str());
                      if (path == link) temp.link("a.conf", "secret");
                      if (path == pipe) {
                          ASSERT_EQ(mkfifo(pipe.c_str(), 0600), 0);
                      }
                      if (path == inside) {
                          ASSERT_EQ(rmdir(temp.at("sub").c_str()), 0);
                          temp.link("sub", "other");
                      }
                  });
    ASSERT_TRUE(backup.status.ok());
    EXPECT_THAT(backup.sink.order, IsEmpty());
    EXPECT_THAT(backup.incomplete(),
                testing::Each(HasSubstr(" was replaced by something that is not a file")));
    EXPECT_EQ(backup.incomplete().size(), 3U);
}

TEST(FilesetSession, FailsWhenAFileBecameUnreadable) {
    const TempFolder temp;
    const auto path = temp.file("a.conf", "a");
    if (geteuid() == 0) {
        ASSERT_EQ(chown(path.c_str(), AsNobody::kNobody, 0), 0);
    }
    const AsNobody nobody;
    Backup backup({{"CONFIG_PATHS", path}}, [&](ReadStep step, const std::string&) {
        if (step == ReadStep::listed) {
            ASSERT_EQ(chmod(path.c_str(), 0000), 0);
        }
    });
    ASSERT_FALSE(backup.status.ok());
    EXPECT_EQ(backup.status.error().code, Code::failed);
    EXPECT_EQ(backup.status.error().fact, "cannot read " + path + ": Permission denied");
    EXPECT_THAT(backup.status.error().hint, HasSubstr("setfacl -m u:"));
}

TEST(FilesetSession, StopsWhenAskedBetweenBlocks) {
    const TempFolder temp;
    const auto path = temp.file("big.conf", big_text());
    const StopToken* stop = nullptr;
    auto settings = settings_with({{"CONFIG_PATHS", path}});
    QuietRun run;
    stop = &run.stop;
    const auto engine = open_engine(settings, [&](ReadStep step, const std::string&) {
        if (step == ReadStep::block_stored) stop->request();
    });
    auto session = engine->open_session(run.context());
    ASSERT_TRUE(session.ok());
    KeepingSink sink;
    const auto status = session.value()->write_entries(sink);
    ASSERT_FALSE(status.ok());
    EXPECT_EQ(status.error().code, Code::interrupted);
    EXPECT_EQ(sink.entries[stored_as("config", path)].data.size(), kWholeReadBytesMax);
}

TEST(FilesetEngine, RefusesToStartWhenSomethingIsUnreadable) {
    const TempFolder temp;
    ASSERT_EQ(chmod(temp.file("a.conf", "a").c_str(), 0000), 0);
    ASSERT_EQ(chmod(temp.file("b.conf", "b").c_str(), 0000), 0);
    const auto settings =
        settings_with({{"CONFIG_PATHS", temp.at("a.conf") + ":" + temp.at("b.conf")}});
    const auto engine = kFilesetEngine.open(settings);
    const AsNobody nobody;
    QuietRun run;
    const auto session = engine->open_session(run.context());
    ASSERT_FALSE(session.ok());
    EXPECT_EQ(session.error().fact, "cannot read " + temp.at("a.conf") +
                                        ": Permission denied (and 1 more; `check` names them)");
    const auto lines = engine->check(StopToken());
    ASSERT_EQ(lines.size(), 2U);
    EXPECT_EQ(lines[1].verdict, CheckLine::Verdict::fail);
    EXPECT_EQ(lines[1].code, Code::failed);
    EXPECT_EQ(lines[1].detail, "cannot read " + temp.at("b.conf") + ": Permission denied");
    EXPECT_THAT(lines[1].fix, HasSubstr("chgrp"));
}

TEST(FilesetEngine, ChecksEachSettingOnALineOfItsOwn) {
    const TempFolder temp;
    temp.file("app/a.conf", "12345");
    // NOLINTNEXTLINE(concurrency-mt-unsafe): tests have one thread
    setenv("ASB_FILESET_TEST_A", "1", 1);
    const auto settings = settings_with({{"CONFIG_PATHS", temp.at("app")},
                                         {"LOG_PATHS", temp.at("log")},
                                         {"ENVIRONMENT_NAMES", "ASB_FILESET_TEST_*"}});
    const auto lines = kFilesetEngine.open(settings)->check(StopToken());
    ASSERT_EQ(lines.size(), 3U);
    EXPECT_EQ(lines[0].subject + ": " + lines[0].detail, "CONFIG_PATHS: 1 file, 5 B");
    EXPECT_EQ(lines[0].verdict, CheckLine::Verdict::ok);
    EXPECT_EQ(lines[1].detail, "LOG_PATHS: " + temp.at("log") + " does not exist");
    EXPECT_EQ(lines[1].verdict, CheckLine::Verdict::warn);
    EXPECT_EQ(lines[2].subject + ": " + lines[2].detail, "ENVIRONMENT_NAMES: 1 settings");
}

TEST(FilesetEngine, RecordsNamedEnvironmentSettings) {
    // NOLINTNEXTLINE(concurrency-mt-unsafe): tests have one thread
    setenv("ASB_FILESET_TEST_B", "it's $5", 1);
    const std::string name = "ASB_FILESET_TEST_B";
    Backup backup({{"ENVIRONMENT_NAMES", name}});
    const auto& [header, data] = backup.sink.entries["config/environment"];
    EXPECT_EQ(data, "ASB_FILESET_TEST_B=\"it's \\$5\"\n");
    EXPECT_EQ(header.mode, 0600U);
    EXPECT_EQ(backup.session->expected_bytes(), data.size());
    EXPECT_THAT(backup.session->plan(), ElementsAre("ENVIRONMENT_NAMES: 1 settings, 30 B"));
}

TEST(FilesetEngine, RefusesEnvironmentSettingsWithoutEncryption) {
    const auto settings =
        settings_with({{"ENVIRONMENT_NAMES", "HOME"}, {"ENCRYPTION_ENABLED", "false"}});
    const auto engine = kFilesetEngine.open(settings);
    QuietRun run;
    const auto session = engine->open_session(run.context());
    ASSERT_FALSE(session.ok());
    EXPECT_EQ(session.error().code, Code::usage);
    EXPECT_THAT(session.error().fact, HasSubstr("ENCRYPTION_ENABLED is false"));
    EXPECT_EQ(engine->check(StopToken()).at(0).code, Code::usage);
}

TEST(FilesetEngine, HasNothingToDoWithoutSettings) {
    Backup backup(std::map<std::string, std::string>{});
    ASSERT_TRUE(backup.status.ok());
    EXPECT_THAT(backup.sink.order, IsEmpty());
    EXPECT_EQ(backup.engine->check(StopToken()).at(0).detail, "none configured");
}

}  // namespace
}  // namespace asb::fileset
