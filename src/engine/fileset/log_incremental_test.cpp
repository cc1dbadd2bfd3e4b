// What an incremental backup stores of logs, and that it comes back as a full one would bring it.

#include <gmock/gmock.h>

#include <random>
#include <string>
#include <utility>
#include <vector>

#include "engine/fileset/log_chain_support.hpp"
#include "engine/fileset/log_mark.hpp"

namespace asb::fileset {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::UnorderedElementsAre;

TEST(IncrementalLogs, StoresOnlyWhatWasAppended) {
    const TempFolder temp;
    Chain chain(temp);
    const auto path = chain.write("app.log", "one\n");
    chain.full();
    append(path, "two\n");
    chain.incremental();
    EXPECT_THAT(chain.stored(), ElementsAre("app.log+4: two\n"));
    EXPECT_EQ(chain.expected, 4U);
    EXPECT_EQ(chain.facts.engine["logs"]["bytes"], 4U);
    EXPECT_EQ(chain.facts.engine["logs"]["whole_bytes"], 8U);
    append(path, "three\n");
    chain.incremental();
    EXPECT_THAT(chain.stored(), ElementsAre("app.log+8: three\n"));
    chain.expect_same();
}

TEST(IncrementalLogs, StoresNothingOfALogThatRests) {
    const TempFolder temp;
    Chain chain(temp);
    chain.write("app.log", "one\n");
    chain.full();
    bool was_read = false;
    chain.hook = [&](ReadStep step, const std::string&) {
        was_read = was_read || step == ReadStep::measured;
    };
    chain.incremental();
    chain.incremental();
    EXPECT_FALSE(was_read);
    EXPECT_THAT(chain.stored(), IsEmpty());
    chain.expect_same();
}

TEST(IncrementalLogs, FollowsARotationByRename) {
    const TempFolder temp;
    Chain chain(temp);
    const auto path = chain.write("app.log", "one\n");
    chain.full();
    append(path, "two\n");
    rename_to(path, chain.log("app.log.1"));
    chain.write("app.log", "three\n");
    chain.incremental();
    EXPECT_THAT(chain.stored(), UnorderedElementsAre("app.log: three\n", "app.log.1+4: two\n"));
    chain.expect_same();
    rename_to(chain.log("app.log.1"), chain.log("app.log.2"));
    rename_to(path, chain.log("app.log.1"));
    chain.write("app.log", "four\n");
    chain.incremental();
    EXPECT_THAT(chain.stored(),
                UnorderedElementsAre("app.log: four\n", "app.log.1+6: ", "app.log.2+8: "));
    chain.expect_same();
}

TEST(IncrementalLogs, BeginsAnewAfterTheLogWasCopiedAndTruncated) {
    const TempFolder temp;
    Chain chain(temp);
    const auto path = chain.write("app.log", "one\n");
    chain.full();
    chain.write("app.log.1", "one\ntwo\n");
    chain.write("app.log", "3\n");
    chain.incremental();
    EXPECT_THAT(chain.stored(), UnorderedElementsAre("app.log: 3\n", "app.log.1: one\ntwo\n"));
    chain.expect_same();
    chain.write("app.log", "longer than it was before\n");
    chain.incremental();
    EXPECT_THAT(chain.stored(), ElementsAre("app.log: longer than it was before\n"));
    chain.expect_same();
}

TEST(IncrementalLogs, StoresALogOfTheSameSizeAgainWhenItWasRewritten) {
    const TempFolder temp;
    Chain chain(temp);
    // What differs is neither near the beginning nor near the end.
    const std::string text(3 * kMarkBytes, 'x');
    auto other = text;
    other[text.size() / 2] = 'y';
    chain.write("app.log", text);
    chain.full();
    chain.write("app.log", other);
    chain.incremental();
    EXPECT_THAT(chain.stored(), ElementsAre("app.log: " + other));
    chain.expect_same();
}

TEST(IncrementalLogs, TellsARewrittenLogByItsEndWhenItBeginsAlike) {
    const TempFolder temp;
    Chain chain(temp);
    const std::string banner(2 * kMarkBytes, '#');
    chain.write("app.log", banner + "one\n");
    chain.full();
    chain.write("app.log", banner + "two\nthree\n");
    chain.incremental();
    EXPECT_THAT(chain.stored(), ElementsAre("app.log: " + banner + "two\nthree\n"));
    chain.expect_same();
}

TEST(IncrementalLogs, IsNotMisledByAnInodeThatAnotherFileHasNow) {
    const TempFolder temp;
    Chain chain(temp);
    const auto path = chain.write("app.log", "one\n");
    chain.full();
    // The same inode, another content and name: what a file system does that reuses it.
    chain.write("app.log", "something else\n");
    rename_to(path, chain.log("other.log"));
    chain.incremental();
    EXPECT_THAT(chain.stored(), ElementsAre("other.log: something else\n"));
    chain.expect_same();
}

TEST(IncrementalLogs, LeavesOutALogThatIsGone) {
    const TempFolder temp;
    Chain chain(temp);
    chain.write("kept.log", "k\n");
    unlink(chain.write("gone.log", "g\n").c_str());
    const auto path = chain.write("gone.log", "g\n");
    chain.full();
    unlink(path.c_str());
    chain.incremental();
    EXPECT_THAT(chain.stored(), IsEmpty());
    chain.expect_same();
    unlink(chain.log("kept.log").c_str());
    chain.incremental();
    chain.expect_same();
}

TEST(IncrementalLogs, TakesAGrowingLogAsItWasWhenItWasOpened) {
    const TempFolder temp;
    Chain chain(temp);
    const auto path = chain.write("app.log", "one\n");
    chain.full();
    append(path, "two\n");
    chain.hook = [&](ReadStep step, const std::string&) {
        if (step == ReadStep::measured) append(path, "three\n");
    };
    chain.incremental();
    EXPECT_THAT(chain.stored(), ElementsAre("app.log+4: two\n"));
    EXPECT_THAT(chain.facts.incomplete, IsEmpty());
    chain.hook = {};
    chain.incremental();
    EXPECT_THAT(chain.stored(), ElementsAre("app.log+8: three\n"));
    chain.expect_same();
}

TEST(IncrementalLogs, BeginsAnewWhenTheLogIsTruncatedWhileItIsRead) {
    const TempFolder temp;
    Chain chain(temp);
    const auto path = chain.write("app.log", "one\n");
    chain.full();
    for (const std::string text : {"3\n", "longer than it was before\n"}) {
        bool is_first = true;
        chain.hook = [&](ReadStep step, const std::string&) {
            if (step == ReadStep::measured && std::exchange(is_first, false))
                chain.write("app.log", text);
        };
        append(path, "more\n");
        chain.incremental();
        EXPECT_THAT(chain.stored(), ElementsAre("app.log: " + text));
        chain.expect_same();
    }
}

TEST(IncrementalLogs, DoesNotGoOnFromALogThatWasNotStoredWhole) {
    const TempFolder temp;
    Chain chain(temp);
    const std::string big(kWholeReadBytesMax + 1000, 'x');
    const auto path = chain.write("app.log", big);
    chain.hook = [&](ReadStep step, const std::string&) {
        if (step == ReadStep::block_stored) {
            ASSERT_EQ(truncate(path.c_str(), kWholeReadBytesMax), 0);
        }
    };
    chain.full();
    EXPECT_THAT(chain.facts.incomplete, ElementsAre(HasSubstr("stored as zeros")));
    chain.hook = {};
    append(path, std::string(2000, 'y'));
    chain.incremental();
    ASSERT_EQ(chain.stored().size(), 1U);
    EXPECT_TRUE(chain.backups.back()->entries.count(stored_as("logs", path)));
    chain.expect_same();
}

TEST(IncrementalLogs, DoesNotGoOnFromALogThatWasRewrittenInItsMiddleWhileItWasRead) {
    const TempFolder temp;
    Chain chain(temp);
    const auto path = chain.write("app.log", std::string(kWholeReadBytesMax + 10'000, 'x'));
    chain.hook = [&](ReadStep step, const std::string&) {
        if (step != ReadStep::block_stored) return;
        const auto fd = open_file(path, O_WRONLY);
        ASSERT_TRUE(pwrite_all(fd.value().get(), as_bytes("y"), kMiB, path).ok());
    };
    chain.full();
    EXPECT_THAT(chain.facts.incomplete, ElementsAre(HasSubstr("changed while it was being read")));
    chain.hook = {};
    append(path, "more\n");
    chain.incremental();
    EXPECT_TRUE(chain.backups.back()->entries.count(stored_as("logs", path)));
    chain.expect_same();
}

TEST(IncrementalLogs, StreamsAPieceThatIsLargerThanTheMemoryBound) {
    const TempFolder temp;
    Chain chain(temp);
    const auto path = chain.write("app.log", "one\n");
    chain.full();
    append(path, std::string(kWholeReadBytesMax + 1000, 'x') + "end\n");
    chain.incremental();
    EXPECT_EQ(chain.facts.engine["logs"]["bytes"], kWholeReadBytesMax + 1004);
    append(path, "three\n");
    chain.incremental();
    EXPECT_THAT(chain.stored(),
                ElementsAre(fmt::format("app.log+{}: three\n", kWholeReadBytesMax + 1008)));
    chain.expect_same();
}

TEST(IncrementalLogs, KeepsLinksAsAFullBackupDoes) {
    const TempFolder temp;
    Chain chain(temp);
    const auto path = chain.write("app.log", "one\n");
    temp.link("log/current", "app.log");
    ASSERT_EQ(::link(path.c_str(), chain.log("second.log").c_str()), 0);
    chain.full();
    append(path, "two\n");
    chain.incremental();
    EXPECT_THAT(chain.stored(), ElementsAre("app.log+4: two\n"));
    chain.expect_same();
    const TempFolder other;
    Restore restored(other);
    chain.restore(restored);
    const auto place = restored.at("logs") + temp.at("log/");
    EXPECT_EQ(std::filesystem::read_symlink(place + "current").string(), "app.log");
    EXPECT_EQ(stat_of(place + "app.log").st_ino, stat_of(place + "second.log").st_ino);
    // The first name goes; the file stays.
    unlink(path.c_str());
    append(chain.log("second.log"), "three\n");
    chain.incremental();
    EXPECT_THAT(chain.stored(), ElementsAre("second.log+8: three\n"));
    chain.expect_same();
}

TEST(IncrementalLogs, BringsBackNewOwnersAndModesWithoutNewBytes) {
    const TempFolder temp;
    Chain chain(temp);
    const auto path = chain.write("app.log", "one\n");
    chain.full();
    ASSERT_EQ(chmod(path.c_str(), 0440), 0);
    chain.incremental();
    EXPECT_THAT(chain.stored(), ElementsAre("app.log+4: "));
    chain.expect_same();
}

TEST(IncrementalLogs, HandlesNamesThatAreNotText) {
    const TempFolder temp;
    Chain chain(temp);
    const auto path = chain.write("bytes \xff\n.log", "one\n");
    chain.full();
    append(path, "two\n");
    rename_to(path, chain.log("\xfe.1"));
    chain.incremental();
    EXPECT_THAT(chain.stored(), ElementsAre("\xfe.1+4: two\n"));
    chain.expect_same();
}

TEST(IncrementalLogs, IsNotConfusedByAFileWhoseNameLooksLikeAPiece) {
    const TempFolder temp;
    Chain chain(temp);
    const auto path = chain.write("app.log", "one\n");
    const auto odd = chain.write("00000000000000000004", "odd\n");
    chain.full();
    append(path, "two\n");
    append(odd, "more\n");
    chain.incremental();
    EXPECT_THAT(chain.stored(),
                UnorderedElementsAre("app.log+4: two\n", "00000000000000000004+4: more\n"));
    chain.expect_same();
}

TEST(IncrementalLogs, StoresLogsWholeWhenTheParentDoesNotSayHowFarItCame) {
    const TempFolder temp;
    Chain chain(temp);
    const auto path = chain.write("app.log", "one\n");
    chain.full();
    chain.backups.back()->entries.erase(std::string(kPositionsName));
    std::erase(chain.backups.back()->order, std::string(kPositionsName));
    append(path, "two\n");
    chain.incremental();
    EXPECT_THAT(chain.stored(), ElementsAre("app.log: one\ntwo\n"));
    chain.expect_same();
    chain.backups.back()->entries[std::string(kPositionsName)].data = "not what it should be";
    chain.incremental();
    EXPECT_THAT(chain.stored(), ElementsAre("app.log: one\ntwo\n"));
}

TEST(IncrementalLogs, TakesNoConfigurationAndNoCertificates) {
    const TempFolder temp;
    Chain chain(temp);
    const auto settings = settings_with({{"CONFIG_PATHS", temp.file("a.conf", "a")},
                                         {"CERTIFICATE_PATHS", temp.file("a.pem", "a")},
                                         {"LOG_PATHS", chain.write("app.log", "one\n")}});
    const auto engine = kFilesetEngine.open(settings);
    auto session = engine->open_incremental(chain.run.context());
    ASSERT_TRUE(session.ok());
    KeepingSink sink;
    ASSERT_TRUE(session.value()->write_entries(sink).ok());
    EXPECT_THAT(sink.order,
                ElementsAre(stored_as("logs", chain.log("app.log")), std::string(kPositionsName)));
}

// What may happen to a folder of logs between two backups, at random. No line is written twice.
class History {
  public:
    History(const Chain& chain, unsigned seed) : chain_(chain), random_(seed) {}

    void step() {
        const auto name = fmt::format("{}.log", pick(4));
        const auto path = chain_.log(name);
        const bool is_there = exists(path);
        switch (is_there ? pick(7) : 0) {
            case 0:
            case 1:
                if (!is_there) chain_.write(name, "");
                return append(path, line());
            case 2:
                return rename_to(path, path + ".1");
            case 3:  // copytruncate
                chain_.write(name + ".1", text_of(path));
                chain_.write(name, pick(2) == 0 ? "" : line());
                return;
            case 4:
                unlink(path.c_str());
                return;
            case 5:
                chain_.write(name, line() + line());
                return;
            default:
                unlink((path + ".2").c_str());
                ASSERT_EQ(::link(path.c_str(), (path + ".2").c_str()), 0);
        }
    }

    unsigned pick(unsigned count) { return static_cast<unsigned>(random_() % count); }

  private:
    std::string line() {
        const auto size = pick(3) == 0 ? 3 * kMarkBytes : pick(100);
        return fmt::format("{} {}\n", ++lines_, std::string(size, 'x'));
    }

    const Chain& chain_;
    std::mt19937 random_;
    unsigned lines_ = 0;
};

TEST(IncrementalLogs, GiveBackAfterAnyHistoryWhatAFullBackupWould) {
    constexpr unsigned kHistories = 5, kBackups = 6, kStepsMax = 8;
    for (unsigned seed = 1; seed <= kHistories; ++seed) {
        SCOPED_TRACE(seed);
        const TempFolder temp;
        Chain chain(temp);
        History history(chain, seed);
        for (unsigned backup = 0; backup < kBackups; ++backup) {
            for (auto steps = history.pick(kStepsMax); steps != 0; --steps) history.step();
            chain.take(backup == 0);
            chain.expect_same();
            ASSERT_FALSE(HasFailure());
        }
    }
}

}  // namespace
}  // namespace asb::fileset
