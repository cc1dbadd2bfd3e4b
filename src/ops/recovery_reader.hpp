#pragma once
// Why this exists: from a recovery's source to the log's bytes, for the search of the stop, for the
// server that fetches its log, and for the session that replays it.

#include <map>
#include <memory>
#include <string>

#include "ops/drivers.hpp"
#include "repo/log_reader.hpp"

namespace asb {

// For RecoverySource::store_settings.
std::map<std::string, std::string> store_settings(const Drivers& drivers, const StoreDriver& store,
                                                  const Settings& settings);

// `source` is borrowed. One thread at a time.
class RecoveryReader {
  public:
    // `usage` when this program has no driver for the source's store or engine. `progress` (may be
    // null) counts what is read of archives.
    static Result<std::unique_ptr<RecoveryReader>> open(const RecoverySource& source,
                                                        const Drivers& drivers,
                                                        const StopToken& stop,
                                                        Progress* progress = nullptr);
    ~RecoveryReader();

    // Every span, from `first` on.
    [[nodiscard]] Status read_from(const LogPoint& first, const LogReader::Take& take) const;
    // One span, or a part of it.
    [[nodiscard]] Status read(const SourceSpan& span, const LogReader::Take& take) const;
    // The span as entries of this engine's archives, into a session that replays them.
    [[nodiscard]] Status push(const SourceSpan& span, EntrySink& sink) const;
    // Where within `span` a search for `target` may begin, by the index that its backup has of it:
    // `from`, or later.
    [[nodiscard]] Result<LogPoint> search_start(const SourceSpan& span, const LogTarget& target,
                                                const LogPoint& from) const;
    // Whether every span's bytes are as they were written.
    [[nodiscard]] Status check_all() const;
    // As the engine's files.
    [[nodiscard]] Result<std::unique_ptr<LogFiles>> files(LogFilesOptions options) const;
    [[nodiscard]] Result<std::unique_ptr<LogFileNames>> file_names() const;
    [[nodiscard]] Engine& engine() const;

  private:
    struct State;
    explicit RecoveryReader(std::unique_ptr<State> state);
    std::unique_ptr<State> state_;
};

}  // namespace asb
