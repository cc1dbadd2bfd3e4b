#include "engine/mongodb/incremental_session.hpp"

#include <algorithm>

#include "base/text.hpp"
#include "engine/mongodb/dump_metadata.hpp"
#include "engine/mongodb/dump_oplog.hpp"
#include "engine/mongodb/layout.hpp"
#include "engine/mongodb/oplog_parts.hpp"
#include "engine/mongodb/oplog_questions.hpp"

namespace asb {
namespace {

class IncrementalSession final : public BackupSession {
  public:
    IncrementalSession(SessionContext context, OplogSource source)
        : context_(std::move(context)), source_(std::move(source)) {}

    // Finds the tail and proves that the oplog goes on from there, or notes the gap.
    Status open();
    [[nodiscard]] std::uint64_t expected_bytes() const override { return 0; }
    [[nodiscard]] std::vector<std::string> plan() const override;
    Status write_entries(EntrySink& sink) override;
    [[nodiscard]] const BackupFacts& facts() const override { return facts_; }
    [[nodiscard]] std::optional<std::string> gap() const override { return gap_; }
    [[nodiscard]] const LogTail* goes_on_from() const override { return tail_; }

  private:
    Status prove();
    Status copy(OplogParts& parts);
    void record(const OplogParts& parts);
    [[nodiscard]] OpTime replay_from() const;

    SessionContext context_;
    OplogSource source_;
    const LogTail* tail_ = nullptr;  // of context_
    std::optional<OplogContinuation> continuation_;
    OplogStart open_transactions_;
    OplogEnd end_;
    OplogLedger ledger_;
    std::optional<std::string> gap_;
    BackupFacts facts_;
};

Status IncrementalSession::open() {
    TailChoice choice = choose_tail(context_.tails, source_.identity);
    tail_ = choice.tail;
    if (tail_ == nullptr) {
        gap_ = std::move(choice.gap);
        return {};
    }
    ASB_TRY(OplogTail tail, parse_oplog_tail(tail_->tail));
    ASB_CHECK(check_not_behind(source_.member, tail));
    MongoConnection& connection = source_.member.connection;
    ASB_TRY(open_transactions_, find_oplog_start(connection));
    ASB_TRY(end_, ask_oplog_end(connection));
    ledger_ = OplogLedger(tail);
    continuation_.emplace(connection, std::move(tail), end_.optime);
    return prove();
}

Status IncrementalSession::prove() {
    const auto proved = continuation_->prove();
    gap_ = continuation_->gap();
    return gap_ ? Status() : proved;
}

std::vector<std::string> IncrementalSession::plan() const {
    if (gap_) return {"nothing can go on from an earlier backup: " + *gap_};
    const MongoUrl& url = source_.member.url;
    return {fmt::format("connected to {}{} ({}, {})", url.address(),
                        url.user().empty() ? std::string() : " as " + printable(url.user()),
                        kind_name(source_.member.facts.kind), url.tls() ? "TLS" : "no TLS"),
            fmt::format("copy the oplog of {} after {}, where {} ends, to {}",
                        source_.database.empty() ? std::string("every database")
                                                 : "database " + printable(source_.database),
                        to_text(optime_of(tail_->end.at)), printable(tail_->written_by),
                        to_text(end_.optime))};
}

Status IncrementalSession::copy(OplogParts& parts) {
    for (;;) {
        ASB_TRY(const auto entry, continuation_->next());
        if (!entry) return parts.finish();
        const auto fits = check_oplog_entry(entry->bytes, source_.database, OplogRule::after_it);
        if (!fits.ok()) {
            gap_ = fits.error().fact;
            return fits.error();
        }
        ledger_.read(entry->bytes, entry->mark);
        ASB_TRY(const bool kept, parts.add(entry->bytes));
        if (kept) ledger_.keep(entry->mark);
    }
}

Status IncrementalSession::write_entries(EntrySink& sink) {
    if (gap_) return with_hint(fail(Code::database, "{}", *gap_), "take a full backup");
    const auto prelude = prelude_text(source_.member.facts.version, "auth-service-backup");
    ASB_CHECK(push_entry(sink, std::string(kPreludeEntry), as_bytes(prelude)));
    OplogParts parts(source_.database, sink, context_.progress);
    const auto copied = copy(parts);
    if (continuation_->gap()) gap_ = continuation_->gap();
    if (!copied.ok()) return copied.error();
    record(parts);
    return {};
}

// A transaction that is open at the end began before the tail, and then was open when the session
// was opened, or it began in these entries.
OpTime IncrementalSession::replay_from() const {
    OpTime from = ledger_.tail().optime;
    if (!open_transactions_.in_every_read) from = std::min(from, open_transactions_.optime);
    return std::min(from, ledger_.open_since().value_or(from));
}

void IncrementalSession::record(const OplogParts& parts) {
    const MongoFacts& server = source_.member.facts;
    const OplogTail tail = ledger_.tail();
    facts_.engine = {
        {"name", "mongodb"},
        {"method", "incremental"},
        {"version", printable(server.version)},
        {"server_kind", kind_name(server.kind)},
        {"set_name", printable(server.set_name)},
        {"scope", source_.database.empty() ? "deployment" : "database"},
        {"start_optime", to_text(optime_of(tail_->end.at))},
        {"end_optime", to_text(tail.optime)},
        {"replay_from", to_text(replay_from())},
        {"oplog_entries", parts.entries()},
        {"oplog_bytes", parts.bytes()},
    };
    if (!source_.database.empty())
        facts_.engine["databases"] = Json::array({printable(source_.database)});
    LogFacts log;
    log.log_id = tail_->log_id;
    log.identity = source_.identity;
    log.ranges = {{0, tail_->end.at, point_of(tail.optime)}};
    log.times = ledger_.times(end_.settled);
    log.last_record = ledger_.last_record();
    log.tail = to_json(tail);
    facts_.log = std::move(log);
}

}  // namespace

Result<OplogSource> open_oplog_source(const Settings& settings, const StopToken& stop, Log& log) {
    ASB_TRY(const MongoUrl url, MongoUrl::parse(settings.text("DATABASE_URL")));
    const std::chrono::seconds lag_max(settings.number("MONGODB_READ_LAG_MAX"));
    ASB_TRY(DumpMember member, choose_dump_member(url, lag_max, stop, log));
    ASB_CHECK(check_mongo_version(member.facts));
    if (!member.facts.has_oplog())
        return with_hint(fail(Code::database, "this is a {}: it has no oplog to go on from",
                              kind_name(member.facts.kind)),
                         "start mongod with --replSet NAME and run rs.initiate() (a set of one "
                         "member is enough)");
    ASB_CHECK(check_oplog_readable(member.connection));
    std::string database = url.database();
    std::string identity = oplog_identity(member.connection, member.facts, database);
    return OplogSource{std::move(member), std::move(database), std::move(identity)};
}

Status check_not_behind(const DumpMember& member, const OplogTail& tail) {
    if (member.facts.kind != MongoFacts::Kind::secondary ||
        member.facts.majority_optime >= tail.optime)
        return {};
    return with_hint(
        fail(Code::database, "the secondary {} has not reached {}, where the last backup ends",
             member.url.address(), to_text(tail.optime)),
        "run it again when the member has caught up, or name the primary in DATABASE_URL");
}

Result<std::unique_ptr<BackupSession>> open_mongodb_incremental(const Settings& settings,
                                                                SessionContext context) {
    ASB_TRY(OplogSource source, open_oplog_source(settings, context.stop, context.log));
    auto session = std::make_unique<IncrementalSession>(std::move(context), std::move(source));
    ASB_CHECK(session->open());
    return std::unique_ptr<BackupSession>(std::move(session));
}

}  // namespace asb
