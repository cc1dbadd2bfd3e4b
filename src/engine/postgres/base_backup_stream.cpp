#include "engine/postgres/base_backup_stream.hpp"

#include <algorithm>

#include "base/text.hpp"

namespace asb {
namespace {

using std::chrono::minutes;

// The checkpoint that comes first writes all of shared_buffers; half an hour is for hundreds of GB
// on a slow disk.
constexpr minutes kCheckpointWait{30};
// Between two messages; the server sends while it reads, so only a stalled disk is silent for long.
constexpr minutes kSilenceMax{5};
// SQLSTATE data_corrupted: what BASE_BACKUP ends with when page checksums did not match.
constexpr std::string_view kDataCorrupted = "XX001";
constexpr std::size_t kFilesNamedMax = 5;

// WAIT false: not for the archiver, since the WAL comes through our own slot. TABLESPACE_MAP: the
// links of pg_tblspc as a file that a restore can rewrite.
constexpr const char* kCommand =
    "BASE_BACKUP (LABEL 'auth-service-backup', PROGRESS, CHECKPOINT 'fast', WAIT false, "
    "MANIFEST 'yes', MANIFEST_CHECKSUMS 'CRC32C', TABLESPACE_MAP true, VERIFY_CHECKSUMS true)";

Result<PgResult> expect_result(Connection& connection, Deadline deadline, ExecStatusType status,
                               int columns) {
    ASB_TRY(PgResult result, connection.next_result(deadline));
    if (result == nullptr || PQresultStatus(result.get()) != status ||
        PQnfields(result.get()) < columns)
        return fail(Code::database, "the server's answer to BASE_BACKUP is not as documented");
    return result;
}

Result<LogPosition> read_position(const PgResult& result) {
    if (PQntuples(result.get()) != 1)
        return fail(Code::database, "the server did not say where the backup lies in the log");
    ASB_TRY(const Lsn lsn, parse_lsn(cell(result, 0, 0)));
    const auto timeline = parse_u64(cell(result, 0, 1));
    if (!timeline || *timeline == 0 || *timeline > 0xffffffffU)
        return fail(Code::database, "\"{}\" is not a timeline", cell(result, 0, 1));
    return LogPosition{static_cast<std::uint32_t>(*timeline), lsn};
}

// The file between quotation marks in `checksum verification failed in file "./base/5/1259", ...`.
std::string file_in(std::string_view warning) {
    const std::size_t first = warning.find('"');
    if (first == std::string_view::npos) return {};
    std::string_view name = warning.substr(first + 1);
    name = name.substr(0, name.find('"'));
    if (name.starts_with("./")) name.remove_prefix(2);
    return printable(name);
}

Error pages_damaged(const std::vector<std::string>& warnings) {
    std::vector<std::string> files;
    for (const std::string& warning : warnings) {
        std::string file = file_in(warning);
        if (!file.empty() && std::ranges::find(files, file) == files.end())
            files.push_back(std::move(file));
    }
    const std::size_t more = files.size() - std::min(files.size(), kFilesNamedMax);
    files.resize(files.size() - more);
    std::string names = files.empty() ? "files named in the server's log" : join(files, ", ");
    if (more != 0) names += fmt::format(" and {} more files", more);
    return with_hint(
        fail(Code::damaged, "the database has pages whose checksum is wrong: {}", names),
        "the database's own disk or memory damaged them: keep the older backups, find "
        "the tables with pg_amcheck, and restore them or the whole");
}

}  // namespace

// A page checksum failure comes after everything, as warnings and then an error.
Error BaseBackupStream::explain(Error error) {
    if (connection_.last_sqlstate() != kDataCorrupted) return error;
    return pages_damaged(connection_.take_warnings());
}

Result<LogPosition> BaseBackupStream::start() {
    ASB_CHECK(connection_.send(kCommand));
    ASB_TRY(const PgResult begin,
            expect_result(connection_, after(kCheckpointWait), PGRES_TUPLES_OK, 2));
    ASB_TRY(const LogPosition position, read_position(begin));
    ASB_CHECK(read_tablespaces());
    ASB_CHECK(expect_result(connection_, after(kSilenceMax), PGRES_COPY_OUT, 0));
    return position;
}

// One row an archive: oid and path, both NULL for the data directory, and its size in kB.
Status BaseBackupStream::read_tablespaces() {
    ASB_TRY(const PgResult rows,
            expect_result(connection_, after(kSilenceMax), PGRES_TUPLES_OK, 3));
    for (int row = 0; row < PQntuples(rows.get()); ++row) {
        estimated_bytes_ += parse_u64(cell(rows, row, 2)).value_or(0) * kKiB;
        if (is_null(rows, row, 0)) continue;
        const std::string oid(cell(rows, row, 0));
        if (!parse_u64(oid)) return fail(Code::database, "\"{}\" is not a tablespace", oid);
        tablespaces_.push_back({oid, std::string(cell(rows, row, 1))});
    }
    return {};
}

Result<std::optional<BackupMessage>> BaseBackupStream::next() {
    ASB_TRY(const std::optional<Bytes> message, connection_.read_copy(after(kSilenceMax)));
    if (!message) return std::optional<BackupMessage>();
    ASB_TRY(const BackupMessage parsed, parse_backup_message(*message));
    return std::optional(parsed);
}

Result<LogPosition> BaseBackupStream::finish() {
    auto end = connection_.next_result(after(kSilenceMax));
    if (!end.ok()) return explain(std::move(end.error()));
    if (end.value() == nullptr || PQresultStatus(end.value().get()) != PGRES_TUPLES_OK)
        return fail(Code::database, "the server did not say where the backup ends");
    ASB_TRY(const LogPosition position, read_position(end.value()));
    for (;;) {
        auto rest = connection_.next_result(after(kSilenceMax));
        if (!rest.ok()) return explain(std::move(rest.error()));
        if (rest.value() == nullptr) return position;
    }
}

}  // namespace asb
