#pragma once
// Why this exists: a restore into DATABASE_URL as one session: the archive becomes a private data
// directory, a private server opens it, its databases are copied beside the old ones, checked, and
// take their places together.

#include <memory>
#include <string>
#include <vector>

#include "engine/engine.hpp"
#include "engine/postgres/data_directory_writer.hpp"
#include "engine/postgres/private_instance.hpp"
#include "engine/postgres/swap_rename.hpp"
#include "engine/postgres/swap_roles.hpp"
#include "engine/postgres/swap_target.hpp"

namespace asb::postgres {

struct DatabaseRestoreOptions {
    std::string url;  // holds the password
    bool all_databases = false;
    bool force = false;
    bool drop_old = false;
    unsigned jobs = 2;
    std::string staging_base;
    ServerPrograms programs;
    std::optional<Owner> owner;
    Json facts;
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

    Status begin(const EntryHeader& header) override { return writer_->begin(header); }
    Status write(Bytes bytes) override { return writer_->write(bytes); }
    Status end() override { return writer_->end(); }
    Status publish() override;
    [[nodiscard]] std::vector<std::string> report() const override { return report_; }

  private:
    DatabaseRestoreSession(DatabaseRestoreOptions options, SessionContext context)
        : options_(std::move(options)), context_(std::move(context)) {}
    Status prepare();
    Status open_server();
    Status drop_leftovers();
    Result<std::vector<std::string>> choose_databases();
    Status plan_exchange(const std::string& database);
    Status copy_and_check(Exchange& exchange, std::size_t number);
    Status exchange();
    void settle_old(const Exchange& exchange);
    void drop(const std::string& database, const std::string& what);
    void describe_roles();
    void clean_target();

    DatabaseRestoreOptions options_;
    SessionContext context_;
    std::unique_ptr<StagingArea> area_;
    std::unique_ptr<DataDirectoryWriter> writer_;
    std::unique_ptr<PrivateInstance> instance_;
    std::optional<TargetServer> target_;
    CopiedRoles roles_;
    std::vector<Exchange> exchanges_;
    std::vector<std::string> report_;
    bool published_ = false;
};

}  // namespace asb::postgres
