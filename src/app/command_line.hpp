#pragma once
// Why this exists: from argv to what is to be done; the only file that knows CLI11.

#include <map>
#include <string>
#include <vector>

#include "ops/backup.hpp"
#include "ops/expire.hpp"
#include "ops/fetch_wal.hpp"
#include "ops/hold.hpp"
#include "ops/restore.hpp"
#include "ops/stream.hpp"
#include "ops/sync.hpp"
#include "repo/recovery_target.hpp"

namespace asb {

enum class Verb {
    backup,
    restore,
    list,
    verify,
    explain,
    check,
    config_show,
    config_reference,
    fetch_wal,
    stream,
    expire,
    hold,
    sync
};

enum class ProgressStyle { automatic, plain, json, none };

struct Invocation {
    Verb verb = Verb::list;
    bool json = false;
    bool quiet = false;
    bool verbose = false;
    ProgressStyle progress = ProgressStyle::automatic;
    std::string config_path;
    std::map<std::string, std::string> settings;  // given on the command line, by setting name
    BackupRequest backup;
    RestoreOptions restore;
    StreamRequest stream;
    ExpireRequest expire;
    HoldRequest hold;
    SyncRequest sync;
    std::string verify_reference;
    bool verify_chain = false;
    bool verify_shallow = false;
    TargetWords explain;
    std::string explain_from;
    FetchOptions fetch;
    std::string contents_reference;  // list --contents: the backup whose inside is listed
};

// What parse_command_line found: something to do, or a text to print and the exit status to end
// with.
struct ParsedCommandLine {
    std::optional<Invocation> invocation;
    std::string text;     // help, version, or the usage error
    int exit_status = 0;  // 0 for help and version (stdout), 2 for a usage error (stderr)
    bool json = false;    // --json was among the words, whatever else was wrong
};

// `options` are the settings that --set accepts; secrets are refused there, since argv is public.
ParsedCommandLine parse_command_line(int argc, const char* const* argv,
                                     const std::vector<const Option*>& options);

extern const char* const kToolVersion;

}  // namespace asb
