#include "app/command_line.hpp"

#include <algorithm>
#include <array>

#include "app/command_words.hpp"
#include "base/text.hpp"

namespace asb {

const char* const kToolVersion = ASB_VERSION;

namespace {

Status take_backup(const CLI::App& /*app*/, Words& words) {
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
    if (!words.repository.empty()) settings["REPOSITORY"] = words.repository;
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

Status take_stream(const CLI::App& /*app*/, Words& words) {
    if (words.invocation.stream.status && words.invocation.stream.drop_slot)
        return fail(Code::usage, "--status and --drop-slot are two questions; ask one");
    return {};
}

Status take_verify(const CLI::App& /*app*/, Words& words) {
    if (words.invocation.verify_chain && words.invocation.verify_shallow)
        return fail(Code::usage, "--chain reads everything, --shallow nothing; use one");
    return {};
}

Status take_explain(const CLI::App& /*app*/, Words& words) {
    if (!words.invocation.explain.empty()) return {};
    return with_hint(fail(Code::usage, "explain needs to know where to"),
                     "as in explain 2024-01-15T14:30:00Z, or explain latest");
}

Status take_fetch_wal(const CLI::App& /*app*/, Words& words) {
    const auto& fetch = words.invocation.fetch;
    const bool fetches = !fetch.end && !fetch.probe;
    if (fetches != (fetch.name.empty() || fetch.path.empty())) return {};
    return fail(Code::usage, "fetch-wal needs NAME and PATH, or --end, or --probe");
}

Status take_hold(const CLI::App& app, Words& words) {
    using Action = HoldRequest::Action;
    const auto& verb = *app.get_subcommand("hold");
    auto& action = words.invocation.hold.action;
    if (verb.got_subcommand("add")) action = Action::add;
    if (verb.got_subcommand("remove")) action = Action::remove;
    return {};
}

Status take_config(const CLI::App& app, Words& words) {
    if (app.get_subcommand("config")->got_subcommand("reference"))
        words.invocation.verb = Verb::config_reference;
    return {};
}

// What the words of a verb mean together; null: nothing more than each alone.
struct VerbWords {
    const char* name;
    Verb verb;
    Status (*take)(const CLI::App& app, Words& words);
};

constexpr std::array kVerbs = {VerbWords{"backup", Verb::backup, take_backup},
                               VerbWords{"restore", Verb::restore, take_restore},
                               VerbWords{"list", Verb::list, nullptr},
                               VerbWords{"verify", Verb::verify, take_verify},
                               VerbWords{"explain", Verb::explain, take_explain},
                               VerbWords{"stream", Verb::stream, take_stream},
                               VerbWords{"fetch-wal", Verb::fetch_wal, take_fetch_wal},
                               VerbWords{"sync", Verb::sync, nullptr},
                               VerbWords{"expire", Verb::expire, nullptr},
                               VerbWords{"hold", Verb::hold, take_hold},
                               VerbWords{"check", Verb::check, nullptr},
                               VerbWords{"config", Verb::config_show, take_config}};

// What goes to every destination cannot be told to look at one.
Status check_repository(const Words& words) {
    constexpr std::array kForAll = {Verb::backup, Verb::stream, Verb::sync, Verb::check};
    const auto verb = words.invocation.verb;
    if (!words.invocation.settings.contains("REPOSITORY") ||
        std::ranges::find(kForAll, verb) == kForAll.end())
        return {};
    return with_hint(fail(Code::usage, "REPOSITORY is for verbs that work with one repository"),
                     "backup, stream, sync and check take BACKUP_DIR, S3_BUCKET and GCS_BUCKET; "
                     "--set clears one, as in --set S3_BUCKET=");
}

Status take_verb(const CLI::App& app, Words& words, const std::vector<const Option*>& options) {
    words.invocation.progress = progress_style(words);
    ASB_CHECK(take_sets(words, options));
    const auto said = std::ranges::find_if(
        kVerbs, [&](const VerbWords& verb) { return app.got_subcommand(verb.name); });
    ASB_ASSERT(said != kVerbs.end());
    words.invocation.verb = said->verb;
    ASB_CHECK(check_repository(words));
    return said->take == nullptr ? Status() : said->take(app, words);
}

// Verbs of the product that come with later versions: named, so that nobody takes them for typing
// errors.
constexpr std::array<std::string_view, 8> kLaterVerbs = {
    "dr", "schedule", "keys", "drill", "notify", "audit", "report", "completion"};

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
    add_verbs(app, words);
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
