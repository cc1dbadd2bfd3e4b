// What the WAL reader tells of a real server's WAL is what PostgreSQL's own readers tell: every
// record by pg_walinspect of the same server, ends of transactions by pg_waldump of 15.

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <csignal>
#include <filesystem>
#include <fstream>
#include <random>
#include <regex>
#include <sstream>
#include <string>
#include <vector>

#include "base/text.hpp"
#include "engine/postgres/wal_search.hpp"
#include "io/file.hpp"
#include "lib/postgres_server.hpp"

namespace asb::test {
namespace {

using ::testing::Contains;
using ::testing::EndsWith;
using ::testing::HasSubstr;
using Kind = WalRecord::Kind;

struct Subject {
    int major = 0;
    std::uint64_t segment_mib = 0;
};

std::string name_of(const ::testing::TestParamInfo<Subject>& info) {
    return fmt::format("Postgres{}Segments{}MiB", info.param.major, info.param.segment_mib);
}

// "0/1500028 to 0/1500060 after 0/1500000 transaction 733, 46 bytes: COMMIT 1705276800000000"
std::string line_of(Lsn start, Lsn end, Lsn previous, std::string_view transaction,
                    std::string_view bytes, std::string_view what) {
    return fmt::format("{} to {} after {} transaction {}, {} bytes{}{}", to_text(start),
                       to_text(end), to_text(previous), transaction, bytes,
                       what.empty() ? "" : ": ", what);
}

// Of the ends of transactions, as both of PostgreSQL's readers name them; empty for the rest.
std::string_view end_word(Kind kind) {
    switch (kind) {
        case Kind::commit:
            return "COMMIT";
        case Kind::commit_prepared:
            return "COMMIT_PREPARED";
        case Kind::abort:
            return "ABORT";
        case Kind::abort_prepared:
            return "ABORT_PREPARED";
        default:
            return "";
    }
}

std::string what_of(const WalRecord& record) {
    switch (record.kind) {
        case Kind::restore_point:
            return fmt::format("restore point {}", record.name);
        case Kind::timeline_change:
            return fmt::format("timeline {} to {}", record.previous_timeline, record.timeline);
        case Kind::log_switch:
            return "switch";
        case Kind::other:
            return "";
        default:
            return fmt::format("{} {}", end_word(record.kind),
                               record.time.time_since_epoch().count());
    }
}

class Told final : public WalVisitor {
  public:
    std::vector<std::string> lines;
    std::vector<CommitTime> restore_point_times;
    std::vector<std::string> ends;  // of transactions, in pg_waldump's words
    std::uint32_t longest_commit = 0;
    void on_record(const WalRecord& record) override {
        lines.push_back(line_of(record.start, record.end, record.previous,
                                std::to_string(record.transaction), std::to_string(record.bytes),
                                what_of(record)));
        if (record.kind == Kind::restore_point) restore_point_times.push_back(record.time);
        if (record.is_commit()) longest_commit = std::max(longest_commit, record.bytes);
        const std::string_view word = end_word(record.kind);
        if (word.empty()) return;
        std::string time = to_iso8601_us(record.time).substr(0, 26);
        time[10] = ' ';
        ends.push_back(fmt::format("{} {} {}", to_text(record.start), word, time));
    }
};

// What pg_walinspect says, in the words of line_of. Its descriptions give times to the microsecond.
constexpr std::string_view kOracle = R"(
SELECT start_lsn, end_lsn, prev_lsn, xid, record_length,
  CASE WHEN resource_manager = 'Transaction'
       AND record_type IN ('COMMIT', 'COMMIT_PREPARED', 'ABORT', 'ABORT_PREPARED')
    THEN record_type || ' ' || (extract(epoch FROM
      substring(description FROM '\d{{4}}-\d\d-\d\d \d\d:\d\d:\d\d[.\d]*')::timestamptz)
      * 1000000)::bigint
  WHEN resource_manager <> 'XLOG' THEN ''
  WHEN record_type = 'RESTORE_POINT' THEN 'restore point ' || description
  WHEN record_type = 'SWITCH' THEN 'switch'
  WHEN record_type IN ('END_OF_RECOVERY', 'CHECKPOINT_SHUTDOWN')
       AND substring(description FROM '[; ]tli (\d+)|^tli (\d+)')
           IS DISTINCT FROM substring(description FROM 'prev tli (\d+)')
    THEN 'timeline ' || substring(description FROM 'prev tli (\d+)') || ' to ' ||
         substring(description FROM 'tli (\d+)')
  ELSE '' END
FROM pg_get_wal_records_info('{}', '{}') ORDER BY start_lsn)";

class PostgresWal : public ::testing::TestWithParam<Subject> {
  public:
    ~PostgresWal() override { unsetenv("ASB_POSTGRES_MAJOR"); }

  protected:
    static std::uint64_t segment_bytes() { return GetParam().segment_mib * kMiB; }
    static ServerOptions options() {
        // The fixture asks the environment for the server's major.
        setenv("ASB_POSTGRES_MAJOR", std::to_string(GetParam().major).c_str(), 1);
        return {.initdb_arguments = {fmt::format("--wal-segsize={}", GetParam().segment_mib)},
                .settings = {"wal_level=logical", "max_prepared_transactions=5", "TimeZone=UTC",
                             "wal_keep_size=1GB", "max_wal_size=2GB"}};
    }

    [[nodiscard]] Lsn lsn(const std::string& expression) const {
        return parse_lsn(server.sql("SELECT " + expression)).value();
    }
    // All that was written so far, which is on disk then. Between two records.
    [[nodiscard]] Lsn flushed() const {
        server.sql("CREATE TABLE IF NOT EXISTS flush (); DROP TABLE flush");
        return lsn("pg_current_wal_flush_lsn()");
    }
    // The bytes of the log from `from` to `to`, as the server's files have them.
    [[nodiscard]] std::string wal(Lsn from, Lsn to, std::uint32_t timeline = 1) const {
        std::string bytes;
        for (Lsn at = segment_start(from, segment_bytes()); at < to; at.value += segment_bytes())
            bytes += read_file(fmt::format("{}/pg_wal/{}", server.data(),
                                           wal_file_name(timeline, at, segment_bytes())),
                               kGiB)
                         .value();
        const std::uint64_t skipped = from.value % segment_bytes();
        return bytes.substr(skipped, to.value - from.value);
    }
    [[nodiscard]] std::vector<std::string> oracle(Lsn from, Lsn to) const {
        auto connection = Connection::open(server.superuser_url(), {}, StopToken());
        const auto rows =
            connection->query(fmt::format(fmt::runtime(kOracle), to_text(from), to_text(to)),
                              after(std::chrono::minutes(1)));
        if (!rows.ok()) throw std::runtime_error(to_text(rows.error()));
        std::vector<std::string> lines;
        const PgResult& result = rows.value();
        const auto lsn_in = [&](int row, int column) {
            return parse_lsn(cell(result, row, column)).value();
        };
        for (int row = 0; row < PQntuples(result.get()); ++row)
            lines.push_back(line_of(lsn_in(row, 0), lsn_in(row, 1), lsn_in(row, 2),
                                    cell(result, row, 3), cell(result, row, 4),
                                    cell(result, row, 5)));
        return lines;
    }
    // Feeds pieces of random sizes.
    void feed(WalReader& reader, std::string_view bytes) {
        std::uniform_int_distribution<std::size_t> exponent(0, 20);
        while (!bytes.empty()) {
            const std::size_t count =
                std::min(bytes.size(), std::size_t{1} << exponent(random) | 1);
            const Status status = reader.feed(as_bytes(bytes.substr(0, count)));
            ASSERT_TRUE(status.ok()) << to_text(status.error());
            bytes.remove_prefix(count);
        }
    }
    // The ends of transactions in pg_waldump's words: "0/1500028 COMMIT 2024-01-15
    // 14:30:00.123456".
    [[nodiscard]] std::vector<std::string> waldump(Lsn from, Lsn to) const;
    void write_transactions() const;
    void write_other_records() const;

    PostgresServer server{options()};
    std::mt19937_64 random{GetParam().segment_mib};
};

void PostgresWal::write_transactions() const {
    server.sql("CREATE TABLE numbers (i int PRIMARY KEY, t text)");
    server.sql(
        "DO $$ BEGIN FOR i IN 1..300 LOOP"
        " INSERT INTO numbers VALUES (i, repeat('x', i)); COMMIT;"
        " IF i % 10 = 0 THEN INSERT INTO numbers VALUES (-i); ROLLBACK; END IF;"
        " END LOOP; END $$");
    server.sql(
        "BEGIN; INSERT INTO numbers VALUES (1000); SAVEPOINT a; INSERT INTO numbers VALUES (1001);"
        " SAVEPOINT b; DELETE FROM numbers WHERE i < 50; ROLLBACK TO a; COMMIT");
    for (const std::string name : {"kept", "dropped"})
        server.sql(fmt::format("BEGIN; INSERT INTO numbers VALUES ({}); PREPARE TRANSACTION '{}'",
                               name.size() + 2000, name));
    server.sql("COMMIT PREPARED 'kept'");
    server.sql("ROLLBACK PREPARED 'dropped'");
    server.sql(
        "SELECT pg_replication_origin_create('far');"
        "SELECT pg_replication_origin_session_setup('far');"
        "INSERT INTO numbers VALUES (3000)");
    server.sql("SET synchronous_commit = off; INSERT INTO numbers VALUES (3001)");
    server.sql(  // commits whose records are longer than a page
        "DO $$ BEGIN FOR i IN 1..400 LOOP"
        " EXECUTE format('CREATE TABLE many_%s (i int PRIMARY KEY)', i); END LOOP; COMMIT;"
        " FOR i IN 1..400 LOOP EXECUTE format('DROP TABLE many_%s', i); END LOOP; END $$");
}

void PostgresWal::write_other_records() const {
    server.sql("SELECT pg_create_restore_point('before the switch')");
    server.sql("SELECT pg_logical_emit_message(false, 'test', repeat('m', 3500000))");
    server.sql("CHECKPOINT");
    server.sql("SELECT pg_switch_wal()");
    server.sql(
        "INSERT INTO numbers SELECT i, repeat('y', 100) FROM generate_series(5000, 15000) i");
    server.sql("SELECT pg_switch_wal()");
    server.sql("SELECT pg_logical_emit_message(true, 'test', repeat('m', 100000))");
    server.sql("SELECT pg_create_restore_point('' || chr(10) || ' äöü')");
    server.sql("UPDATE numbers SET t = t || 'z'");
}

std::vector<std::string> PostgresWal::waldump(Lsn from, Lsn to) const {
    // A commit of many tables is a line of many thousand characters.
    std::istringstream output(run_as_postgres(
        {"sh", "-c",
         fmt::format("TZ=UTC {}/pg_waldump -p {}/pg_wal -r Transaction -s {} -e {} | cut -c -200",
                     postgres_bin_dir(), server.data(), to_text(from), to_text(to))}));
    const std::regex shape(
        "lsn: ([0-9A-F]+)/0*([0-9A-F]+), .* desc: "
        "((?:COMMIT|ABORT)(?:_PREPARED)?) .*?"
        "(\\d{4}-\\d\\d-\\d\\d \\d\\d:\\d\\d:\\d\\d\\.\\d{6})");
    std::vector<std::string> lines;
    std::smatch parts;
    for (std::string line; std::getline(output, line);)
        if (std::regex_search(line, parts, shape))
            lines.push_back(
                fmt::format("{}/{} {} {}", parts.str(1), parts.str(2), parts.str(3), parts.str(4)));
    return lines;
}

TEST_P(PostgresWal, EveryRecordIsToldAsPostgresTellsIt) {
    server.sql("CREATE EXTENSION pg_walinspect");
    const Lsn start = lsn("pg_current_wal_insert_lsn()");
    const CommitTime before =
        std::chrono::floor<std::chrono::microseconds>(std::chrono::system_clock::now());
    write_transactions();
    write_other_records();
    const Lsn end = flushed();
    const std::string bytes = wal(start, end);
    const std::vector<std::string> expected = oracle(start, end);

    Told told;
    WalReader reader({.segment_bytes = segment_bytes(), .start = start}, told);
    feed(reader, bytes);
    ASSERT_EQ(told.lines, expected);
    EXPECT_EQ(reader.record_end(), end);
    EXPECT_EQ(reader.open_record(), std::nullopt);
    EXPECT_EQ(reader.major(), GetParam().major);
    EXPECT_EQ(reader.timeline(), 1U);
    EXPECT_EQ(std::to_string(reader.system_id().value()),
              server.sql("SELECT system_identifier FROM pg_control_system()"));
    if (GetParam().major == 15) {
        EXPECT_EQ(told.ends, waldump(start, end));
    }
    EXPECT_GT(told.longest_commit, kWalPageBytes);
    EXPECT_THAT(expected, Contains(HasSubstr(": COMMIT_PREPARED ")));
    EXPECT_THAT(expected, Contains(HasSubstr(": ABORT_PREPARED ")));
    EXPECT_THAT(expected, Contains(HasSubstr(": ABORT ")));
    EXPECT_THAT(expected, Contains(EndsWith(": switch")).Times(2));
    EXPECT_THAT(expected, Contains(EndsWith(": restore point before the switch")));
    ASSERT_EQ(told.restore_point_times.size(), 2U);
    EXPECT_GE(told.restore_point_times[0], before);
    EXPECT_GE(told.restore_point_times[1], told.restore_point_times[0]);
    EXPECT_LE(told.restore_point_times[1], std::chrono::system_clock::now());

    std::size_t told_late = 0;
    for (int attempt = 0; attempt < 20; ++attempt) {
        const std::uint64_t skipped = random() % bytes.size();
        Told tail;
        WalReader late({segment_bytes(), Lsn{start.value + skipped}, WalReader::Start::anywhere},
                       tail);
        feed(late, std::string_view(bytes).substr(skipped));
        told_late += tail.lines.size();
        EXPECT_EQ(tail.lines,
                  std::vector<std::string>(expected.end() - std::ptrdiff_t(tail.lines.size()),
                                           expected.end()));
    }
    EXPECT_GT(told_late, expected.size());
}

// recovery_target_time and its like are judged by these numbers; the server that wrote them says
// them a second time, not out of its WAL.
TEST_P(PostgresWal, TheTimesAndPlacesOfCommitsAreTheServersOwn) {
    server.stop();
    std::ofstream(server.data() + "/postgresql.auto.conf") << "track_commit_timestamp = on\n";
    server.start();
    server.sql("CREATE TABLE numbers (i int)");
    const Lsn start = lsn("pg_current_wal_insert_lsn()");
    std::vector<CommitTime> times;
    std::vector<Lsn> places;
    for (int i = 0; i < 30; ++i) {
        const std::string xid = server.sql(fmt::format(
            "WITH new AS (INSERT INTO numbers VALUES ({}) RETURNING xmin) SELECT xmin FROM new",
            i));
        places.push_back(lsn("pg_current_wal_insert_lsn()"));
        times.emplace_back(std::chrono::microseconds(
            std::stoll(server.sql("SELECT (extract(epoch FROM pg_xact_commit_timestamp('" + xid +
                                  "')) * 1000000)::bigint"))));
    }
    const std::string bytes = wal(start, flushed());
    for (std::size_t i = 0; i + 1 < times.size(); ++i) {
        WalSearch by_time(times[i]);
        WalReader timed({.segment_bytes = segment_bytes(), .start = start}, by_time);
        feed(timed, bytes);
        WalSearch by_place(places[i]);
        WalReader placed({.segment_bytes = segment_bytes(), .start = start}, by_place);
        feed(placed, bytes);
        ASSERT_TRUE(by_time.done() && by_place.done());
        EXPECT_EQ(by_time.found().last_in->time, times[i]);
        EXPECT_EQ(by_time.found().first_out->time, times[i + 1]);
        EXPECT_EQ(by_place.found().last_in, by_time.found().last_in);
        EXPECT_EQ(by_place.found().first_out, by_time.found().first_out);
    }
}

TEST_P(PostgresWal, APromotionIsFollowedToItsTimeline) {
    server.sql("CREATE EXTENSION pg_walinspect; CREATE TABLE numbers AS SELECT 1 AS i");
    server.stop();
    std::ofstream(server.data() + "/standby.signal").close();
    server.start();
    server.sql("SELECT pg_promote()");
    server.sql("INSERT INTO numbers VALUES (2)");
    const Lsn end = flushed();
    const Lsn start = segment_start(end, segment_bytes());
    Told told;
    WalReader reader({segment_bytes(), start, WalReader::Start::anywhere}, told);
    feed(reader, wal(start, end, 2));
    EXPECT_EQ(reader.record_end(), end);
    EXPECT_EQ(told.lines, oracle(start, end));
    EXPECT_THAT(told.lines, Contains(EndsWith(": timeline 1 to 2")).Times(1));
}

// Segments so small that a record of 3 MiB goes on in the next one.
class PostgresWalCrash : public PostgresWal {
  protected:
    // Ends the server at once, and takes away what it wrote after the segment of `last`.
    void crash_and_forget_after(Lsn last) {
        std::ifstream file(server.data() + "/postmaster.pid");
        pid_t pid = 0;
        file >> pid;
        ASSERT_EQ(::kill(pid, SIGQUIT), 0);
        server.stop();
        const std::string kept = wal_file_name(1, last, segment_bytes());
        std::vector<std::filesystem::path> lost;
        for (const auto& entry : std::filesystem::directory_iterator(server.data() + "/pg_wal"))
            if (entry.is_regular_file() && entry.path().filename() > kept)
                lost.push_back(entry.path());
        ASSERT_GE(lost.size(), 2U);
        for (const auto& path : lost) std::filesystem::remove(path);
        server.start();
    }
};

TEST_P(PostgresWalCrash, ARecordThatTheCrashCutIsGivenUp) {
    server.sql("CREATE EXTENSION pg_walinspect; CREATE TABLE numbers AS SELECT 1 AS i");
    const Lsn start = lsn("pg_current_wal_insert_lsn()");
    server.sql("SELECT pg_logical_emit_message(false, 'test', repeat('m', 3000000))");
    crash_and_forget_after(start);
    server.sql("INSERT INTO numbers VALUES (2)");
    const Lsn end = flushed();
    Told told;
    WalReader reader({.segment_bytes = segment_bytes(), .start = start}, told);
    feed(reader, wal(start, end));
    EXPECT_EQ(reader.record_end(), end);
    EXPECT_EQ(told.lines, oracle(start, end));
    EXPECT_EQ(server.sql(fmt::format("SELECT count(*) FROM pg_get_wal_records_info('{}', '{}')"
                                     " WHERE record_type = 'OVERWRITE_CONTRECORD'",
                                     to_text(start), to_text(end))),
              "1");
}

INSTANTIATE_TEST_SUITE_P(Servers, PostgresWalCrash,
                         ::testing::Values(Subject{15, 1}, Subject{18, 1}), name_of);

INSTANTIATE_TEST_SUITE_P(Servers, PostgresWal,
                         ::testing::Values(Subject{15, 1}, Subject{15, 64}, Subject{16, 16},
                                           Subject{17, 1}, Subject{18, 16}),
                         name_of);

}  // namespace
}  // namespace asb::test
