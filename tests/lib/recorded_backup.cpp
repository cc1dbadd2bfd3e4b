#include "lib/recorded_backup.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <cstdlib>
#include <stdexcept>
#include <vector>

#include "base/text.hpp"
#include "engine/postgres/postgres_engine.hpp"
#include "io/file.hpp"
#include "lib/postgres_backup_run.hpp"
#include "lib/postgres_server.hpp"

namespace asb::test {
namespace {

class FileSink final : public ByteSink {
  public:
    explicit FileSink(int fd) : fd_(fd) {}
    Status write(Bytes bytes) override {
        written += bytes.size();
        return write_all(fd_, bytes, "recording");
    }
    Status finish() override { return {}; }
    std::uint64_t written = 0;

  private:
    int fd_;
};

Settings settings_for(const std::string& url) {
    Settings settings;
    settings.set(kDatabaseUrl, url, "test");
    for (const Option& option : kPostgresEngine.options)
        settings.set(option, std::string(option.default_value), "default");
    const Option& bin_dir =
        *std::find_if(kPostgresEngine.options.begin(), kPostgresEngine.options.end(),
                      [](const Option& option) { return option.name == "POSTGRES_BIN_DIR"; });
    settings.set(bin_dir, postgres_bin_dir(), "test");
    return settings;
}

}  // namespace

RecordedBackup::RecordedBackup(const std::string& url) {
    const char* folder = std::getenv("TMPDIR");
    path_ = std::string(folder == nullptr ? "/tmp" : folder) + "/asb-recording-XXXXXX";
    const UniqueFd fd(mkstemp(path_.data()));
    if (!fd.valid()) throw std::runtime_error("cannot make " + path_);
    FileSink file(fd.get());
    TarWriter writer(file);
    PostgresBackupRun run(url);
    auto status = run.run(writer);
    if (status.ok()) status = writer.finish();
    if (!status.ok()) throw std::runtime_error(to_text(status.error()));
    facts_ = run.facts.engine;
    bytes_ = file.written;
}

RecordedBackup::RecordedBackup(std::string path, Json facts)
    : path_(std::move(path)), facts_(std::move(facts)), own_(false) {}

RecordedBackup::~RecordedBackup() {
    if (own_) unlink(path_.c_str());
}

Status RecordedBackup::play(EntrySink& sink) const {
    ASB_TRY(const auto fd, open_file(path_, O_RDONLY));
    TarParser parser(sink);
    std::vector<std::byte> block(1 * kMiB);
    for (;;) {
        const ssize_t count = read(fd.get(), block.data(), block.size());
        if (count < 0) return errno_error(errno, "cannot read", path_);
        if (count == 0) return parser.finish();
        ASB_CHECK(parser.feed(Bytes(block).first(static_cast<std::size_t>(count))));
    }
}

Status TamperingSink::begin(const EntryHeader& header) {
    if (before) before(header);
    dropping_ = header.name == drop;
    flipping_ = header.name == flip;
    return dropping_ ? Status() : next_.begin(header);
}

Status TamperingSink::write(Bytes bytes) {
    if (dropping_ || bytes.empty()) return {};
    if (!flipping_) return next_.write(bytes);
    std::vector<std::byte> changed(bytes.begin(), bytes.end());
    changed[0] ^= std::byte{1};
    flipping_ = false;
    return next_.write(changed);
}

Status TamperingSink::end() {
    return dropping_ ? Status() : next_.end();
}

PostgresRestoreRun::PostgresRestoreRun(const std::string& url, const std::string& target)
    : log_({.run_id = "test"}),
      settings_(settings_for(url)),
      engine_(kPostgresEngine.open(settings_)) {
    request.target_dir = target;
}

Result<RestorePlan> PostgresRestoreRun::plan_of(const Json& facts) {
    return engine_->plan_restore(request, facts);
}

Result<std::unique_ptr<RestoreSession>> PostgresRestoreRun::open(const RecordedBackup& backup) {
    return engine_->open_restore(request, backup.facts(), {log_, progress, stop});
}

Status PostgresRestoreRun::run(const RecordedBackup& backup) {
    ASB_TRY(const auto session, open(backup));
    ASB_CHECK(backup.play(*session));
    ASB_CHECK(session->publish());
    report = join(session->report(), "\n");
    return {};
}

}  // namespace asb::test
