#include "app/command_line.hpp"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <array>

#include "base/text.hpp"

namespace asb {

const char* const kToolVersion = ASB_VERSION;

namespace {

// What CLI11 writes into while it parses.
struct Words {
    Invocation invocation;
    std::string backup_type;
    std::string backup_type_word;
    std::string restore_verify;
    bool restore_list = false;
    std::string components;
    std::vector<std::string> only;
    std::string resume;
    std::vector<std::string> tablespaces;
    std::vector<std::string> sets;
    bool allow_inconsistent = false;
    std::string backup_dir;
    std::string jobs;
    std::string progress = "auto";
};

CLI::App* add_verb(CLI::App& app, Words& words, const std::string& name, const std::string& summary,
                   const std::string& example) {
    auto* verb = app.add_subcommand(name, summary);
    verb->footer("Example:\n  " + example);
    auto& invocation = words.invocation;
    verb->add_flag("--json", invocation.json, "one JSON document on stdout, nothing else");
    verb->add_flag("--quiet,-q", invocation.quiet,
                   "no progress, no report; warnings and errors only");
    verb->add_flag("--verbose,-v", invocation.verbose, "the full story on stderr");
    verb->add_option("--config", invocation.config_path, "the configuration file to read")
        ->type_name("FILE");
    verb->add_option("--progress", words.progress, "how to show progress on stderr")
        ->check(CLI::IsMember({"auto", "plain", "json", "none"}))
        ->type_name("auto|plain|json|none");
    verb->add_option("--set", words.sets, "a setting for this run, as in --set LOG_DIR=/tmp")
        ->type_name("NAME=VALUE");
    verb->add_option("--backup-dir", words.backup_dir, "the repository (BACKUP_DIR)")
        ->type_name("DIR");
    verb->add_option("--jobs,-j", words.jobs, "threads to work with (BACKUP_JOBS)")->type_name("N");
    return verb;
}

void add_backup(CLI::App& app, Words& words) {
    auto* verb =
        add_verb(app, words, "backup", "take one backup", "auth-service-backup backup --type full");
    verb->add_option("type", words.backup_type_word,
                     "full (the default), incremental (what changed since the last backup) or "
                     "config")
        ->type_name("full|incremental|config");
    verb->add_option("--type,-t", words.backup_type, "the same, as an option")
        ->type_name("full|incremental|config");
    verb->add_flag("--no-promote", words.invocation.backup.no_promote,
                   "with incremental: end with exit 3 where a full backup would be taken instead");
    verb->add_flag("--dry-run", words.invocation.backup.dry_run,
                   "check everything that a run needs, print the plan, write nothing");
    verb->add_flag("--allow-inconsistent", words.allow_inconsistent,
                   "back up a MongoDB server without an oplog (MONGODB_ALLOW_INCONSISTENT)");
}

// Where in the log to stop.
void add_target(CLI::App& verb, TargetWords& target) {
    verb.add_option("--target-time", target.time,
                    "what was committed by then: 2024-01-15T14:30:00Z (the zone is required), or "
                    "latest")
        ->type_name("TIME");
    verb.add_option("--target-position", target.position,
                    "what was committed by there: a WAL position (0/2000028) or an optime (S:I)")
        ->type_name("POSITION");
    verb.add_option("--target-name", target.name, "up to this restore point of PostgreSQL")
        ->type_name("NAME");
    verb.add_option("--oplog-limit", target.oplog_limit,
                    "MongoDB: before this optime, as mongorestore's --oplogLimit")
        ->type_name("S[:I]");
}

void add_restore(CLI::App& app, Words& words) {
    auto& restore = words.invocation.restore;
    auto* verb = add_verb(app, words, "restore", "put data back, or list and verify backups",
                          "auth-service-backup restore --backup-file latest --target-dir "
                          "/var/lib/postgresql/15/restored\n"
                          "  auth-service-backup restore --backup-file latest --only "
                          "'/etc/auth/*.yaml' --files-dir /srv/restored\n"
                          "  auth-service-backup restore --backup-file latest --force --staging "
                          "/srv/prepared\n"
                          "  auth-service-backup restore --resume --staging /srv/prepared");
    verb->add_option("--backup-file,-f", restore.backup, "the backup: a path, a name, or latest")
        ->type_name("FILE");
    add_target(*verb, restore.target);
    verb->add_option("--from-mongodump", restore.from_mongodump,
                     "instead of a backup: a folder or an --archive file of mongodump's")
        ->type_name("PATH");
    verb->add_flag("--list", words.restore_list, "list all backups (the verb list)");
    verb->add_option("--contents", words.invocation.contents_reference,
                     "with --list: what this backup holds")
        ->type_name("FILE");
    verb->add_option("--verify", words.restore_verify, "verify a backup (the verb verify)")
        ->type_name("FILE");
    verb->add_flag("--dry-run", restore.dry_run,
                   "print what would be done and replaced, write nothing");
    verb->add_flag("--force", restore.request.force,
                   "replace what is there; the old stays under a printed name");
    verb->add_flag("--drop-old", restore.request.drop_old,
                   "with --force: do not keep what was replaced");
    verb->add_flag("--all-databases", restore.request.all_databases,
                   "every database of the backup, not only the URL's");
    verb->add_option(
            "--target-dir", restore.request.target_dir,
            "lay a PostgreSQL data directory there, instead of restoring into DATABASE_URL")
        ->type_name("DIR");
    verb->add_option("--files-dir", restore.request.files_dir,
                     "where configuration, certificates and logs go")
        ->type_name("DIR");
    verb->add_option("--components", words.components,
                     "what to restore: database,config,certificates,logs (default: database)")
        ->type_name("LIST");
    verb->add_option("--only", words.only,
                     "these alone: databases, schemas, tables, collections, paths of files with "
                     "globs; comma-separated, repeatable")
        ->type_name("WORD,...");
    verb->add_option("--tablespace", words.tablespaces,
                     "with --target-dir: where a tablespace goes (repeatable)")
        ->type_name("OID|PATH=NEWPATH");
    verb->add_option("--staging", restore.staging,
                     "prepare and check everything there, to be published later with --resume")
        ->type_name("DIR");
    verb->add_option("--resume", words.resume,
                     "publish what was prepared in DIR (or in that of --staging)")
        ->expected(0, 1)
        ->type_name("[DIR]");
    verb->add_flag("--unauthenticated", restore.unauthenticated,
                   "read a body whose manifest is lost; nothing proves what it is");
}

void add_explain(CLI::App& app, Words& words) {
    auto& target = words.invocation.explain;
    auto* verb = add_verb(app, words, "explain",
                          "can we get back to then? from what, or why not and which instants are "
                          "nearest; touches nothing, needs no key",
                          "auth-service-backup explain 2024-01-15T14:30:00+01:00");
    verb->add_option("time", target.time,
                     "an instant with its zone (RFC 3339), as 2024-01-15T14:30:00Z; or latest")
        ->type_name("TIME|latest");
    verb->add_option("--target-position", target.position,
                     "instead of a time: an LSN as 0/2000028, or an optime as 1705329000:1")
        ->type_name("POSITION");
    verb->add_option("--target-name", target.name,
                     "instead of a time: a restore point of PostgreSQL")
        ->type_name("NAME");
    verb->add_option("--oplog-limit", target.oplog_limit,
                     "instead of a time: the first entry to leave out, as mongorestore takes it")
        ->type_name("SECONDS[:ORDINAL]");
}

// Run by PostgreSQL itself: no configuration is read, and it is in no other verb's family.
void add_fetch_wal(CLI::App& app, Words& words) {
    auto& fetch = words.invocation.fetch;
    auto* verb = app.add_subcommand(
        "fetch-wal", "what a restored PostgreSQL runs as its restore_command; not for people");
    verb->footer(
        "Example:\n  restore_command = 'auth-service-backup fetch-wal --source "
        "asb_recovery.json \"%f\" \"%p\"'");
    verb->add_option("--source", fetch.source,
                     "the file that the restore wrote into the data "
                     "directory")
        ->required()
        ->type_name("FILE");
    verb->add_option("name", fetch.name, "the file that the server wants")->type_name("NAME");
    verb->add_option("path", fetch.path, "where it wants it")->type_name("PATH");
    verb->add_flag("--end", fetch.end, "the recovery has ended: remove what was fetched ahead");
    verb->add_flag("--probe", fetch.probe, "only find out whether the repository can be read");
}

void add_stream(CLI::App& app, Words& words) {
    auto& stream = words.invocation.stream;
    auto* verb = add_verb(app, words, "stream",
                          "follow the database's log without end, into the repository; "
                          "docs/streaming.md",
                          "auth-service-backup stream\n"
                          "  auth-service-backup stream --status\n"
                          "With STREAM_SYNCHRONOUS=true and, on the server, ALTER SYSTEM SET "
                          "synchronous_standby_names = '\"auth-service-backup\"',\n"
                          "a commit returns once it is in the repository, and waits while no "
                          "stream runs.");
    verb->add_flag("--no-promote", stream.no_promote,
                   "end with exit 3 where a full backup would be taken first");
    verb->add_flag("--status", stream.status, "how a running or the last stream stands");
    verb->add_flag("--drop-slot", stream.drop_slot,
                   "take away the replication slot that keeps the server's log for the stream");
}

void add_others(CLI::App& app, Words& words) {
    auto* list = add_verb(app, words, "list", "list all backups, or what is inside one",
                          "auth-service-backup list --contents latest");
    list->add_option("--contents", words.invocation.contents_reference,
                     "what this backup holds, as --only names it: a path, a name, or latest")
        ->type_name("FILE");
    auto* verify =
        add_verb(app, words, "verify", "prove that a backup would come back, to the last byte",
                 "auth-service-backup verify latest");
    verify->add_option("file", words.invocation.verify_reference, "a path, a name, or latest")
        ->required()
        ->type_name("FILE");
    verify->add_flag("--chain", words.invocation.verify_chain,
                     "all that it goes back to as well, and the log between: from the full backup "
                     "to this one (or, of a full backup, to the end of what is kept)");
    add_verb(app, words, "check", "every precondition of a backup, each failure with its fix",
             "auth-service-backup check")
        ->alias("doctor");
    auto* config =
        add_verb(app, words, "config", "the settings", "auth-service-backup config show");
    config->require_subcommand(1);
    add_verb(*config, words, "show",
             "each setting, its value (secrets as 'set'), and where it came from",
             "auth-service-backup config show");
    add_verb(*config, words, "reference",
             "the configuration reference, as docs/configuration.md has it",
             "auth-service-backup config reference");
}

Status take_backup_type(Words& words) {
    if (!words.backup_type.empty() && !words.backup_type_word.empty() &&
        words.backup_type != words.backup_type_word)
        return fail(Code::usage, "backup is told two types: {} and {}", words.backup_type_word,
                    words.backup_type);
    auto text = words.backup_type.empty() ? words.backup_type_word : words.backup_type;
    if (text.empty()) text = "full";
    const auto type = parse_backup_type(text);
    if (!type)
        return with_hint(
            fail(Code::usage, "there is no backup type '{}' in this version", printable(text)),
            "use --type full, --type incremental or --type config");
    words.invocation.backup.type = *type;
    if (words.invocation.backup.no_promote && *type != BackupType::incremental)
        return fail(Code::usage, "--no-promote goes with --type incremental");
    return {};
}

Status take_tablespaces(Words& words) {
    for (const auto& text : words.tablespaces) {
        const auto equals = text.find('=');
        if (equals == std::string::npos || equals == 0 || equals + 1 == text.size())
            return with_hint(
                fail(Code::usage, "--tablespace '{}' is not OID=NEWPATH or OLDPATH=NEWPATH",
                     printable(text)),
                "as in --tablespace 16384=/srv/pg/fast");
        words.invocation.restore.request.tablespaces.emplace_back(text.substr(0, equals),
                                                                  text.substr(equals + 1));
    }
    return {};
}

void add_words(const std::string& list, std::vector<std::string>& words) {
    for (const auto& part : split(list, ','))
        if (!trim(part).empty()) words.emplace_back(trim(part));
}

void take_components(const CLI::App& app, Words& words) {
    auto& restore = words.invocation.restore;
    restore.components_named = app.get_subcommand("restore")->count("--components") != 0;
    add_words(restore.components_named ? words.components : "database", restore.request.components);
}

Status take_only(Words& words) {
    auto& only = words.invocation.restore.request.only;
    for (const auto& list : words.only) add_words(list, only);
    if (only.empty() && !words.only.empty())
        return with_hint(fail(Code::usage, "--only names nothing"),
                         "as in --only auth.public.users, or --only '/etc/auth/*.yaml'");
    return {};
}

Status take_staging(const CLI::App& app, Words& words) {
    auto& restore = words.invocation.restore;
    restore.resume = app.get_subcommand("restore")->count("--resume") != 0;
    if (!words.resume.empty()) {
        if (!restore.staging.empty() && restore.staging != words.resume)
            return fail(Code::usage, "--resume and --staging name two folders: {} and {}",
                        printable(words.resume), printable(restore.staging));
        restore.staging = words.resume;
    }
    if (restore.resume && restore.staging.empty())
        return with_hint(fail(Code::usage, "--resume needs the folder of the prepared restore"),
                         "as in restore --resume --staging DIR");
    if (!restore.staging.empty() && restore.unauthenticated)
        return fail(Code::usage, "--unauthenticated restores at once; leave out --staging");
    return {};
}

Status take_restore(const CLI::App& app, Words& words) {
    auto& invocation = words.invocation;
    ASB_CHECK(take_staging(app, words));
    const int asked =
        static_cast<int>(words.restore_list) + static_cast<int>(!words.restore_verify.empty()) +
        static_cast<int>(!invocation.restore.backup.empty() || invocation.restore.resume ||
                         !invocation.restore.target.empty()) +
        static_cast<int>(!invocation.restore.from_mongodump.empty());
    if (asked != 1)
        return with_hint(
            fail(Code::usage,
                 "restore needs exactly one of --backup-file FILE (or a --target-...), --resume, "
                 "--list, --verify FILE and --from-mongodump PATH"),
            "restore --list shows what there is; restore --backup-file latest takes the newest");
    if (!invocation.contents_reference.empty() && !words.restore_list)
        return with_hint(fail(Code::usage, "--contents goes with --list"),
                         "as in restore --list --contents latest");
    if (words.restore_list) invocation.verb = Verb::list;
    if (!words.restore_verify.empty()) {
        invocation.verb = Verb::verify;
        invocation.verify_reference = words.restore_verify;
    }
    auto& request = invocation.restore.request;
    take_components(app, words);
    ASB_CHECK(take_only(words));
    if (request.drop_old && !request.force)
        return fail(Code::usage, "--drop-old goes with --force");
    if (request.all_databases && !request.target_dir.empty())
        return fail(Code::usage,
                    "--target-dir lays the whole data directory; leave out --all-databases");
    return take_tablespaces(words);
}

Status take_sets(Words& words, const std::vector<const Option*>& options) {
    auto& settings = words.invocation.settings;
    for (const auto& text : words.sets) {
        const auto equals = text.find('=');
        const auto name = text.substr(0, equals);
        const auto option = std::ranges::find(options, name, &Option::name);
        if (equals == std::string::npos || option == options.end())
            return with_hint(
                fail(Code::usage, "--set '{}' is not NAME=VALUE of a setting", printable(name)),
                "config show lists the settings");
        if ((*option)->secret)
            return with_hint(
                fail(Code::usage, "{} is a secret, and the command line is public", name),
                fmt::format("set {0} or {0}_FILE in the environment or in backup.conf", name));
        settings[name] = text.substr(equals + 1);
    }
    if (!words.backup_dir.empty()) settings["BACKUP_DIR"] = words.backup_dir;
    if (!words.jobs.empty()) settings["BACKUP_JOBS"] = words.jobs;
    if (words.allow_inconsistent) settings["MONGODB_ALLOW_INCONSISTENT"] = "true";
    return {};
}

ProgressStyle progress_style(const Words& words) {
    if (words.progress == "plain") return ProgressStyle::plain;
    if (words.progress == "json") return ProgressStyle::json;
    if (words.progress == "none" || words.invocation.quiet) return ProgressStyle::none;
    return ProgressStyle::automatic;
}

Status take_verb(const CLI::App& app, Words& words, const std::vector<const Option*>& options) {
    auto& invocation = words.invocation;
    invocation.progress = progress_style(words);
    ASB_CHECK(take_sets(words, options));
    if (app.got_subcommand("backup")) {
        invocation.verb = Verb::backup;
        return take_backup_type(words);
    }
    if (app.got_subcommand("restore")) {
        invocation.verb = Verb::restore;
        return take_restore(app, words);
    }
    if (app.got_subcommand("stream")) {
        invocation.verb = Verb::stream;
        if (invocation.stream.status && invocation.stream.drop_slot)
            return fail(Code::usage, "--status and --drop-slot are two questions; ask one");
    }
    if (app.got_subcommand("list")) invocation.verb = Verb::list;
    if (app.got_subcommand("verify")) invocation.verb = Verb::verify;
    if (app.got_subcommand("explain")) {
        invocation.verb = Verb::explain;
        if (invocation.explain.empty())
            return with_hint(fail(Code::usage, "explain needs to know where to"),
                             "as in explain 2024-01-15T14:30:00Z, or explain latest");
    }
    if (app.got_subcommand("fetch-wal")) {
        invocation.verb = Verb::fetch_wal;
        const bool fetches = !invocation.fetch.end && !invocation.fetch.probe;
        if (fetches == (invocation.fetch.name.empty() || invocation.fetch.path.empty()))
            return fail(Code::usage, "fetch-wal needs NAME and PATH, or --end, or --probe");
    }
    if (app.got_subcommand("check")) invocation.verb = Verb::check;
    if (app.got_subcommand("config"))
        invocation.verb = app.get_subcommand("config")->got_subcommand("reference")
                              ? Verb::config_reference
                              : Verb::config_show;
    return {};
}

// Verbs of the product that come with later versions: named, so that nobody takes them for typing
// errors.
constexpr std::array<std::string_view, 9> kLaterVerbs = {
    "dr", "schedule", "expire", "keys", "drill", "notify", "audit", "report", "completion"};

bool is_later_verb(std::string_view word) {
    return std::ranges::find(kLaterVerbs, word) != kLaterVerbs.end();
}

// CLI11 takes an unknown first word for a missing verb; this names it.
Status check_verb(const CLI::App& app, int argc, const char* const* argv) {
    if (argc < 2 || argv[1][0] == '-') return {};
    const std::string word = argv[1];
    if (is_later_verb(word))
        return with_hint(fail(Code::usage, "this version does not have '{}' yet", word),
                         "auth-service-backup --help lists what it has");
    std::vector<std::string> verbs = {"doctor"};
    for (const auto* verb : app.get_subcommands({})) verbs.push_back(verb->get_name());
    if (std::ranges::find(verbs, word) != verbs.end()) return {};
    const auto meant = nearest(word, verbs);
    return with_hint(fail(Code::usage, "there is no verb '{}'", printable(word)),
                     meant.empty() ? "auth-service-backup --help lists the verbs"
                                   : fmt::format("did you mean '{}'?", meant));
}

ParsedCommandLine usage_error(const Error& error) {
    return {
        .invocation = {}, .text = to_text(error) + "\n", .exit_status = exit_status(Code::usage)};
}

}  // namespace

ParsedCommandLine parse_command_line(int argc, const char* const* argv,
                                     const std::vector<const Option*>& options) {
    Words words;
    CLI::App app(
        "Backup and disaster recovery for an authentication service on MongoDB or PostgreSQL.",
        "auth-service-backup");
    app.set_version_flag("--version", std::string("auth-service-backup ") + kToolVersion);
    app.require_subcommand(1);
    app.footer(
        "Example:\n  auth-service-backup check\n\nEach verb has its own --help. Exit codes: "
        "docs/exit-codes.md.");
    add_backup(app, words);
    add_restore(app, words);
    add_stream(app, words);
    add_explain(app, words);
    add_fetch_wal(app, words);
    add_others(app, words);
    const bool json = std::any_of(
        argv, argv + argc, [](const char* word) { return std::string_view(word) == "--json"; });
    if (const auto known = check_verb(app, argc, argv); !known) {
        auto parsed = usage_error(known.error());
        parsed.json = json;
        return parsed;
    }
    try {
        app.parse(argc, argv);
    } catch (const CLI::Success& success) {
        std::ostringstream out;
        std::ostringstream err;
        app.exit(success, out, err);
        return {.invocation = {}, .text = out.str(), .exit_status = 0, .json = json};
    } catch (const CLI::ParseError& error) {
        std::string fact = printable(error.what());
        if (!fact.empty())
            fact[0] = static_cast<char>(std::tolower(static_cast<unsigned char>(fact[0])));
        auto parsed = usage_error(
            with_hint(fail(Code::usage, "{}", fact), "auth-service-backup --help, or VERB --help"));
        parsed.json = json;
        return parsed;
    }
    if (const auto taken = take_verb(app, words, options); !taken) {
        auto parsed = usage_error(taken.error());
        parsed.json = json;
        return parsed;
    }
    return {.invocation = std::move(words.invocation), .text = {}, .exit_status = 0, .json = json};
}

}  // namespace asb
