#pragma once
// Why this exists: what backing up a source (a database, a set of files) has in common, so that a
// new source is one folder and one line in app/drivers.cpp.

#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "base/json.hpp"
#include "base/log.hpp"
#include "base/progress.hpp"
#include "base/secret.hpp"
#include "base/settings.hpp"
#include "base/stop.hpp"
#include "codec/tar.hpp"
#include "engine/log_files.hpp"
#include "engine/log_follower.hpp"
#include "engine/log_search.hpp"

namespace asb {

// One line of `check`: what was looked at, how it stands, and for a FAIL the literal fix.
struct CheckLine {
    enum class Verdict { ok, warn, fail };
    Verdict verdict = Verdict::ok;
    std::string subject;  // "database connection", "pg_hba.conf"
    std::string detail;
    std::string fix;           // for fail, and where it helps for warn
    Code code = Code::failed;  // exit code if this is the worst line
};

// What a session reports besides its entries, once it has ended well.
struct BackupFacts {
    // Goes into the manifest as "engine"; keys documented in docs/FORMAT.md. No secret. Integers,
    // strings, objects only.
    Json engine = Json::object();
    // Things that are missing or not whole, named (exit 3). Empty for a complete backup.
    std::vector<std::string> incomplete;
    std::vector<std::string> warnings;
    // Of a source that has a log (Engine::has_log): what of it the archive holds. Absent where
    // nothing can go on from this backup (a logical dump, a server without an oplog).
    std::optional<LogFacts> log;
};

// A small entry, by its name, of the backup that an incremental one goes on from; nullopt when that
// has none. Empty: there is no such backup.
using ParentEntry = std::function<Result<std::optional<std::string>>(const std::string& entry)>;

struct SessionContext {
    Log& log;
    Progress& progress;
    StopToken stop;
    // Of a backup: where each of the repository's logs of this engine ends, one an identity. A full
    // backup closes what lies between its own log's end and itself, as far as the server still has
    // it; an incremental one begins there.
    std::vector<LogTail> tails = {};
    // The id of a log that begins with this backup.
    std::string new_log_id = {};
    // A full backup: the source is to keep its log from now on, since incremental ones follow.
    bool keep_log = false;
    // An incremental backup of a source without a log.
    ParentEntry parent_entry = {};

    // The tail of this identity; null when the repository has none.
    [[nodiscard]] const LogTail* tail_of(std::string_view identity) const;
};

// A consistent set of entries out of one source. Used once, from one thread.
class BackupSession {
  public:
    virtual ~BackupSession() = default;
    // Bytes that write_entries is expected to push; 0 when the source cannot tell beforehand.
    [[nodiscard]] virtual std::uint64_t expected_bytes() const = 0;
    // For a dry run and --verbose: what will be done, one line each.
    [[nodiscard]] virtual std::vector<std::string> plan() const = 0;
    // Pushes every entry. On error nothing may be published. After success `facts` is complete.
    virtual Status write_entries(EntrySink& sink) = 0;
    [[nodiscard]] virtual const BackupFacts& facts() const = 0;
    // The backup is published: the source may forget what was only kept for it. On error nothing is
    // lost but room at the source; the next run tries again.
    virtual Status settle() { return {}; }
    // Of an incremental session, after it was opened and after write_entries has failed: why
    // nothing can go on from the tail (a slot that was lost, a log that was removed or rewound,
    // another database), for the operator. Then only a full backup helps.
    [[nodiscard]] virtual std::optional<std::string> gap() const { return std::nullopt; }
    // Of an incremental session without a gap, from its opening on: the tail that it goes on from.
    [[nodiscard]] virtual const LogTail* goes_on_from() const { return nullptr; }
};

// An entry of a stored archive, as its inner manifest has it.
struct StoredEntry {
    std::string name;
    EntryType type = EntryType::file;
    std::uint64_t size = 0;
};

// How a restore goes on after its full backup.
struct Recovery {
    std::optional<LogStop> stop;  // absent: where the backup itself is consistent
    std::uint32_t line = 0;       // on which it stops
    // For an engine whose server fetches its log itself (Engine::fetches_log): the program that
    // fetches (its path and first words), and what it reads: secret, for a file that only the
    // server's user can read.
    std::vector<std::string> fetch_program;
    Secret fetch_source;
    // Puts all that could be fetched into this folder instead, where that user may not read the
    // repository.
    std::function<Status(const std::string& folder)> unpack;
    // For people: "2024-01-15T14:30:00Z", as the target was said.
    std::string target;
};

// Where a restore is to go, as the operator said it.
struct RestoreRequest {
    std::string target_dir;  // --target-dir: a data directory ready to start; empty: the database
                             // of the URL
    std::string files_dir;   // --files-dir: where configuration, certificates and logs go
    std::string
        staging_dir;  // where an engine may unpack and work until it publishes (`work` below
                      // --staging); empty: the engine chooses
    std::vector<std::pair<std::string, std::string>>
        tablespaces;                      // --tablespace: oid or old path -> new path
    std::vector<std::string> components;  // "database", "config", "certificates", "logs"
    // --only: globs of what alone is wanted, this engine's own ("auth.public.users",
    // "auth.sessions",
    // "/etc/auth/*"); empty: everything.
    std::vector<std::string> only;
    // With --only: the entries that choose_entries chose, in their order; they alone will come.
    std::vector<StoredEntry> chosen;
    bool all_databases = false;
    bool force = false;            // replace what is there
    bool drop_old = false;         // do not keep what was replaced
    std::uint64_t data_bytes = 0;  // plain bytes of the archive, or of what was chosen from it
    unsigned jobs = 2;
    std::optional<Recovery> recovery;  // absent: to the end of the one backup
};

// What a restore would do; made with read-only means, printed by --dry-run.
struct RestorePlan {
    std::vector<std::string> steps;     // one line each, in order
    std::vector<std::string> replaces;  // what is there now and would be replaced
};

// Entries go in, and nothing of them is visible under its final name before `publish`. Destroyed
// without a successful publish, it removes what it staged and leaves the target as it was.
class RestoreSession : public EntrySink {
  public:
    // What comes from now on is the log in `range`, which goes on where what came before ends:
    // entries as an incremental backup holds them. Here: `usage`, since this session takes none.
    virtual Status begin_slice(const LogRange& range);
    // What comes from now on are the entries of the next backup of the chain, as an incremental one
    // of this source holds them. Here: `usage`, since this session takes none.
    virtual Status begin_link();
    // Everything has arrived and the archive is proved to its last byte: check it, then the one
    // short step.
    virtual Status publish() = 0;
    // After publish: what is where now, one line each for the operator; and what is not whole (exit
    // 3).
    [[nodiscard]] virtual std::vector<std::string> report() const = 0;
    [[nodiscard]] virtual std::vector<std::string> incomplete() const { return {}; }
};

// A part of an archive that can be restored by name: entries under `prefix` belong to it.
struct Component {
    std::string_view name;    // "database"
    std::string_view prefix;  // "postgresql/"
};

// One line of `list --contents`: something that an operator can name with --only.
struct ContentLine {
    std::string kind;  // "database", "collection", "cluster", "file"
    std::string name;  // as --only takes it
    std::uint64_t bytes = 0;
};

// Thread-compatible.
class Engine {
  public:
    virtual ~Engine() = default;
    [[nodiscard]] virtual std::string_view name() const = 0;  // "postgresql", "fileset"
    [[nodiscard]] virtual std::span<const Component> components() const = 0;
    // Whether a database can be laid into a folder (--target-dir), ready for its server.
    [[nodiscard]] virtual bool has_data_directory() const { return false; }
    // Every precondition of a backup from this source, in the order in which an operator would fix
    // them.
    virtual std::vector<CheckLine> check(StopToken stop) = 0;
    // The same about the source's log: whether what comes after `tails`, where the repository's
    // logs of this engine end, can still be had. Here: nothing.
    virtual std::vector<CheckLine> check_log(const std::vector<LogTail>& tails,
                                             const StopToken& stop);
    // Connects and checks what a run needs, reads sizes, changes nothing on the source that
    // outlives the session.
    virtual Result<std::unique_ptr<BackupSession>> open_session(SessionContext context) = 0;
    // Whether what changed since another backup can be had from the source's log.
    [[nodiscard]] virtual bool has_log() const { return false; }
    // As open_session, for what changed since the one of context.tails (which are not empty) that
    // is of this source. Succeeds when there is none or the log does not go on from there, and then
    // says so with `gap`. A source without a log asks context.parent_entry instead. Here: `usage`.
    virtual Result<std::unique_ptr<BackupSession>> open_incremental(SessionContext context);
    // Goes on from context.tails as open_incremental does. Here: `usage`.
    virtual Result<FollowerOpening> follow(SessionContext context);
    // Whether a log of that identity (LogFacts::identity) may be the settings' database's, as far
    // as that can be told without asking a server. Here: it may.
    [[nodiscard]] virtual bool may_be_log_of(std::string_view identity) const;
    // Takes away what the source keeps for the logs of context.tails (a replication slot): nothing
    // will go on from them any more. Names what went. Here: nothing.
    virtual Result<std::vector<std::string>> release_log(SessionContext context);
    // A search for `target` in this engine's log; `facts` are a manifest's of this engine. Here:
    // `usage`.
    virtual Result<std::unique_ptr<LogSearch>> search_log(const LogTarget& target,
                                                          const Json& facts);
    // The entry of an incremental backup that says where in its range of this line a search may
    // begin, and what its text says of `target`: a place at or after `from`. Here: there is none.
    [[nodiscard]] virtual std::string log_index_entry(std::uint32_t line) const;
    [[nodiscard]] virtual Result<LogPoint> search_start(std::string_view index,
                                                        const LogTarget& target,
                                                        const LogPoint& from) const;
    // Whether the server of a restored copy fetches its log itself (Recovery::fetch_command);
    // otherwise the restore pushes it (RestoreSession::begin_slice).
    [[nodiscard]] virtual bool fetches_log() const { return false; }
    // The files that such a server asks for, and ranges of the log as those files. `facts`: of a
    // manifest of this engine. Here: `usage`.
    [[nodiscard]] virtual Result<std::unique_ptr<LogFileNames>> log_file_names(
        const Json& facts) const;
    [[nodiscard]] virtual Result<std::unique_ptr<LogFiles>> make_log_files(
        const Json& facts, LogFilesOptions options) const;
    // Where in the log the data of this entry of an archive begins; nullopt for an entry that holds
    // no log. MongoDB, whose entries follow each other without saying where they are: line 0 and 0.
    [[nodiscard]] virtual std::optional<LogPoint> log_entry(std::string_view name,
                                                            const Json& facts) const;
    // The name of the entry as which a piece of streamed log is given to a restore session.
    [[nodiscard]] virtual std::string_view log_object_entry() const { return {}; }
    // A position as this database's people write it ("0/2000028", "1795379725:3"), and back: what
    // position_text gives is parsed. Line 0: not said. Here: `usage`, and the numbers.
    [[nodiscard]] virtual Result<LogPoint> parse_position(std::string_view text) const;
    [[nodiscard]] virtual std::string position_text(const LogPoint& point) const;
    // Whether --oplog-limit means a place in this engine's log. Here: it does not.
    [[nodiscard]] virtual bool has_oplog() const { return false; }
    // `facts` is what the backup's manifest holds of this engine. Refuses what open_restore would
    // refuse: a target that is not empty (`refused`), a missing server installation (`database`),
    // no room (`space`).
    virtual Result<RestorePlan> plan_restore(const RestoreRequest& request, const Json& facts) = 0;
    virtual Result<std::unique_ptr<RestoreSession>> open_restore(const RestoreRequest& request,
                                                                 const Json& facts,
                                                                 SessionContext context) = 0;
    // Which of `entries` a restore of `request` needs, in their order; the rest is not even read.
    // `not_found`, naming what there is, when a word of request.only matches nothing. Here: all
    // entries of the components asked for.
    virtual Result<std::vector<bool>> choose_entries(const RestoreRequest& request,
                                                     const Json& facts,
                                                     std::span<const StoredEntry> entries);
    // Pushes a dump that a stock tool made (`path`: a folder or a file) into `sink`, as the entries
    // that a backup of this engine holds. Here: `usage`, since there is no such tool.
    virtual Status import_dump(const std::string& path, EntrySink& sink,
                               const SessionContext& context);
    // What the manifest of a backup would say of that dump, for open_restore. Here: `usage`.
    virtual Result<Json> import_facts(const std::string& path, const SessionContext& context);
    // What of `entries` (all of the archive) is this engine's, for people. Here: one line a file.
    virtual std::vector<ContentLine> contents(const Json& facts,
                                              std::span<const StoredEntry> entries);
};

// A driver: one folder, one constant of this type, one line in app/drivers.cpp.
struct EngineDriver {
    std::string_view name;
    std::string_view summary;
    std::span<const std::string_view>
        url_schemes;                  // of DATABASE_URL; empty for an engine that is not a database
    std::span<const Option> options;  // its own settings
    std::unique_ptr<Engine> (*open)(const Settings& settings);
};

}  // namespace asb
