#include "engine/mongodb/dump_session.hpp"

#include <algorithm>
#include <thread>

#include "base/text.hpp"
#include "engine/mongodb/dump_copy.hpp"
#include "engine/mongodb/dump_member.hpp"
#include "engine/mongodb/dump_metadata.hpp"
#include "engine/mongodb/dump_oplog.hpp"
#include "engine/mongodb/dump_part.hpp"
#include "engine/mongodb/dump_ranges.hpp"
#include "engine/mongodb/dump_scope.hpp"
#include "engine/mongodb/layout.hpp"
#include "engine/mongodb/oplog_before.hpp"
#include "engine/mongodb/oplog_questions.hpp"

namespace asb {
namespace {

// More readers than this only make the server's disk seek; each holds up to about 40 MiB.
constexpr std::size_t kReadersMax = 4;
// Names in the manifest, which is bounded as a whole (repo/manifest.hpp).
constexpr std::size_t kDatabasesListed = 50;

std::size_t reader_count(const Settings& settings) {
    const auto wanted = settings.number("BACKUP_JOBS");
    const std::size_t jobs = wanted != 0 ? wanted : std::thread::hardware_concurrency();
    return std::clamp<std::size_t>(jobs, 1, kReadersMax);
}

// `expected`: bytes of all collections, 0 when they are not known.
SplitOptions split_options(const Settings& settings, bool majority, std::uint64_t expected) {
    constexpr std::uint64_t kMebibytesMax = std::uint64_t{1} << 32U;  // more than any collection
    const std::uint64_t bytes_min =
        std::min(settings.number("MONGODB_SPLIT_MIN_MB"), kMebibytesMax) * kMiB;
    const bool none_is_large = expected != 0 && expected < bytes_min;
    return {.bytes_min = none_is_large ? 0 : bytes_min,
            .readers = reader_count(settings),
            .majority = majority};
}

class DumpSession final : public BackupSession {
  public:
    DumpSession(SessionContext context, DumpMember member, std::string database, bool consistent,
                SplitOptions split, std::uint64_t expected_bytes, std::string compatibility)
        : context_(std::move(context)),
          member_(std::move(member)),
          database_(std::move(database)),
          consistent_(consistent),
          split_(split),
          expected_bytes_(expected_bytes),
          compatibility_(std::move(compatibility)) {}

    [[nodiscard]] std::uint64_t expected_bytes() const override { return expected_bytes_; }
    [[nodiscard]] std::vector<std::string> plan() const override;
    Status write_entries(EntrySink& sink) override;
    [[nodiscard]] const BackupFacts& facts() const override { return facts_; }

  private:
    Result<CopyResult> copy(EntrySink& sink);
    Result<OplogStart> copy_before(EntrySink& sink);
    Status check_same_member();
    void record(const CopyResult& copied);
    void record_log(const OplogSlice& slice);
    [[nodiscard]] std::uint64_t log_start(const OplogSlice& slice);

    SessionContext context_;
    DumpMember member_;
    std::string database_;  // empty: the deployment
    bool consistent_;
    SplitOptions split_;
    std::uint64_t expected_bytes_;
    std::string compatibility_;
    std::vector<std::string> databases_;
    std::uint64_t collections_ = 0;
    std::string identity_;
    std::optional<OplogBefore> before_;  // absent: the repository has no log that this goes on from
    BackupFacts facts_;
};

std::vector<std::string> DumpSession::plan() const {
    const MongoUrl& url = member_.url;
    return {
        fmt::format("connected to {}{} ({}, {})", url.address(),
                    url.user().empty() ? std::string() : " as " + printable(url.user()),
                    kind_name(member_.facts.kind), url.tls() ? "TLS" : "no TLS"),
        fmt::format(
            "copy {} of MongoDB {}{}: {}",
            database_.empty() ? "every database" : fmt::format("database {}", printable(database_)),
            printable(member_.facts.version),
            member_.facts.set_name.empty()
                ? std::string()
                : fmt::format(", set {}", printable(member_.facts.set_name)),
            expected_bytes_ == 0 ? "size not known" : human_bytes(expected_bytes_)),
        consistent_ ? "add the oplog from before the first read to after the last, which makes it "
                      "one position"
                    : "NOT CONSISTENT: there is no oplog, and each collection is as it was when "
                      "it was read",
    };
}

Result<CopyResult> DumpSession::copy(EntrySink& sink) {
    ASB_TRY(DumpPlan plan, plan_dump(member_.connection, database_));
    databases_ = plan.databases;
    collections_ = plan.collections;
    facts_.incomplete = plan.incomplete;
    for (const MetadataPlan& metadata : plan.metadata)
        ASB_CHECK(push_entry(sink, metadata.entry, as_bytes(metadata.text)));
    for (const ReadyPlan& ready : plan.ready) ASB_CHECK(push_entry(sink, ready.entry, ready.bytes));
    ASB_CHECK(split_large_reads(member_.connection, split_, plan.reads, context_.log));
    return copy_collections(member_.url, context_.stop,
                            {.readers = split_.readers, .majority = split_.majority},
                            std::move(plan.reads), sink, context_.progress);
}

// All reads went to this member; it must still be what it was.
Status DumpSession::check_same_member() {
    ASB_TRY(const MongoFacts now_facts, member_.connection.facts());
    if (now_facts.kind == member_.facts.kind && now_facts.set_name == member_.facts.set_name)
        return {};
    return with_hint(
        fail(Code::database, "{} was {} when the backup began and is {} now", member_.url.address(),
             kind_name(member_.facts.kind), kind_name(now_facts.kind)),
        "nothing was published; run the backup again when the replica set is stable");
}

// Before the copy, since the oplog may roll over while that takes its time. Most of it before the
// slice's start is chosen, so that no more than the copy itself lies within the slice, where not
// every change can be replayed. Returns that start.
Result<OplogStart> DumpSession::copy_before(EntrySink& sink) {
    MongoConnection& connection = member_.connection;
    identity_ = oplog_identity(connection, member_.facts, database_);
    const LogTail* tail = context_.tail_of(identity_);
    if (tail == nullptr) return find_oplog_start(connection);
    before_.emplace(connection, *tail, database_, sink, context_.progress, context_.log);
    ASB_TRY(const MongoFacts facts, connection.facts());
    ASB_CHECK(before_->copy_to(facts.majority_optime));
    ASB_TRY(const OplogStart start, find_oplog_start(connection));
    ASB_CHECK(before_->copy_to(start.optime));
    ASB_CHECK(before_->finish());
    return start;
}

Status DumpSession::write_entries(EntrySink& sink) {
    const auto prelude = prelude_text(member_.facts.version, "auth-service-backup");
    ASB_CHECK(push_entry(sink, std::string(kPreludeEntry), as_bytes(prelude)));
    if (!consistent_) {
        ASB_TRY(const CopyResult copied, copy(sink));
        record(copied);
        facts_.engine["inconsistent"] = true;
        facts_.warnings.emplace_back(
            "this backup is NOT CONSISTENT: the server has no oplog, and each collection is as it "
            "was when it was read");
        return {};
    }
    ASB_TRY(const OplogStart start, copy_before(sink));
    context_.log.debug("the copy begins at {}", to_text(start.optime));
    ASB_TRY(const CopyResult copied, copy(sink));
    ASB_TRY(const OplogSlice slice,
            copy_oplog(member_.connection, start, before_ ? before_->ledger() : OplogLedger(),
                       database_, sink, context_.progress));
    ASB_CHECK(check_same_member());
    context_.log.debug("the oplog from {} to {}: {} entries", to_text(slice.start),
                       to_text(slice.end), slice.entries);
    record(copied);
    record_log(slice);
    return {};
}

// Somebody's new, empty server at the same address: its backup is good, and worth nothing.
bool holds_none(const std::vector<std::string>& databases) {
    return std::ranges::all_of(databases, [](const std::string& name) {
        return name == "admin" || name == "config" || name == "local";
    });
}

void DumpSession::record(const CopyResult& copied) {
    if (database_.empty() && holds_none(databases_))
        facts_.warnings.push_back(
            fmt::format("the server at {} holds no database (but its own), so this backup brings "
                        "none back: check that DATABASE_URL names the right server",
                        member_.url.address()));
    else if (!database_.empty() && collections_ == 0)
        facts_.warnings.push_back(
            fmt::format("the server at {} holds no collection in the database {}, so this backup "
                        "brings none back: check that DATABASE_URL names the right one",
                        member_.url.address(), printable(database_)));
    Json databases = Json::array();
    for (const auto& name : databases_)
        if (databases.size() < kDatabasesListed) databases.push_back(printable(name));
    facts_.engine = {
        {"name", "mongodb"},
        {"method", consistent_ ? "oplog" : "inconsistent"},
        {"version", printable(member_.facts.version)},
        {"server_kind", kind_name(member_.facts.kind)},
        {"set_name", printable(member_.facts.set_name)},
        {"scope", database_.empty() ? "deployment" : "database"},
        {"databases", std::move(databases)},
        {"database_count", databases_.size()},
        {"collections", collections_},
        {"documents", copied.documents},
        {"bytes", copied.bytes},
    };
    if (!compatibility_.empty())
        facts_.engine["feature_compatibility_version"] = printable(compatibility_);
}

// Where the log in the archive begins: where the repository's ends, if nothing is missing between
// that and the slice.
std::uint64_t DumpSession::log_start(const OplogSlice& slice) {
    const std::uint64_t start = point_of(slice.start);
    if (!before_ || !before_->reaches(slice.start)) return start;
    if (!slice.goes_on) {
        context_.log.info(
            "no recovery from an older backup goes over this one: what happened "
            "during the copy can be replayed on the copy only");
        return start;
    }
    facts_.engine["before_optime"] = to_text(before_->start());
    facts_.engine["before_entries"] = before_->entries();
    facts_.engine["before_bytes"] = before_->bytes();
    return std::min(start, point_of(before_->start()));
}

// One that goes on from another backup's log has its name, whether or not there is a hole between.
void DumpSession::record_log(const OplogSlice& slice) {
    facts_.engine["start_optime"] = to_text(slice.start);
    facts_.engine["end_optime"] = to_text(slice.end);
    facts_.engine["consistent_at"] = to_iso8601(Instant(std::chrono::seconds(slice.end.seconds)));
    facts_.engine["oplog_entries"] = slice.entries;
    facts_.engine["oplog_bytes"] = slice.bytes;
    LogFacts log;
    log.identity = identity_;
    const LogTail* tail = context_.tail_of(identity_);
    log.log_id = tail != nullptr ? tail->log_id : context_.new_log_id;
    log.ranges = {{0, log_start(slice), point_of(slice.end)}};
    log.consistent = LogPoint{0, point_of(slice.end)};
    log.consistent_at = slice.newest_wall;
    log.times = slice.times;
    log.last_record = point_of(slice.tail.optime);
    log.tail = to_json(slice.tail);
    facts_.log = std::move(log);
}

Status require_oplog(const MongoFacts& facts, bool allow_inconsistent) {
    if (facts.has_oplog() || allow_inconsistent) return {};
    if (facts.kind == MongoFacts::Kind::mongos)
        return with_hint(
            fail(Code::database, "this is a mongos: a sharded cluster has no single oplog"),
            "back up each shard's replica set with the balancer stopped, or say "
            "--allow-inconsistent");
    return with_hint(
        fail(Code::database,
             "this is a standalone server: without an oplog no consistent backup can be made"),
        "start mongod with --replSet NAME and run rs.initiate() (a set of one member is enough), "
        "or say --allow-inconsistent");
}

std::string feature_compatibility(MongoConnection& connection) {
    const auto reply = connection.run_command(
        "admin",
        BsonBuilder().number("getParameter", 1).number("featureCompatibilityVersion", 1).get());
    if (!reply.ok()) return {};  // needs a role that a backup can do without
    return text_at(**reply, "featureCompatibilityVersion.version").value_or("");
}

}  // namespace

Result<std::unique_ptr<BackupSession>> open_mongodb_dump(const Settings& settings,
                                                         SessionContext context) {
    ASB_TRY(const MongoUrl url, MongoUrl::parse(settings.text("DATABASE_URL")));
    const std::chrono::seconds lag_max(settings.number("MONGODB_READ_LAG_MAX"));
    ASB_TRY(DumpMember member, choose_dump_member(url, lag_max, context.stop, context.log));
    ASB_CHECK(check_mongo_version(member.facts));
    ASB_CHECK(require_oplog(member.facts, settings.flag("MONGODB_ALLOW_INCONSISTENT")));
    const bool consistent = member.facts.has_oplog();
    if (consistent) ASB_CHECK(check_oplog_readable(member.connection));
    const std::string database = url.database();
    ASB_TRY(const auto databases, dump_databases(member.connection, database));
    const std::uint64_t expected = dump_bytes(member.connection, databases);
    std::string compatibility = feature_compatibility(member.connection);
    ASB_CHECK(context.stop.check());
    return std::unique_ptr<BackupSession>(std::make_unique<DumpSession>(
        std::move(context), std::move(member), database, consistent,
        split_options(settings, consistent, expected), expected, std::move(compatibility)));
}

}  // namespace asb
