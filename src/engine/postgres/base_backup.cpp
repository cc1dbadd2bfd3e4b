#include "engine/postgres/base_backup.hpp"

#include "base/text.hpp"
#include "engine/postgres/archive_intake.hpp"
#include "engine/postgres/log_slot.hpp"
#include "engine/postgres/replication_slot.hpp"
#include "engine/postgres/timeline_history.hpp"
#include "engine/postgres/wal_continuation.hpp"
#include "engine/postgres/wal_receiver.hpp"
#include "engine/postgres/wal_trace.hpp"

namespace asb {
namespace {

class BaseBackupSession final : public BackupSession {
  public:
    BaseBackupSession(SessionContext context, Connection connection, ServerIdentity server,
                      std::string url, SlotPolicy policy, std::uint64_t expected_bytes)
        : context_(std::move(context)),
          connection_(std::move(connection)),
          server_(std::move(server)),
          url_(std::move(url)),
          policy_(policy),
          expected_bytes_(expected_bytes) {}

    [[nodiscard]] std::uint64_t expected_bytes() const override { return expected_bytes_; }
    [[nodiscard]] std::vector<std::string> plan() const override;
    Status write_entries(EntrySink& sink) override;
    [[nodiscard]] const BackupFacts& facts() const override { return facts_; }

    Status settle() override;

  private:
    struct Range {
        LogPosition start;
        LogPosition end;
    };
    Result<Range> copy_files(ArchiveIntake& intake);
    Status copy_wal(const std::string& slot, const Range& range, EntrySink& sink,
                    const RehomingSink& owner);
    [[nodiscard]] Lsn wal_start(const Range& range) const;
    Status choose_log();
    Status keep_log();
    [[nodiscard]] Status check_manifest(const ServerManifest& manifest, const Range& range) const;
    void record(const Range& range, const ArchiveIntake& intake, Instant consistent_at);

    SessionContext context_;
    std::optional<Connection> connection_;
    ServerIdentity server_;
    std::string url_;  // holds the password
    SlotPolicy policy_;
    std::uint64_t expected_bytes_;
    std::vector<Tablespace> tablespaces_;
    LogFacts log_;
    const LogTail* tail_ = nullptr;  // in context_; where the repository's log of this server ends
    std::optional<Lsn> kept_from_;   // by the log's slot, when there was one before
    BackupFacts facts_;
};

std::vector<std::string> BaseBackupSession::plan() const {
    return {
        connection_->target().replication_line(),
        fmt::format("copy PostgreSQL {}{}, system {}, timeline {}: {}", server_.version,
                    server_.in_recovery ? " (standby)" : "", server_.system_identifier,
                    server_.timeline,
                    expected_bytes_ == 0 ? "size not known" : human_bytes(expected_bytes_)),
        fmt::format("check every file against the server's manifest (page checksums {})",
                    server_.page_checksums ? "on" : "off"),
        "add the WAL that makes the copy consistent, through a temporary replication slot",
    };
}

Result<BaseBackupSession::Range> BaseBackupSession::copy_files(ArchiveIntake& intake) {
    BaseBackupStream stream(*connection_);
    ASB_TRY(const LogPosition start, stream.start());
    context_.log.debug("base backup began at {} on timeline {}", to_text(start.lsn),
                       start.timeline);
    if (stream.estimated_bytes() != 0) context_.progress.expect(stream.estimated_bytes());
    for (;;) {
        ASB_TRY(const auto message, stream.next());
        if (!message) break;
        ASB_CHECK(intake.take(*message));
    }
    ASB_TRY(const LogPosition end, stream.finish());
    context_.log.debug("base backup ended at {}", to_text(end.lsn));
    tablespaces_ = stream.tablespaces();
    if (start.timeline != end.timeline || end.lsn < start.lsn)
        return with_hint(fail(Code::database,
                              "the server went from timeline {} to {} during the "
                              "backup",
                              start.timeline, end.timeline),
                         "nothing was published; run the backup again");
    return Range{start, end};
}

// A server that was put back to a copy has other bytes at the positions that the repository's log
// has already: in the same log they could not be told apart. Nobody goes on from that log here any
// more, and so its slot must not hold back the server's WAL.
Status BaseBackupSession::choose_log() {
    log_.identity = server_.system_identifier;
    tail_ = context_.tail_of(server_.system_identifier);
    if (tail_ != nullptr) {
        const auto continuation = continue_wal(*connection_, server_, context_.tails);
        if (continuation.ok() && continuation->other_history) {
            const auto slot = log_slot_name(tail_->log_id);
            ASB_TRY(const auto state, read_slot(*connection_, slot));
            if (state) ASB_CHECK(drop_slot(*connection_, slot));
            context_.keep_log = context_.keep_log || state;
            tail_ = nullptr;
        }
    }
    log_.log_id = tail_ == nullptr ? context_.new_log_id : tail_->log_id;
    return {};
}

// The slot is there before the copy begins, so that nothing after the copy's end can get lost.
Status BaseBackupSession::keep_log() {
    if (policy_ == SlotPolicy::never) return {};
    ASB_TRY(const auto state, read_slot(*connection_, log_slot_name(log_.log_id)));
    if (state) kept_from_ = state->restart;
    const bool wanted = state || policy_ == SlotPolicy::always || context_.keep_log;
    if (wanted) ASB_CHECK(ensure_log_slot(*connection_, policy_, log_.log_id));
    return {};
}

// Where the WAL of this backup begins: with the copy, or where the repository's log ends, so that
// no instant between two backups is lost. The latter as far as a slot has kept it.
Lsn BaseBackupSession::wal_start(const Range& range) const {
    const auto start = segment_start(range.start.lsn, server_.wal_segment_bytes);
    if (tail_ == nullptr || tail_->end.line != range.start.timeline) return start;
    const auto from = segment_start(Lsn{tail_->end.at}, server_.wal_segment_bytes);
    const bool kept = kept_from_ && segment_start(*kept_from_, server_.wal_segment_bytes) <= from;
    return kept ? std::min(from, start) : start;
}

Status BaseBackupSession::copy_wal(const std::string& slot, const Range& range, EntrySink& sink,
                                   const RehomingSink& owner) {
    const auto make_header = [&owner](std::string name, std::uint64_t size) {
        return owner.owned(std::move(name), EntryType::file, size);
    };
    ASB_CHECK(sink.begin(owner.owned(std::string(kWalFolder), EntryType::folder, 0)));
    ASB_CHECK(sink.end());
    if (range.start.timeline > 1) {
        ASB_TRY(const auto history,
                receive_timeline_history(*connection_, range.start.timeline, sink, make_header));
        ASB_TRY(log_.branches, parse_timeline_history(history, range.start.timeline));
    }
    const WalSegments::Range segments{.timeline = range.start.timeline,
                                      .start = wal_start(range),
                                      .end = range.end.lsn,
                                      .segment_bytes = server_.wal_segment_bytes};
    WalTrace trace(server_.wal_segment_bytes, segments.start, WalReader::Start::anywhere);
    ASB_CHECK(receive_wal(*connection_, slot, segments, sink, make_header, trace, context_.progress,
                          log_.consistent_at));
    // Nothing gets over WAL of level minimal, so nobody needs what lies before it.
    const auto first = std::max(segments.start, trace.minimal_until().value_or(Lsn{}));
    log_.ranges = {{.line = segments.timeline, .start = first.value, .end = segments.end.value}};
    log_.consistent = LogPoint{segments.timeline, segments.end.value};
    log_.times = trace.times().totals();
    log_.times.covered_until = log_.times.newest_commit;
    log_.last_record = trace.last_record();
    log_.tail = trace.proof(segments.end);
    return {};
}

// What the new slot, or one of before, has kept is in the repository now.
Status BaseBackupSession::settle() {
    if (policy_ == SlotPolicy::never) return {};
    ASB_TRY(Connection connection,
            Connection::open(url_, {.mode = ConnectionOptions::Mode::replication}, context_.stop));
    return move_log_slot(connection, log_.log_id, log_.end());
}

// The manifest must be of this server and of this backup.
Status BaseBackupSession::check_manifest(const ServerManifest& manifest, const Range& range) const {
    const bool foreign = manifest.system_identifier != 0 &&
                         std::to_string(manifest.system_identifier) != server_.system_identifier;
    if (foreign) return fail(Code::damaged, "the server's manifest is of another system");
    for (const ServerManifest::WalRange& wal : manifest.wal_ranges)
        if (wal.timeline == range.start.timeline && wal.end == range.end.lsn) return {};
    return fail(Code::damaged, "the server's manifest is not of the backup that ended at {}",
                to_text(range.end.lsn));
}

Status BaseBackupSession::write_entries(EntrySink& sink) {
    ASB_ASSERT(connection_.has_value());
    connection_->take_warnings();
    ASB_CHECK(choose_log());  // first: a refused question costs a session its temporary slots
    ASB_TRY(const std::string slot, create_temporary_slot(*connection_));
    ASB_CHECK(keep_log());
    ArchiveIntake intake(sink, context_.progress);
    ASB_TRY(const Range range, copy_files(intake));
    const Instant consistent_at = now();
    ASB_TRY(const ServerManifest manifest, intake.finish());
    ASB_CHECK(check_manifest(manifest, range));
    ASB_CHECK(copy_wal(slot, range, sink, intake.owner()));
    facts_.warnings = connection_->take_warnings();
    connection_.reset();  // the slot ends here, not when the last upload does
    record(range, intake, consistent_at);
    return {};
}

void BaseBackupSession::record(const Range& range, const ArchiveIntake& intake,
                               Instant consistent_at) {
    Json tablespaces = Json::array();
    for (const Tablespace& tablespace : tablespaces_)
        tablespaces.push_back({{"oid", tablespace.oid}, {"path", printable(tablespace.path)}});
    facts_.engine = {
        {"name", "postgresql"},
        {"method", "physical"},
        {"version", server_.version},
        {"version_num", server_.version_number},
        {"system_identifier", server_.system_identifier},
        {"timeline", range.start.timeline},
        {"start_lsn", to_text(range.start.lsn)},
        {"end_lsn", to_text(range.end.lsn)},
        {"consistent_at", to_iso8601(consistent_at)},
        {"wal_segment_bytes", server_.wal_segment_bytes},
        {"from_standby", server_.in_recovery},
        {"tablespaces", std::move(tablespaces)},
        {"database_bytes", intake.bytes()},
        {"files", intake.files()},
        {"page_checksums", server_.page_checksums},
    };
    facts_.log = log_;
}

}  // namespace

std::optional<std::uint64_t> database_bytes(std::string_view conninfo, const StopToken& stop) {
    auto connection = Connection::open(conninfo, {}, stop);
    if (!connection.ok()) return std::nullopt;
    auto sum = connection->query(
        "SELECT coalesce(sum(pg_database_size(oid)), 0)::bigint FROM pg_database "
        "WHERE has_database_privilege(oid, 'CONNECT')");
    if (!sum.ok() || PQntuples(sum.value().get()) != 1) return std::nullopt;
    return parse_u64(cell(sum.value(), 0, 0));
}

Result<std::unique_ptr<BackupSession>> open_base_backup(const Settings& settings,
                                                        SessionContext context) {
    const std::string& url = settings.text("DATABASE_URL");
    ASB_TRY(Connection connection,
            Connection::open(url, {.mode = ConnectionOptions::Mode::replication}, context.stop));
    ASB_TRY(ServerIdentity server, identify_server(connection));
    ASB_CHECK(probe_slot(connection));
    const std::uint64_t expected = database_bytes(url, context.stop).value_or(0);
    ASB_CHECK(context.stop.check());
    return std::unique_ptr<BackupSession>(std::make_unique<BaseBackupSession>(
        std::move(context), std::move(connection), std::move(server), url, slot_policy(settings),
        expected));
}

}  // namespace asb
