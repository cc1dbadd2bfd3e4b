#pragma once
// Why this exists: a restore is tried many times, in many ways; the backup that it needs is made
// once, kept as the tar stream that an archive holds, and played into any sink.

#include <functional>
#include <memory>
#include <string>

#include "codec/tar.hpp"
#include "engine/engine.hpp"

namespace asb::test {

class RecordedBackup {
  public:
    // Backs up the server at `url` through the driver; throws when that fails.
    explicit RecordedBackup(const std::string& url);
    // One that another process recorded and will remove.
    RecordedBackup(std::string path, Json facts);
    ~RecordedBackup();
    RecordedBackup(const RecordedBackup&) = delete;
    RecordedBackup& operator=(const RecordedBackup&) = delete;

    [[nodiscard]] const Json& facts() const { return facts_; }
    [[nodiscard]] const std::string& path() const { return path_; }
    [[nodiscard]] std::uint64_t bytes() const { return bytes_; }
    // Pushes every entry, as a restore does.
    Status play(EntrySink& sink) const;

  private:
    std::string path_;
    std::uint64_t bytes_ = 0;
    Json facts_;
    bool own_ = true;
};

// Passes entries on, but for what a test wants to happen to one of them.
class TamperingSink final : public EntrySink {
  public:
    explicit TamperingSink(EntrySink& next) : next_(next) {}
    std::string drop;  // this entry does not arrive
    std::string flip;  // one bit of this entry's first byte is wrong
    std::function<void(const EntryHeader&)> before;

    Status begin(const EntryHeader& header) override;
    Status write(Bytes bytes) override;
    Status end() override;

  private:
    EntrySink& next_;
    bool dropping_ = false;
    bool flipping_ = false;
};

// A restore through the driver's public face, with all that a session needs around it.
class PostgresRestoreRun {
  public:
    // To the databases of `url`, or to the data directory `target`.
    explicit PostgresRestoreRun(const std::string& url, const std::string& target = "");

    RestoreRequest request;
    StopToken stop;
    Progress progress;

    Result<RestorePlan> plan(const RecordedBackup& backup) { return plan_of(backup.facts()); }
    Result<RestorePlan> plan_of(const Json& facts);
    Result<std::unique_ptr<RestoreSession>> open(const RecordedBackup& backup);
    // open, every entry, publish; the lines for the operator afterwards in `report`.
    Status run(const RecordedBackup& backup);
    std::string report;

  private:
    Log log_;
    Settings settings_;
    std::unique_ptr<Engine> engine_;
};

}  // namespace asb::test
