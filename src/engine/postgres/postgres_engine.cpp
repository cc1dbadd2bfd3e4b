#include "engine/postgres/postgres_engine.hpp"

#include <array>

#include "base/text.hpp"
#include "engine/postgres/incremental_backup.hpp"
#include "engine/postgres/log_check.hpp"
#include "engine/postgres/logical_choice.hpp"
#include "engine/postgres/only_entries.hpp"
#include "engine/postgres/postgres_check.hpp"
#include "engine/postgres/restore_entry.hpp"
#include "engine/postgres/restore_facts.hpp"
#include "engine/postgres/wal_files.hpp"
#include "engine/postgres/wal_follower.hpp"
#include "engine/postgres/wal_log_search.hpp"
#include "engine/postgres/wal_pieces.hpp"
#include "engine/postgres/wal_point.hpp"

namespace asb {
namespace {

constexpr std::string_view kName = "postgresql";
constexpr std::array<std::string_view, 2> kSchemes = {"postgres", "postgresql"};
constexpr std::array kComponents = {Component{"database", "postgresql/"}};
constexpr std::array kOptions = {
    Option{.name = "POSTGRES_BACKUP_METHOD",
           .kind = OptionKind::choice,
           .default_value = "auto",
           .summary =
               "how PostgreSQL is backed up: physical copies the whole cluster, logical dumps "
               "each database; auto: logical where the role may not replicate",
           .choices = "auto|physical|logical"},
    Option{.name = "POSTGRES_BIN_DIR",
           .kind = OptionKind::path,
           .default_value = "",
           .summary = "folder of the server's programs (initdb, postgres, pg_dump) for a restore; "
                      "empty: found by version"},
    Option{.name = "POSTGRES_SLOT",
           .kind = OptionKind::choice,
           .default_value = "auto",
           .summary = "replication slot that keeps WAL from one backup to the next; auto: made by "
                      "the first incremental backup or stream; on: by every backup; off: never",
           .choices = "auto|on|off"},
    Option{.name = "POSTGRES_RUN_AS",
           .kind = OptionKind::text,
           .default_value = "postgres",
           .summary = "user who runs the private server of a restore when started as root"},
};

class PostgresEngine final : public Engine {
  public:
    explicit PostgresEngine(const Settings& settings) : settings_(settings) {}

    [[nodiscard]] std::string_view name() const override { return kName; }
    [[nodiscard]] std::span<const Component> components() const override { return kComponents; }
    [[nodiscard]] bool has_data_directory() const override { return true; }
    std::vector<CheckLine> check(StopToken stop) override {
        return check_postgres({.conninfo = settings_.text("DATABASE_URL"),
                               .method = settings_.text("POSTGRES_BACKUP_METHOD"),
                               .bin_dir = settings_.text("POSTGRES_BIN_DIR")},
                              stop);
    }
    std::vector<CheckLine> check_log(const std::vector<LogTail>& tails,
                                     const StopToken& stop) override {
        return check_postgres_log(settings_.text("DATABASE_URL"), tails, stop);
    }
    Result<std::unique_ptr<BackupSession>> open_session(SessionContext context) override {
        return open_postgres_session(settings_, context);
    }
    [[nodiscard]] bool has_log() const override { return true; }
    Result<std::unique_ptr<BackupSession>> open_incremental(SessionContext context) override {
        return open_wal_incremental(settings_, std::move(context));
    }
    [[nodiscard]] bool fetches_log() const override { return true; }
    Result<std::unique_ptr<LogSearch>> search_log(const LogTarget& target,
                                                  const Json& facts) override {
        return search_wal(target, facts);
    }
    [[nodiscard]] std::string log_index_entry(std::uint32_t line) const override {
        return wal_times_entry(line);
    }
    Result<LogPoint> search_start(std::string_view index, const LogTarget& target,
                                  const LogPoint& from) const override {
        return wal_search_start(index, target, from);
    }
    Result<std::unique_ptr<LogFileNames>> log_file_names(const Json& facts) const override {
        return wal_file_names(facts);
    }
    Result<std::unique_ptr<LogFiles>> make_log_files(const Json& facts,
                                                     LogFilesOptions options) const override {
        return make_wal_files(facts, std::move(options));
    }
    [[nodiscard]] std::optional<LogPoint> log_entry(std::string_view name,
                                                    const Json& facts) const override {
        const auto segment_bytes = postgres::wal_segment_bytes(facts);
        const auto piece = segment_bytes.ok() ? parse_wal_piece_name(name, *segment_bytes)
                                              : std::optional<WalPieceName>();
        if (!piece) return std::nullopt;
        return LogPoint{piece->timeline, piece->start.value};
    }
    Result<LogPoint> parse_position(std::string_view text) const override {
        return parse_wal_point(text);
    }
    [[nodiscard]] std::string position_text(const LogPoint& point) const override {
        return wal_point_text(point);
    }
    Result<FollowerOpening> follow(SessionContext context) override {
        return follow_wal(settings_, context);
    }
    Result<std::vector<std::string>> release_log(SessionContext context) override {
        return drop_log_slots(settings_, context);
    }
    Result<RestorePlan> plan_restore(const RestoreRequest& request, const Json& facts) override {
        return plan_postgres_restore(settings_, request, facts);
    }
    Result<std::unique_ptr<RestoreSession>> open_restore(const RestoreRequest& request,
                                                         const Json& facts,
                                                         SessionContext context) override {
        return open_postgres_restore(settings_, request, facts, context);
    }
    Result<std::vector<bool>> choose_entries(const RestoreRequest& request, const Json& facts,
                                             std::span<const StoredEntry> entries) override {
        ASB_TRY(auto chosen, Engine::choose_entries(request, facts, entries));
        ASB_CHECK(postgres::choose_dumps(settings_.text("DATABASE_URL"), request, facts, entries,
                                         chosen));
        return chosen;
    }
    std::vector<ContentLine> contents(const Json& facts,
                                      std::span<const StoredEntry> entries) override {
        return postgres::list_databases(facts, entries);
    }

  private:
    const Settings& settings_;
};

}  // namespace

const EngineDriver kPostgresEngine = {
    .name = kName,
    .summary =
        "PostgreSQL 15 to 18, physical over the replication protocol, or logical with pg_dump",
    .url_schemes = kSchemes,
    .options = kOptions,
    .open = [](const Settings& settings) -> std::unique_ptr<Engine> {
        return std::make_unique<PostgresEngine>(settings);
    },
};

}  // namespace asb
