#pragma once
// Why this exists: a restore, its dry run, its preparation in a staging folder and its later
// publication all need the same: which engines take part and with what request, what is read for
// them, and their sessions.

#include <optional>

#include "ops/context.hpp"
#include "ops/routing.hpp"
#include "repo/pieces.hpp"

namespace asb {

// Whether the request names that component.
bool wants(const RestoreRequest& request, std::string_view component);

// An engine that takes part: what of it was asked for, and what the backup says about it.
struct Part {
    std::unique_ptr<Engine> engine;
    Json facts;
    RestoreRequest request;  // components and words narrowed to this engine's
};

// `usage` when --components names something that no engine of this program has, or nothing.
Status check_components(const OpsContext& context, const RestoreRequest& request);

// The components that the words of --only speak of: a word with a '/' is a file's, any other a
// database's. `usage` when `engines` (of a manifest) has none that takes a word.
Result<std::vector<std::string>> components_of_words(const OpsContext& context,
                                                     const std::vector<std::string>& words,
                                                     const Json& engines,
                                                     const std::string& backup);

// The engines whose components were asked for, out of those that `engines` names. `usage` when one
// is missing, or when a word of --only is nobody's.
Result<std::vector<Part>> choose_parts(const OpsContext& context, const RestoreRequest& request,
                                       const Json& engines, const std::string& backup);

// The parts of a backup: with --only and without --components, those that the words speak of.
Result<std::vector<Part>> choose_parts_of(const OpsContext& context, RestoreRequest request,
                                          bool components_named, const Manifest& manifest);
std::vector<std::string> components_of(const std::vector<Part>& parts);
// Whether an entry of this name is of one of the components asked for.
bool belongs_to(const Part& part, std::string_view name);
bool belongs_to(const std::vector<Part>& parts, std::string_view name);

// What of an archive is read: everything, or with --only the chosen entries.
struct Reading {
    std::optional<ArchiveContents> contents;
    std::optional<Selection> selection;
    std::uint64_t stored_bytes = 0;  // to be read in all
    std::uint64_t plain_bytes = 0;   // to be inflated in all
};
// "32.0 MiB read, 8.0 MiB of data, for 3 of 9 entries"
std::string what_is_read(const Reading& reading);
// Asks the engines, and tells each part's request what was chosen for it. Reads the archive's list
// of entries when --only says something.
Result<Reading> choose_reading(const OpsContext& context, const OpenArchive& archive,
                               std::vector<Part>& parts);
ReadOptions read_options(const OpsContext& context);
// The entries as engines are told of them.
std::vector<StoredEntry> stored_entries(const ArchiveContents& contents);
Status read_into(const OpsContext& context, const OpenArchive& archive, const Reading& reading,
                 EntrySink& sink);

struct Sessions {
    RoutingSink router;
    std::vector<std::unique_ptr<RestoreSession>> open;
};
Status open_sessions(const OpsContext& context, const std::vector<Part>& parts, Sessions& sessions);
// A router that sends the entries of all parts to `sink`, borrowed.
RoutingSink route_to(const std::vector<Part>& parts, EntrySink& sink);
Status publish_all(const OpsContext& context, Sessions& sessions);
Report describe(const Sessions& sessions, const std::string& name, std::chrono::milliseconds took);

// What a dry run prints of the engines' plans: appended to `report`.
Status add_plans(const std::vector<Part>& parts, Report& report);

}  // namespace asb
