#include "engine/fileset/restored_logs.hpp"

#include <gmock/gmock.h>

#include <string>

#include "engine/fileset/log_chain_support.hpp"

namespace asb::fileset {
namespace {

using testing::UnorderedElementsAre;

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

}  // namespace
}  // namespace asb::fileset
