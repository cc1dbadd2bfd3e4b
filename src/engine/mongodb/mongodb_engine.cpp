#include "engine/mongodb/mongodb_engine.hpp"

#include <array>

#include "engine/mongodb/dump_session.hpp"
#include "engine/mongodb/import_dump.hpp"
#include "engine/mongodb/incremental_session.hpp"
#include "engine/mongodb/layout.hpp"
#include "engine/mongodb/mongodb_check.hpp"
#include "engine/mongodb/oplog_check.hpp"
#include "engine/mongodb/oplog_follower.hpp"
#include "engine/mongodb/oplog_questions.hpp"
#include "engine/mongodb/oplog_search.hpp"
#include "engine/mongodb/restore_entry.hpp"

namespace asb {
namespace {

constexpr std::string_view kName = "mongodb";
constexpr std::array<std::string_view, 2> kSchemes = {"mongodb", "mongodb+srv"};
constexpr std::array kComponents = {Component{"database", "mongodb/"}};
constexpr std::array kOptions = {
    Option{.name = "MONGODB_READ_LAG_MAX",
           .kind = OptionKind::number,
           .default_value = "60",
           .summary = "seconds that a secondary may be behind and still be read from; else the "
                      "primary is"},
    Option{.name = "MONGODB_SPLIT_MIN_MB",
           .kind = OptionKind::number,
           .default_value = "1024",
           .summary =
               "MiB from which on a collection is read in ranges of its _id index, by several "
               "readers; 0: never"},
    Option{.name = "MONGODB_ALLOW_INCONSISTENT",
           .kind = OptionKind::boolean,
           .default_value = "false",
           .summary = "back up a server without an oplog (standalone, mongos), each collection as "
                      "it is when it is read; also backup --allow-inconsistent"},
};

class MongodbEngine final : public Engine {
  public:
    explicit MongodbEngine(const Settings& settings) : settings_(settings) {}

    [[nodiscard]] std::string_view name() const override { return kName; }
    [[nodiscard]] std::span<const Component> components() const override { return kComponents; }
    std::vector<CheckLine> check(StopToken stop) override { return check_mongodb(settings_, stop); }
    Result<std::unique_ptr<BackupSession>> open_session(SessionContext context) override {
        return open_mongodb_dump(settings_, context);
    }
    std::vector<CheckLine> check_log(const std::vector<LogTail>& tails,
                                     const StopToken& stop) override {
        return check_mongodb_log(settings_, tails, stop);
    }
    [[nodiscard]] bool has_log() const override { return true; }
    Result<std::unique_ptr<BackupSession>> open_incremental(SessionContext context) override {
        return open_mongodb_incremental(settings_, std::move(context));
    }
    Result<FollowerOpening> follow(SessionContext context) override {
        return follow_mongodb(settings_, std::move(context));
    }
    Result<std::unique_ptr<LogSearch>> search_log(const LogTarget& target,
                                                  const Json& /*facts*/) override {
        return search_oplog(target);
    }
    [[nodiscard]] std::optional<LogPoint> log_entry(std::string_view entry,
                                                    const Json& /*facts*/) const override {
        const auto parsed = parse_mongo_entry(entry);
        const bool holds = parsed && is_oplog(parsed->kind);
        return holds ? std::optional(LogPoint{}) : std::nullopt;
    }
    [[nodiscard]] std::string_view log_object_entry() const override { return kOplogEntry; }
    [[nodiscard]] Result<LogPoint> parse_position(std::string_view text) const override {
        ASB_TRY(const OpTime optime, parse_optime(text));
        return LogPoint{0, point_of(optime)};
    }
    [[nodiscard]] bool has_oplog() const override { return true; }
    [[nodiscard]] bool may_be_log_of(std::string_view identity) const override {
        const auto url = MongoUrl::parse(settings_.text("DATABASE_URL"));
        return !url.ok() || is_identity_of(identity, url->database());
    }
    [[nodiscard]] std::string position_text(const LogPoint& point) const override {
        return to_text(optime_of(point.at));
    }
    Status import_dump(const std::string& path, EntrySink& sink,
                       const SessionContext& context) override {
        return mongodb::import_mongodump(path, sink, context);
    }
    Result<Json> import_facts(const std::string& path, const SessionContext& context) override {
        return mongodb::mongodump_facts(path, context);
    }
    Result<RestorePlan> plan_restore(const RestoreRequest& request, const Json& facts) override {
        return plan_mongodb_restore(settings_, request, facts);
    }
    Result<std::unique_ptr<RestoreSession>> open_restore(const RestoreRequest& request,
                                                         const Json& facts,
                                                         SessionContext context) override {
        return open_mongodb_restore(settings_, request, facts, context);
    }
    Result<std::vector<bool>> choose_entries(const RestoreRequest& request, const Json& facts,
                                             std::span<const StoredEntry> entries) override {
        return choose_mongodb_entries(settings_, request, facts, entries);
    }
    std::vector<ContentLine> contents(const Json& /*facts*/,
                                      std::span<const StoredEntry> entries) override {
        return mongodb_contents(entries);
    }

  private:
    const Settings& settings_;
};

}  // namespace

const EngineDriver kMongodbEngine = {
    .name = kName,
    .summary = "MongoDB 5.0 to 8.x, a database or the deployment, with its oplog",
    .url_schemes = kSchemes,
    .options = kOptions,
    .open = [](const Settings& settings) -> std::unique_ptr<Engine> {
        return std::make_unique<MongodbEngine>(settings);
    },
};

}  // namespace asb
