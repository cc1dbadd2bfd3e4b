#include "ops/restore_parts.hpp"

#include <algorithm>

#include "base/text.hpp"
#include "ops/sources.hpp"

namespace asb {

bool wants(const RestoreRequest& request, std::string_view component) {
    return std::ranges::find(request.components, component) != request.components.end();
}

namespace {

// Every component name that any engine of this program has.
std::vector<std::string> known_components(const OpsContext& context) {
    std::vector<std::string> names;
    for (const auto* driver : context.drivers.engines) {
        const auto engine = driver->open(context.settings);
        for (const auto& component : engine->components())
            if (std::ranges::find(names, component.name) == names.end())
                names.emplace_back(component.name);
    }
    return names;
}

bool is_database(const OpsContext& context, std::string_view engine) {
    return std::ranges::any_of(context.drivers.engines, [&](const EngineDriver* driver) {
        return driver->name == engine && !driver->url_schemes.empty();
    });
}

bool is_path(std::string_view word) {
    return word.find('/') != std::string_view::npos;
}

// The words that the engine of this name takes.
std::vector<std::string> words_of(const OpsContext& context, std::string_view engine,
                                  const std::vector<std::string>& words) {
    std::vector<std::string> taken;
    for (const auto& word : words)
        if (is_path(word) != is_database(context, engine)) taken.push_back(word);
    return taken;
}

Error nobodys_word(const std::string& word, std::string_view why) {
    return with_hint(
        fail(Code::usage, "--only {} names a {}, but {}", printable(word),
             is_path(word) ? "file" : "part of a database", why),
        "a word with a '/' is a file's path, any other a database, schema, table or collection; "
        "list --contents FILE shows what there is");
}

Result<Part> make_part(const OpsContext& context, const RestoreRequest& request,
                       const std::string& name, const Json& facts) {
    ASB_TRY(auto engine, open_engine_named(context, name));
    Part part{.engine = nullptr, .facts = facts, .request = request};
    part.request.components.clear();
    for (const auto& component : engine->components())
        if (wants(request, component.name) && !wants(part.request, component.name))
            part.request.components.emplace_back(component.name);
    part.request.only = words_of(context, name, request.only);
    part.engine = std::move(engine);
    return part;
}

Status check_words(const std::vector<Part>& parts, const RestoreRequest& request) {
    for (const auto& word : request.only)
        if (std::ranges::none_of(parts, [&](const Part& part) {
                return std::ranges::find(part.request.only, word) != part.request.only.end();
            }))
            return nobodys_word(word, "--components leaves that out");
    return {};
}

// Adds what `part` needs to `chosen`.
Status choose(Part& part, const std::vector<StoredEntry>& entries, std::vector<bool>& chosen) {
    ASB_TRY(const auto mine, part.engine->choose_entries(part.request, part.facts, entries));
    ASB_ASSERT(mine.size() == entries.size());
    part.request.data_bytes = 0;
    for (std::size_t i = 0; i < entries.size(); ++i) {
        if (!mine[i]) continue;
        chosen[i] = true;
        part.request.chosen.push_back(entries[i]);
        part.request.data_bytes += entries[i].size;
    }
    return {};
}

bool is_selective(const std::vector<Part>& parts) {
    return std::ranges::any_of(parts, [](const Part& part) { return !part.request.only.empty(); });
}

}  // namespace

ReadOptions read_options(const OpsContext& context) {
    return {.threads = job_count(context.settings),
            .progress = &context.progress,
            .stop = context.stop};
}

std::vector<StoredEntry> stored_entries(const ArchiveContents& contents) {
    std::vector<StoredEntry> entries;
    entries.reserve(contents.entries.size());
    for (const auto& entry : contents.entries)
        entries.push_back({.name = entry.name, .type = entry.type, .size = entry.size});
    return entries;
}

Status check_components(const OpsContext& context, const RestoreRequest& request) {
    const auto known = known_components(context);
    for (const auto& name : request.components)
        if (std::ranges::find(known, name) == known.end())
            return with_hint(
                fail(Code::usage, "--components: there is no component '{}'", printable(name)),
                fmt::format("choose from {}", join(known, ", ")));
    if (request.components.empty())
        return with_hint(fail(Code::usage, "--components names nothing"),
                         fmt::format("choose from {}", join(known, ", ")));
    return {};
}

Result<std::vector<std::string>> components_of_words(const OpsContext& context,
                                                     const std::vector<std::string>& words,
                                                     const Json& engines,
                                                     const std::string& backup) {
    std::vector<std::string> components;
    std::vector<std::string> left = words;
    for (const auto& [name, facts] : engines.items()) {
        const auto taken = words_of(context, name, words);
        if (taken.empty()) continue;
        ASB_TRY(const auto engine, open_engine_named(context, name));
        for (const auto& component : engine->components()) components.emplace_back(component.name);
        for (const auto& word : taken) std::erase(left, word);
    }
    if (!left.empty())
        return nobodys_word(
            left.front(),
            fmt::format("{} holds no {}", backup, is_path(left.front()) ? "files" : "database"));
    return components;
}

Result<std::vector<Part>> choose_parts(const OpsContext& context, const RestoreRequest& request,
                                       const Json& engines, const std::string& backup) {
    std::vector<Part> parts;
    std::vector<std::string> missing = request.components;
    for (const auto& [name, facts] : engines.items()) {
        ASB_TRY(auto part, make_part(context, request, name, facts));
        for (const auto& component : part.request.components) std::erase(missing, component);
        if (!part.request.components.empty()) parts.push_back(std::move(part));
    }
    if (!missing.empty())
        return with_hint(fail(Code::usage, "{} holds no {}", backup, join(missing, ", ")),
                         "name what it holds with --components (restore --list shows the type), or "
                         "choose a full backup");
    ASB_CHECK(check_words(parts, request));
    return parts;
}

Result<std::vector<Part>> choose_parts_of(const OpsContext& context, RestoreRequest request,
                                          bool components_named, const Manifest& manifest) {
    request.data_bytes = manifest.plain_bytes;
    if (!request.only.empty() && !components_named) {
        ASB_TRY(request.components,
                components_of_words(context, request.only, manifest.engines, manifest.name));
    }
    return choose_parts(context, request, manifest.engines, manifest.name);
}

std::vector<std::string> components_of(const std::vector<Part>& parts) {
    std::vector<std::string> components;
    for (const auto& part : parts)
        components.insert(components.end(), part.request.components.begin(),
                          part.request.components.end());
    return components;
}

bool belongs_to(const Part& part, std::string_view name) {
    return std::ranges::any_of(part.engine->components(), [&](const Component& component) {
        return wants(part.request, component.name) && name.starts_with(component.prefix);
    });
}

bool belongs_to(const std::vector<Part>& parts, std::string_view name) {
    return std::ranges::any_of(parts, [&](const Part& part) { return belongs_to(part, name); });
}

std::string what_is_read(const Reading& reading) {
    auto amount = fmt::format("{} read, {} of data", human_bytes(reading.stored_bytes),
                              human_bytes(reading.plain_bytes));
    if (!reading.selection) return amount;
    const auto& chosen = reading.selection->chosen;
    return fmt::format("{}, for {} of {} entries", amount,
                       std::count(chosen.begin(), chosen.end(), true), chosen.size());
}

Result<Reading> choose_reading(const OpsContext& context, const OpenArchive& archive,
                               std::vector<Part>& parts) {
    const Manifest& manifest = archive.read.manifest;
    Reading reading;
    reading.stored_bytes = manifest.body_length;
    reading.plain_bytes = manifest.plain_bytes;
    if (!is_selective(parts)) return reading;

    context.progress.begin_stage("read the list of entries", 0);
    ASB_TRY(reading.contents, read_contents(archive, read_options(context)));
    const auto entries = stored_entries(*reading.contents);
    std::vector<bool> chosen(entries.size());
    for (auto& part : parts) ASB_CHECK(choose(part, entries, chosen));
    ASB_TRY(reading.selection, select_entries(archive, *reading.contents, std::move(chosen)));
    const auto& pieces = reading.selection->pieces;
    reading.stored_bytes = reading.contents->stored_bytes_read + pieces.stored_bytes;
    reading.plain_bytes = pieces.plain_bytes;
    return reading;
}

Status read_into(const OpsContext& context, const OpenArchive& archive, const Reading& reading,
                 EntrySink& sink) {
    context.progress.begin_stage("restore", reading.plain_bytes);
    if (!reading.selection) return read_archive(archive, sink, read_options(context));
    return read_selection(archive, *reading.contents, *reading.selection, sink,
                          read_options(context));
}

Status open_sessions(const OpsContext& context, const std::vector<Part>& parts,
                     Sessions& sessions) {
    for (const auto& part : parts) {
        ASB_TRY(auto session,
                part.engine->open_restore(part.request, part.facts,
                                          {context.log, context.progress, context.stop}));
        for (const auto& component : part.engine->components())
            if (wants(part.request, component.name))
                sessions.router.add(std::string(component.prefix), *session);
        sessions.open.push_back(std::move(session));
    }
    return {};
}

RoutingSink route_to(const std::vector<Part>& parts, EntrySink& sink) {
    RoutingSink router;
    for (const auto& part : parts)
        for (const auto& component : part.engine->components())
            if (wants(part.request, component.name))
                router.add(std::string(component.prefix), sink);
    return router;
}

Status publish_all(const OpsContext& context, Sessions& sessions) {
    ASB_CHECK(context.stop.check());
    for (const auto& session : sessions.open) ASB_CHECK(session->publish());
    return {};
}

Report describe(const Sessions& sessions, const std::string& name, std::chrono::milliseconds took) {
    Report report;
    report.text = fmt::format("{} is restored ({})\n", name, human_duration(took));
    report.document = {{"name", name},
                       {"duration_ms", took.count()},
                       {"report", Json::array()},
                       {"incomplete", Json::array()}};
    for (const auto& session : sessions.open) {
        for (const auto& line : session->report()) {
            report.text += fmt::format("  {}\n", printable(line));
            report.document["report"].push_back(printable(line));
        }
        for (const auto& line : session->incomplete()) {
            report.text += fmt::format("  NOT WHOLE: {}\n", printable(line));
            report.document["incomplete"].push_back(printable(line));
            report.outcome = Code::incomplete;
        }
    }
    return report;
}

Status add_plans(const std::vector<Part>& parts, Report& report) {
    report.document["plan"] = Json::array();
    report.document["replaces"] = Json::array();
    for (const auto& part : parts) {
        ASB_TRY(const auto plan, part.engine->plan_restore(part.request, part.facts));
        for (const auto& step : plan.steps) {
            report.text += fmt::format("  {}\n", printable(step));
            report.document["plan"].push_back(printable(step));
        }
        for (const auto& item : plan.replaces) {
            report.text += fmt::format("  would replace {}\n", printable(item));
            report.document["replaces"].push_back(printable(item));
        }
    }
    return {};
}

}  // namespace asb
