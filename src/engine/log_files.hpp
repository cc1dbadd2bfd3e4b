#pragma once
// Why this exists: PostgreSQL's server fetches its log by itself, file by file, while it recovers
// (restore_command). Whoever fetches for it needs to know which file is which part of the log, and
// to have ranges of the log put together as those files.

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "engine/log.hpp"
#include "io/byte_stream.hpp"

namespace asb {

// Below the server's data directory: where files wait that were fetched ahead, each under its name.
// They are whole: whoever moves one away has it.
inline constexpr std::string_view kPrefetchFolder = "pg_wal/asb-prefetch";
// In it: written anew with each file. Older than the server's start: what waits there may be what a
// loss of power has left.
inline constexpr std::string_view kPrefetchState = ".state";

// Which files a server asks for. Thread-safe.
class LogFileNames {
  public:
    virtual ~LogFileNames() = default;
    // The part of the log that the file of this name is; nullopt for any other name.
    [[nodiscard]] virtual std::optional<LogRange> file(std::string_view name) const = 0;
    // The name of the file that holds `point`.
    [[nodiscard]] virtual std::string name_of(const LogPoint& point) const = 0;
    // The line whose history the file of this name tells; nullopt for any other name.
    [[nodiscard]] virtual std::optional<std::uint32_t> history(std::string_view name) const = 0;
    [[nodiscard]] virtual std::string history_name(std::uint32_t line) const = 0;
    // Such a file, as the server reads it. `branches`: of the line and all before it.
    [[nodiscard]] virtual std::string history_text(
        const std::vector<LogBranch>& branches) const = 0;
};

struct LogFilesOptions {
    std::string folder;      // where files appear, each under its name when it is whole
    std::string beginnings;  // a folder with files whose beginning may be missing in what is fed
    // Before a new file is begun: waits for room, or ends the work with an error.
    std::function<Status()> before_file;
    // The log up to here is in files.
    std::function<Status(const LogPoint& end)> after_file;
};

// Puts files together. One thread at a time.
class LogFiles {
  public:
    virtual ~LogFiles() = default;
    // `bytes` begin at `start` and go on from what was fed before, on the same line or on one that
    // left it there.
    virtual Status feed(const LogPoint& start, Bytes bytes) = 0;
    // Nothing more comes: the last file is filled up with zeros.
    virtual Status finish() = 0;
};

}  // namespace asb
