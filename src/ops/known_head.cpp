#include "ops/known_head.hpp"

#include <filesystem>

#include "io/file.hpp"
#include "ops/remembered.hpp"

namespace asb {
namespace {

std::string path_of(const OpsContext& context, const std::string& place) {
    return remembered_path(context, "heads", place, ".json");
}

}  // namespace

std::optional<RepositoryHead> known_head(const OpsContext& context, const std::string& place) {
    const auto path = path_of(context, place);
    std::error_code unreadable;
    if (!std::filesystem::exists(path, unreadable)) return std::nullopt;
    const auto text = read_file(path, kHeadBytesMax);
    auto head = text ? parse_head(*text, path) : Result<RepositoryHead>(text.error());
    if (head && head->place == place) return std::move(*head);
    context.log.warning("what this machine remembers of {} cannot be read: {}", place,
                        head ? "it is of another place" : head.error().fact);
    return std::nullopt;
}

void remember_head(const OpsContext& context, const RepositoryHead& head) {
    const auto kept = remember(path_of(context, head.place), to_text(head));
    if (!kept.ok())
        context.log.warning("what {} holds now cannot be remembered: {}", head.place,
                            kept.error().fact);
}

}  // namespace asb
