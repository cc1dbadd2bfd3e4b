#include "engine/mongodb/mongodb_check.hpp"

#include <algorithm>

#include "base/text.hpp"
#include "engine/check_lines.hpp"
#include "engine/mongodb/dump_member.hpp"
#include "engine/mongodb/dump_oplog.hpp"
#include "engine/mongodb/dump_scope.hpp"

namespace asb {
namespace {

using Verdict = CheckLine::Verdict;

// A backup once a day is the product's default (BACKUP_SCHEDULE_FULL); the oplog must reach from
// one incremental backup to the next with room to spare, and over one full copy in any case.
constexpr std::int64_t kOplogHoursMin = 24;

bool is_loopback(std::string_view host) {
    return host.starts_with("127.") || host.starts_with("localhost:") ||
           host.starts_with("[::1]") || host.starts_with("::1") || host.find('/') == 0;
}

class MongodbCheck {
  public:
    MongodbCheck(const Settings& settings, const StopToken& stop)
        : settings_(settings), stop_(stop) {}

    std::vector<CheckLine> run();

  private:
    void check_version();
    void check_tls(const MongoUrl& url);
    void check_replica_set();
    void check_role();
    void check_oplog();
    void check_size();

    const Settings& settings_;
    const StopToken& stop_;
    Log quiet_{{.run_id = "check", .stderr_enabled = false}};
    std::optional<DumpMember> member_;
    std::vector<CheckLine> lines_;
};

std::vector<CheckLine> MongodbCheck::run() {
    const auto url = MongoUrl::parse(settings_.text("DATABASE_URL"));
    if (!url.ok()) {
        lines_.push_back(failed_check("DATABASE_URL", url.error()));
        return std::move(lines_);
    }
    const std::chrono::seconds lag_max(settings_.number("MONGODB_READ_LAG_MAX"));
    auto member = choose_dump_member(*url, lag_max, stop_, quiet_);
    if (!member.ok()) {
        lines_.push_back(failed_check("database connection", member.error()));
        return std::move(lines_);
    }
    member_.emplace(std::move(member.value()));
    const std::string user = member_->url.user();
    lines_.push_back(check_line(
        Verdict::ok, "database connection",
        fmt::format("{}{}", member_->url.address(),
                    user.empty() ? std::string(", no user") : " as " + printable(user))));
    check_version();
    check_tls(member_->url);
    check_replica_set();
    check_role();
    if (member_->facts.has_oplog()) check_oplog();
    check_size();
    return std::move(lines_);
}

void MongodbCheck::check_version() {
    const Status supported = check_mongo_version(member_->facts);
    lines_.push_back(supported.ok() ? check_line(Verdict::ok, "server version",
                                                 "MongoDB " + printable(member_->facts.version))
                                    : failed_check("server version", supported.error()));
}

void MongodbCheck::check_tls(const MongoUrl& url) {
    const auto hosts = url.hosts();
    if (url.tls())
        lines_.push_back(check_line(Verdict::ok, "TLS", "in use"));
    else if (std::ranges::all_of(hosts, is_loopback))
        lines_.push_back(check_line(Verdict::ok, "TLS", "not in use, on this machine"));
    else
        lines_.push_back(check_line(
            Verdict::warn, "TLS", "not in use: the data crosses the network in clear text",
            "net.tls.mode: requireTLS at the server, and tls=true&tlsCAFile=... "
            "in DATABASE_URL"));
}

void MongodbCheck::check_replica_set() {
    const MongoFacts& facts = member_->facts;
    const bool allowed = settings_.flag("MONGODB_ALLOW_INCONSISTENT");
    if (facts.has_oplog()) {
        lines_.push_back(check_line(
            Verdict::ok, "replica set",
            fmt::format("{}, reading from a {}", printable(facts.set_name),
                        facts.kind == MongoFacts::Kind::secondary
                            ? fmt::format("secondary {} behind", human_duration(member_->lag))
                            : std::string("primary"))));
        return;
    }
    lines_.push_back(
        check_line(allowed ? Verdict::warn : Verdict::fail, "replica set",
                   "there is no oplog: no consistent backup can be made",
                   "start mongod with --replSet NAME and run rs.initiate(); or accept it "
                   "with MONGODB_ALLOW_INCONSISTENT=true"));
}

// What a backup does first is the proof of its role.
void MongodbCheck::check_role() {
    const auto plan = plan_dump(member_->connection, member_->url.database());
    if (!plan.ok()) {
        lines_.push_back(failed_check("role", plan.error()));
        return;
    }
    for (const ReadPlan& read : plan->reads) {
        const auto one = member_->connection.run_command(read.database,
                                                         BsonBuilder()
                                                             .text("find", read.collection)
                                                             .number("limit", 1)
                                                             .flag("singleBatch", true)
                                                             .get(),
                                                         read.database + "." + read.collection);
        if (one.ok()) continue;
        lines_.push_back(failed_check("role", one.error()));
        return;
    }
    lines_.push_back(check_line(
        Verdict::ok, "role", fmt::format("may read {}", counted(plan->collections, "collection"))));
}

void MongodbCheck::check_oplog() {
    const auto reach = oplog_reach(member_->connection);
    if (!reach.ok()) {
        lines_.push_back(failed_check("oplog", reach.error()));
        return;
    }
    const auto window = reach->full.value_or(reach->now);
    const auto hours = std::chrono::duration_cast<std::chrono::hours>(window).count();
    std::string detail = fmt::format("reaches back {}", human_duration(reach->now));
    if (reach->full)
        detail += fmt::format("; at the present rate {} once it is full", human_duration(window));
    lines_.push_back(
        hours >= kOplogHoursMin
            ? check_line(Verdict::ok, "oplog", detail)
            : check_line(Verdict::warn, "oplog",
                         detail + fmt::format(", less than {} h", kOplogHoursMin),
                         "db.adminCommand({replSetResizeOplog: 1, size: <megabytes>}), or "
                         "wait if the set is new"));
}

void MongodbCheck::check_size() {
    const auto databases = dump_databases(member_->connection, member_->url.database());
    if (!databases.ok()) return;
    const std::uint64_t bytes = dump_bytes(member_->connection, *databases);
    lines_.push_back(check_line(
        Verdict::ok, "data size",
        fmt::format("{} in {}", human_bytes(bytes), counted(databases->size(), "database"))));
}

}  // namespace

std::vector<CheckLine> check_mongodb(const Settings& settings, const StopToken& stop) {
    return MongodbCheck(settings, stop).run();
}

}  // namespace asb
