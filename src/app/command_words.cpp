#include "app/command_words.hpp"

namespace asb {
namespace {

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

// Of verbs that read one repository, or act on one alone.
void add_repository(CLI::App& verb, Words& words) {
    verb.add_option("--repository", words.repository,
                    "this repository alone (REPOSITORY): a folder, s3://BUCKET/PREFIX or "
                    "gs://BUCKET/PREFIX")
        ->type_name("PLACE");
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
    verb.add_option(
            "--target-position", target.position,
            "what was committed by there: a WAL position (0/2000028, or of an older timeline "
            "'0/2000028 (timeline 1)') or an optime (S:I)")
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
    add_repository(*verb, words);
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
    add_repository(*verb, words);
    verb->add_option("--backup-file,-f", words.invocation.explain_from,
                     "from this full backup, or of the log of this incremental one")
        ->type_name("NAME");
    verb->add_option("time", target.time,
                     "an instant with its zone (RFC 3339), as 2024-01-15T14:30:00Z; or latest")
        ->type_name("TIME|latest");
    verb->add_option("--target-position", target.position,
                     "instead of a time: an LSN as 0/2000028 (of an older timeline '0/2000028 "
                     "(timeline 1)'), or an optime as 1705329000:1")
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

void add_sync(CLI::App& app, Words& words) {
    auto* verb = add_verb(app, words, "sync",
                          "copy what one destination lacks and another has, without the database "
                          "and without a key; docs/stores.md",
                          "auth-service-backup sync --dry-run");
    verb->add_flag("--dry-run", words.invocation.sync.dry_run,
                   "say what would be copied, write nothing");
    verb->add_flag(
        "--repair", words.invocation.sync.repair,
        "read everything everywhere, and write anew what is damaged in one destination and "
        "whole in another");
}

void add_retention(CLI::App& app, Words& words) {
    auto* expire = add_verb(app, words, "expire",
                            "remove old backups by the policy of RETENTION_*, everywhere; "
                            "docs/retention.md",
                            "auth-service-backup expire --dry-run --set RETENTION_DAYS=30");
    expire->add_flag("--dry-run", words.invocation.expire.dry_run,
                     "print what would be kept and removed, and why; remove nothing");
    expire
        ->add_option("--accept-missing", words.invocation.expire.accept_missing,
                     "backups that are missing from the list were taken away on purpose; this "
                     "is why, and goes into a record that stays")
        ->type_name("TEXT");
    auto& request = words.invocation.hold;
    auto* hold = add_verb(app, words, "hold", "keep a backup whatever the policy says",
                          "auth-service-backup hold add latest --reason 'case 4711' --owner legal");
    hold->require_subcommand(1);
    auto* add = add_verb(*hold, words, "add", "hold a backup, in every destination that has it",
                         "auth-service-backup hold add latest --reason 'case 4711' --owner legal "
                         "--until 2027-12-31T00:00:00Z");
    add->add_option("backup", request.backup, "its name, or latest")->required()->type_name("NAME");
    add->add_option("--reason", request.reason, "why")->required()->type_name("TEXT");
    add->add_option("--owner", request.owner, "who answers for it")->required()->type_name("TEXT");
    add->add_option("--until", request.until,
                    "when it ends by itself (RFC 3339, with a zone); else it is to be lifted")
        ->type_name("TIME");
    auto* remove = add_verb(*hold, words, "remove", "lift a hold, in every destination",
                            "auth-service-backup hold remove 0123456789abcdef0123456789abcdef");
    remove->add_option("id", request.id, "as hold list shows it")->required()->type_name("ID");
    auto* list = add_verb(*hold, words, "list", "all holds", "auth-service-backup hold list");
    for (auto* verb : {expire, add, remove, list}) add_repository(*verb, words);
}

void add_others(CLI::App& app, Words& words) {
    auto* list = add_verb(app, words, "list", "list all backups, or what is inside one",
                          "auth-service-backup list --contents latest");
    add_repository(*list, words);
    list->add_option("--contents", words.invocation.contents_reference,
                     "what this backup holds, as --only names it: a path, a name, or latest")
        ->type_name("FILE");
    auto* verify =
        add_verb(app, words, "verify", "prove that a backup would come back, to the last byte",
                 "auth-service-backup verify latest");
    add_repository(*verify, words);
    verify->add_option("file", words.invocation.verify_reference, "a path, a name, or latest")
        ->required()
        ->type_name("FILE");
    verify->add_flag("--chain", words.invocation.verify_chain,
                     "all that it goes back to as well, and the log between: from the full backup "
                     "to this one (or, of a full backup, to the end of what is kept)");
    verify->add_flag("--shallow", words.invocation.verify_shallow,
                     "download nothing of the body: its presence, its length, and its digests "
                     "where the store tells them");
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

}  // namespace

void add_verbs(CLI::App& app, Words& words) {
    add_backup(app, words);
    add_restore(app, words);
    add_explain(app, words);
    add_fetch_wal(app, words);
    add_stream(app, words);
    add_sync(app, words);
    add_retention(app, words);
    add_others(app, words);
}

}  // namespace asb
