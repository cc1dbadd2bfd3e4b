#include "engine/fileset/log_positions.hpp"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "engine/fileset/test_support.hpp"

namespace asb::fileset {
namespace {

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

std::string document(const std::string& more, const std::string& changed = "1705329000123456789") {
    return fmt::format(
        R"({{"files":[{{"changed":{},"device":2049{},"inode":1311,"modified":1705329000123456789,)"
        R"("name":"logs/var/log/app.log","size":8192}}],"version":1}})",
        changed, more);
}

TEST(LogPositions, AreReadOnlyAsTheyAreWritten) {
    const auto parsed = parse_positions(document(""));
    ASSERT_TRUE(parsed.ok()) << to_text(parsed.error());
    EXPECT_EQ(parsed.value().front().inode, 1311U);
    for (const auto& odd : {document(R"(,"hole":true)"), document("", "18446744073709551615"),
                            document(" "), document("") + "\n", document(R"(,"inode":1311)")}) {
        const auto refused = parse_positions(odd);
        ASSERT_FALSE(refused.ok()) << odd;
        EXPECT_EQ(refused.error().code, Code::damaged);
        EXPECT_EQ(refused.error().fact, "log-positions.json is not as it was written");
    }
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
