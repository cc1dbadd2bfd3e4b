#pragma once
// Why this exists: a restore into DATABASE_URL as one session: the archive is opened as what it
// is (a data directory or dumps), its databases are copied beside the old ones, checked, and take
// their places together.

#include <memory>
#include <string>
#include <vector>

#include "engine/engine.hpp"
#include "engine/postgres/logical_programs.hpp"
#include "engine/postgres/only_restore.hpp"
#include "engine/postgres/private_instance_programs.hpp"
#include "engine/postgres/restore_staging_area.hpp"
#include "engine/postgres/swap_rename.hpp"
#include "engine/postgres/swap_roles.hpp"
#include "engine/postgres/swap_source.hpp"
#include "engine/postgres/swap_target.hpp"

namespace asb::postgres {

struct DatabaseRestoreOptions {
    std::string url;  // holds the password
    bool all_databases = false;
    OnlyWords only;
    bool force = false;
    bool drop_old = false;
    unsigned jobs = 2;
    std::string staging_base;
    int major = 0;  // of the backup
    // Of a physical backup:
    ServerPrograms programs;
    std::optional<Owner> owner;
    Json facts;
    std::optional<Recovery> recovery;
    // Of a logical one:
    bool logical = false;
    ClientPrograms client;
};

// Used once, from one thread. Destroyed without a successful publish it drops what it made on the
// server; the staging area and the private server go in any case.
class DatabaseRestoreSession final : public RestoreSession {
  public:
    static Result<std::unique_ptr<DatabaseRestoreSession>> open(DatabaseRestoreOptions options,
                                                                SessionContext context);
    ~DatabaseRestoreSession() override;
    DatabaseRestoreSession(const DatabaseRestoreSession&) = delete;
    DatabaseRestoreSession& operator=(const DatabaseRestoreSession&) = delete;

    Status begin(const EntryHeader& header) override { return source_->begin(header); }
    Status write(Bytes bytes) override { return source_->write(bytes); }
    Status end() override { return source_->end(); }
    Status publish() override;
    [[nodiscard]] std::vector<std::string> report() const override { return report_; }
    [[nodiscard]] std::vector<std::string> incomplete() const override { return incomplete_; }

  private:
    DatabaseRestoreSession(DatabaseRestoreOptions options, SessionContext context)
        : options_(std::move(options)), context_(std::move(context)) {}
    Status prepare();
    Status open_server();
    Status drop_leftovers();
    Result<std::vector<std::string>> choose_databases();
    Status plan_exchange(const std::string& database);
    Status copy_the_roles();
    Status copy_and_check(Exchange& exchange);
    Result<Compared> check_copy(const Exchange& exchange);
    Status restore_pieces(const std::string& database);
    Result<bool> has_tablespaces_of(const std::string& database);
    Status exchange();
    void settle_old(const Exchange& exchange);
    void drop(const std::string& database, const std::string& what);
    void describe_roles();
    void clean_target();

    DatabaseRestoreOptions options_;
    SessionContext context_;
    std::unique_ptr<StagingArea> area_;
    std::unique_ptr<CopySource> source_;
    std::optional<TargetServer> target_;
    CopiedRoles roles_;
    std::vector<Exchange> exchanges_;
    std::string use_list_;  // of the pieces that a new database gets; empty: all of it
    std::vector<std::string> report_;
    std::vector<std::string> incomplete_;
    bool published_ = false;
};

}  // namespace asb::postgres
