// What one repository lacks of a log that another cut in other pieces.

#include "repo/log_coverage.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <vector>

#include "lib/stored_folder.hpp"
#include "repo/log_names.hpp"

namespace asb {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

ObjectKey piece(std::uint32_t line, std::uint64_t start, std::uint64_t end) {
    LogObject object;
    object.range = {.line = line, .start = start, .end = end};
    object.day = 20240115;
    return log_object_key("a", object);
}

std::vector<ObjectKey> missing(const std::vector<ObjectKey>& from,
                               const std::vector<ObjectKey>& to) {
    const StoredFolder one;
    const StoredFolder other;
    for (const auto& key : from) one.put(key.text(), "");
    for (const auto& key : to) other.put(key.text(), "");
    return find_missing_log(one.reader(), other.reader(), "a").value();
}

TEST(LogCoverage, NamesWhatIsNotThere) {
    EXPECT_THAT(missing({piece(1, 10, 20), piece(1, 20, 30)}, {piece(1, 10, 20)}),
                ElementsAre(piece(1, 20, 30)));
}

TEST(LogCoverage, SmallPiecesCoverALargeOneAndTheOtherWayRound) {
    EXPECT_THAT(missing({piece(1, 10, 30)}, {piece(1, 20, 30), piece(1, 10, 20)}), IsEmpty());
    EXPECT_THAT(missing({piece(1, 20, 30), piece(1, 10, 20)}, {piece(1, 10, 30)}), IsEmpty());
}

TEST(LogCoverage, AHoleInTheMiddleIsMissing) {
    EXPECT_THAT(missing({piece(1, 10, 40)}, {piece(1, 10, 20), piece(1, 30, 40)}),
                ElementsAre(piece(1, 10, 40)));
}

TEST(LogCoverage, OfAMergeThatIsNotTidiedUpTheLargeOneIsEnough) {
    EXPECT_THAT(missing({piece(1, 10, 20), piece(1, 10, 30), piece(1, 20, 30)}, {}),
                ElementsAre(piece(1, 10, 30)));
}

TEST(LogCoverage, LinesAreApartAndHistoriesComeFirst) {
    EXPECT_THAT(missing({piece(2, 10, 20), log_history_key("a", 2)}, {piece(1, 10, 20)}),
                ElementsAre(log_history_key("a", 2), piece(2, 10, 20)));
}

TEST(LogCoverage, AnotherLogIsNoneOfIt) {
    EXPECT_THAT(missing({log_history_key("b", 2), log_record_key("a")}, {}), IsEmpty());
}

}  // namespace
}  // namespace asb
