// A chain of backups of logs, and what comes back from it: always what a full backup would have
// held.

#include <gmock/gmock.h>

#include <string>
#include <utility>
#include <vector>

#include "engine/fileset/log_mark.hpp"
#include "engine/fileset/log_positions.hpp"
#include "engine/fileset/restore_test_support.hpp"

namespace asb::fileset {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::UnorderedElementsAre;

void append(const std::string& path, const std::string& text) {
    auto fd = open_file(path, O_WRONLY | O_APPEND);
    ASSERT_TRUE(fd.ok() && write_all(fd.value().get(), as_bytes(text), path).ok());
}

void rename_to(const std::string& from, const std::string& to) {
    ASSERT_EQ(rename(from.c_str(), to.c_str()), 0);
}

// Backups of the folder "log" of a temporary folder, one after the other.
struct Chain {
    explicit Chain(const TempFolder& folder) : temp(folder) { temp.folder("log"); }

    [[nodiscard]] std::string log(const std::string& name) const { return temp.at("log/" + name); }
    // Often called for its effect alone. NOLINTNEXTLINE(modernize-use-nodiscard)
    std::string write(const std::string& name, const std::string& text) const {
        return temp.file("log/" + name, text);
    }

    const KeepingSink& full() { return take(true); }
    const KeepingSink& incremental() { return take(false); }
    const KeepingSink& take(bool is_full) {
        const auto settings = settings_with({{"LOG_PATHS", temp.at("log")}});
        const auto engine = open_engine(settings, hook);
        auto context = run.context();
        if (!backups.empty())
            context.parent_entry = [this](const std::string& name) { return entry_before(name); };
        auto opened = is_full ? engine->open_session(context) : engine->open_incremental(context);
        EXPECT_TRUE(opened.ok());
        expected = opened.value()->expected_bytes();
        auto sink = std::make_unique<KeepingSink>();
        EXPECT_TRUE(opened.value()->write_entries(*sink).ok());
        facts = opened.value()->facts();
        backups.push_back(std::move(sink));
        return *backups.back();
    }
    Result<std::optional<std::string>> entry_before(const std::string& name) const {
        const auto& entries = backups.back()->entries;
        const auto found = entries.find(name);
        if (found == entries.end()) return std::optional<std::string>();
        return std::optional(found->second.data);
    }
    // The data that the newest backup holds of logs: "app.log" or "app.log+4".
    [[nodiscard]] std::vector<std::string> stored() const {
        std::vector<std::string> names;
        for (const auto& name : backups.back()->order) {
            const auto& kept = backups.back()->entries.at(name);
            if (kept.header.type != EntryType::file || name == kPositionsName) continue;
            const auto piece = parse_piece_name(name);
            const auto full_name = piece ? piece->log : name;
            const auto prefix = stored_as("logs", temp.at("log/"));
            names.push_back(fmt::format("{}{}: {}", full_name.substr(prefix.size()),
                                        piece ? fmt::format("+{}", piece->offset) : "", kept.data));
        }
        return names;
    }

    // Restores the backups from `first` on, each as a link.
    void restore(Restore& into, std::size_t first = 0) const {
        into.request.components = {"logs"};
        into.open();
        for (auto i = first; i < backups.size(); ++i) {
            if (i != first) {
                const auto begun = into.session->begin_link();
                ASSERT_TRUE(begun.ok()) << to_text(begun.error());
            }
            for (const auto& name : backups[i]->order) {
                const auto& kept = backups[i]->entries.at(name);
                const auto added = into.add(kept.header, kept.data);
                ASSERT_TRUE(added.ok()) << to_text(added.error());
            }
        }
        const auto published = into.session->publish();
        ASSERT_TRUE(published.ok()) << to_text(published.error());
    }
    // The newest backup comes back as the folder is now.
    void expect_same() const {
        const TempFolder other;
        Restore restored(other);
        restore(restored);
        if (testing::Test::HasFatalFailure()) return;
        const auto place = restored.at("logs") + temp.at("log");
        EXPECT_EQ(names_in(place), names_in(temp.at("log")));
        for (const auto& name : names_in(temp.at("log"))) {
            const auto before = stat_of(log(name)), after = stat_of(place + "/" + name);
            if (S_ISLNK(before.st_mode)) continue;
            EXPECT_EQ(text_of(place + "/" + name), text_of(log(name))) << name;
            EXPECT_EQ(after.st_mode, before.st_mode) << name;
            EXPECT_EQ(after.st_mtim.tv_sec, before.st_mtim.tv_sec) << name;
            EXPECT_EQ(after.st_mtim.tv_nsec, before.st_mtim.tv_nsec) << name;
        }
        EXPECT_THAT(restored.session->incomplete(), IsEmpty());
    }

    const TempFolder& temp;
    ReadHook hook;
    QuietRun run;
    BackupFacts facts;
    std::uint64_t expected = 0;
    std::vector<std::unique_ptr<KeepingSink>> backups;
};

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

TEST(RestoredLogs, NamesWhatIsInABackupThatIsNotHere) {
    const TempFolder temp;
    Chain chain(temp);
    const auto path = chain.write("app.log", "one\n");
    chain.write("rests.log", "rests\n");
    chain.full();
    append(path, "two\n");
    chain.write("new.log", "new\n");
    chain.incremental();
    append(path, "three\n");
    chain.incremental();
    const TempFolder other;
    Restore restored(other);
    chain.restore(restored, 1);
    const auto place = restored.at("logs") + temp.at("log/");
    EXPECT_EQ(text_of(place + "app.log"), "two\nthree\n");
    EXPECT_EQ(text_of(place + "new.log"), "new\n");
    EXPECT_FALSE(exists(place + "rests.log"));
    EXPECT_THAT(restored.session->incomplete(),
                UnorderedElementsAre(stored_as("logs", path) +
                                         ": its first 4 bytes are in a backup that is not here",
                                     stored_as("logs", chain.log("rests.log")) +
                                         ": its first 6 bytes are in a backup that is not here"));
}

// A list of positions with one row.
std::string positions_with(const std::string& row) {
    return R"({"files":[)" + row + R"(],"version":1})";
}

TEST(RestoredLogs, RefusesAListThatContradictsWhatIsThere) {
    const std::string row = R"("changed":1,"device":1,"inode":1,"modified":1,"name":"logs/a.log",)";
    for (const auto& text : {
             positions_with("{" + row +
                            R"("from":"logs/a.log","offset":9,"piece":false,"size":9})"),
             positions_with("{" + row + R"("from":"logs/a.log","offset":1,"piece":true,"size":2})"),
             positions_with("{" + row + R"("from":"logs/a.log","offset":3,"piece":true,"size":2})"),
             positions_with(R"({"name":"config/a","link":"logs/a.log"})"),
             positions_with("{" + row + R"("from":"../a.log","offset":1,"piece":true,"size":2})"),
             std::string(R"({"files":[],"version":2})"),
             std::string("[]"),
             std::string("{"),
         }) {
        const TempFolder temp;
        Restore restore(temp);
        ASSERT_TRUE(restore.add_file("logs/a.log", "a").ok());
        ASSERT_TRUE(restore.session->begin_link().ok());
        const auto added = restore.add_file(std::string(kPositionsName), text);
        ASSERT_FALSE(added.ok()) << text;
        EXPECT_EQ(added.error().code, Code::damaged) << text;
    }
}

TEST(RestoredLogs, RefusesPiecesThatNoListSpeaksOf) {
    const TempFolder temp;
    Restore restore(temp);
    ASSERT_TRUE(restore.add_file(piece_name("logs/a.log", 4), "piece").ok());
    EXPECT_EQ(restore.session->publish().error().code, Code::damaged);
    EXPECT_FALSE(restore.add_file("log-pieces/a.log", "piece").ok());
}

TEST(LogPositions, NamesAPieceSoThatCatPutsALogTogether) {
    const auto name = piece_name("logs/var/log/app.log", 4096);
    EXPECT_EQ(name, "log-pieces/var/log/app.log/00000000000000004096");
    const auto piece = parse_piece_name(name);
    ASSERT_TRUE(piece);
    EXPECT_EQ(piece->log, "logs/var/log/app.log");
    EXPECT_EQ(piece->offset, 4096U);
    for (const auto* odd : {"logs/var/log/app.log", "log-pieces/app.log", "log-pieces/a/4096",
                            "log-pieces/00000000000000004096", "log-pieces/a/99999999999999999999"})
        EXPECT_FALSE(parse_piece_name(odd)) << odd;
}

TEST(LogPositions, HasRoomForABoundedNumberOfLogs) {
    PositionsText text;
    LogPosition position;
    position.mark = Digest{};
    const std::string part(249, 'd');
    const auto folder = fmt::format("{0}/{0}/{0}/{0}", part);
    std::size_t count = 0;
    for (; text.has_room(folder.size() + 20); ++count) {
        position.name = fmt::format("logs/{}/{:08}", folder, count);
        text.add(position);
        ASSERT_LT(count, 20'000U);
    }
    text.add(position);
    EXPECT_LE(text.text().size(), kPositionsBytesMax);
    const auto parsed = parse_positions(text.text());
    ASSERT_TRUE(parsed.ok());
    EXPECT_EQ(parsed.value().size(), count);
}

TEST(FilesetEngine, ListsAPieceByItsLogAndWhereItBegins) {
    const auto settings = settings_with({});
    const std::vector<StoredEntry> entries = {
        {.name = piece_name("logs/var/log/app.log", 4096), .type = EntryType::file, .size = 12},
        {.name = std::string(kPositionsName), .type = EntryType::file, .size = 200}};
    const auto lines = kFilesetEngine.open(settings)->contents(Json::object(), entries);
    ASSERT_EQ(lines.size(), 1U);
    EXPECT_EQ(lines[0].kind, "piece");
    EXPECT_EQ(lines[0].name, "logs/var/log/app.log from byte 4096");
    EXPECT_EQ(lines[0].bytes, 12U);
}

}  // namespace
}  // namespace asb::fileset
