#include "engine/engine.hpp"

#include <algorithm>

namespace asb {

const LogTail* SessionContext::tail_of(std::string_view identity) const {
    const auto found = std::ranges::find(tails, identity, &LogTail::identity);
    return found == tails.end() ? nullptr : &*found;
}

Status RestoreSession::begin_slice(const LogRange& /*range*/) {
    return fail(Code::usage, "this restore takes no log");
}

Status RestoreSession::begin_link() {
    return fail(Code::usage, "this restore takes one backup");
}

std::vector<CheckLine> Engine::check_log(const std::vector<LogTail>& /*tails*/,
                                         const StopToken& /*stop*/) {
    return {};
}

// NOLINTBEGIN(performance-unnecessary-value-param): who overrides these keeps what is given
Result<std::unique_ptr<BackupSession>> Engine::open_incremental(SessionContext /*context*/) {
    return fail(Code::usage, "{} has no log to take an incremental backup from", name());
}

Result<FollowerOpening> Engine::follow(SessionContext /*context*/) {
    return fail(Code::usage, "{} has no log to follow", name());
}

Result<std::vector<std::string>> Engine::release_log(SessionContext /*context*/) {
    return std::vector<std::string>();
}

bool Engine::may_be_log_of(std::string_view /*identity*/) const {
    return true;
}

Result<std::unique_ptr<LogSearch>> Engine::search_log(const LogTarget& /*target*/,
                                                      const Json& /*facts*/) {
    return fail(Code::usage, "{} has no log to search", name());
}

Result<std::unique_ptr<LogFileNames>> Engine::log_file_names(const Json& /*facts*/) const {
    return fail(Code::usage, "{} keeps its log in no files", name());
}

Result<std::unique_ptr<LogFiles>> Engine::make_log_files(const Json& /*facts*/,
                                                         LogFilesOptions /*options*/) const {
    return fail(Code::usage, "{} keeps its log in no files", name());
}
// NOLINTEND(performance-unnecessary-value-param)

std::optional<LogPoint> Engine::log_entry(std::string_view /*name*/, const Json& /*facts*/) const {
    return std::nullopt;
}

std::string Engine::log_index_entry(std::uint32_t /*line*/) const {
    return {};
}

Result<LogPoint> Engine::search_start(std::string_view /*index*/, const LogTarget& /*target*/,
                                      const LogPoint& from) const {
    return from;
}

Result<LogPoint> Engine::parse_position(std::string_view text) const {
    return fail(Code::usage, "{} has no positions such as '{}'", name(), text);
}

std::string Engine::position_text(const LogPoint& point) const {
    return fmt::format("{} {}", line_text(point.line), point_text(point.at));
}

Result<std::vector<bool>> Engine::choose_entries(const RestoreRequest& request,
                                                 const Json& /*facts*/,
                                                 std::span<const StoredEntry> entries) {
    std::vector<bool> chosen;
    chosen.reserve(entries.size());
    for (const auto& entry : entries)
        chosen.push_back(std::ranges::any_of(components(), [&](const Component& component) {
            return entry.name.starts_with(component.prefix) &&
                   std::ranges::find(request.components, component.name) !=
                       request.components.end();
        }));
    return chosen;
}

Status Engine::import_dump(const std::string& path, EntrySink& /*sink*/,
                           const SessionContext& /*context*/) {
    return fail(Code::usage, "{} reads no dumps of other tools: {}", name(), path);
}

Result<Json> Engine::import_facts(const std::string& path, const SessionContext& /*context*/) {
    return fail(Code::usage, "{} reads no dumps of other tools: {}", name(), path);
}

std::vector<ContentLine> Engine::contents(const Json& /*facts*/,
                                          std::span<const StoredEntry> entries) {
    std::vector<ContentLine> lines;
    for (const auto& entry : entries)
        if (entry.type == EntryType::file &&
            std::ranges::any_of(components(), [&](const Component& component) {
                return entry.name.starts_with(component.prefix);
            }))
            lines.push_back({.kind = "file", .name = entry.name, .bytes = entry.size});
    return lines;
}

}  // namespace asb
