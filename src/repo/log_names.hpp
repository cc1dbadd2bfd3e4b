#pragma once
// Why this exists: what a piece of a streamed log is, its name alone says: where it begins and
// ends, and what is known of the commits in it. So the catalog plans over a million pieces without
// opening one.
//
//   log/<log id>/log.json                     the log's own record
//   log/<log id>/<line>.history               how a line came from others
//   log/<log id>/<YYYYMMDD>/<line>-<start>-<end>-<newest commit>-<covered until><suffix>
//
// <line> is 8 hex digits, the others 16, upper-case; times are microseconds since 1970 UTC, and 0
// as the newest commit says that there is none. A clock that stood before 1970 is written as 1970.

#include <optional>
#include <string>
#include <string_view>

#include "engine/log.hpp"
#include "store/store.hpp"

namespace asb {

inline constexpr std::string_view kLogPrefix = "log/";

// What stands in a log object's name.
struct LogObject {
    LogRange range;
    std::optional<CommitTime> newest_commit;  // absent: it holds no commit
    CommitTime covered_until{};               // as LogTimes::covered_until
    std::uint32_t day = 0;                    // of the folder: 20240115; whoever writes chooses it
    bool compressed = true;
    bool encrypted = true;
    friend bool operator==(const LogObject&, const LogObject&) = default;
};

// ".log.gz.enc", ".log.gz", ".log.enc" or ".log"
std::string_view log_suffix(bool compressed, bool encrypted);

// `log_id` is of a-z, 0-9 and '_', 40 characters at most. What no name can have (a day that no
// calendar has, an end before the start) ends the process.
ObjectKey log_object_key(std::string_view log_id, const LogObject& object);
ObjectKey log_history_key(std::string_view log_id, std::uint32_t line);
ObjectKey log_record_key(std::string_view log_id);
// 20240115 for the day in which `time` lies, UTC.
std::uint32_t day_of(CommitTime time);

// What one name below log/ is.
struct LogName {
    enum class Kind { object, history, record };
    Kind kind = Kind::object;
    std::string_view log_id;  // of the text that was parsed
    LogObject object;         // of an object
    std::uint32_t line = 0;   // of a history
};
// The inverse of the three; nullopt for any other text, however little it differs.
std::optional<LogName> parse_log_name(std::string_view key);

}  // namespace asb
