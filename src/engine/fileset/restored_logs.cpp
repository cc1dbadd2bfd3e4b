#include "engine/fileset/restored_logs.hpp"

#include <fcntl.h>
#include <sys/stat.h>

#include <cerrno>

#include "base/text.hpp"

namespace asb::fileset {
namespace {

// The folder of the archive in which pieces are.
constexpr std::string_view kPiecesTop = kPiecesPrefix.substr(0, kPiecesPrefix.size() - 1);

Result<UniqueFd> make_folder(int parent, const std::string& name, const std::string& path) {
    if (mkdirat(parent, name.c_str(), 0700) != 0)
        return errno_error(errno, "cannot create the folder", printable(path));
    UniqueFd fd(openat(parent, name.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
    if (!fd.valid()) return errno_error(errno, "cannot open the folder", printable(path));
    return fd;
}

}  // namespace

Status RestoredLogs::Text::begin(const EntryHeader& header) {
    text.clear();
    if (header.type == EntryType::file && header.size <= 2 * kPositionsBytesMax) return {};
    return fail(Code::damaged, "archive entry {} is not a small file", printable(header.name));
}

Status RestoredLogs::Text::write(Bytes bytes) {
    text += as_text(bytes);
    return {};
}

RestoredLogs::RestoredLogs(int staging, std::string path, StopToken stop)
    : staging_(staging), path_(std::move(path)), stop_(std::move(stop)) {}

Result<RestoredLogs::Link> RestoredLogs::make_link() {
    Link link;
    const auto name = fmt::format("logs-{}", ++count_);
    link.path = fmt::format("{}/{}", path_, name);
    const auto pieces_path = link.path + "/pieces";
    ASB_TRY(link.folder, make_folder(staging_, name, link.path));
    ASB_TRY(link.pieces_folder, make_folder(link.folder.get(), "pieces", pieces_path));
    link.tree = std::make_unique<StagingTree>(link.folder.get(), link.path, stop_);
    link.pieces = std::make_unique<StagingTree>(link.pieces_folder.get(), pieces_path, stop_);
    return link;
}

Status RestoredLogs::ensure_link() {
    if (link_.tree) return {};
    ASB_TRY(link_, make_link());
    return {};
}

Status RestoredLogs::begin_link() {
    ASB_TRY(auto next, make_link());
    before_ = std::move(link_);
    link_ = std::move(next);
    return {};
}

Status RestoredLogs::begin(const EntryHeader& header) {
    ASB_CHECK(ensure_link());
    if (header.name == kPositionsName)
        current_ = &positions_;
    else if (header.name.starts_with(kPiecesPrefix))
        current_ = link_.pieces.get();
    else
        current_ = link_.tree.get();
    if (current_ == link_.pieces.get() &&
        (header.type != EntryType::file || !parse_piece_name(header.name)))
        return fail(Code::damaged, "archive entry {} is no piece of a log", printable(header.name));
    return current_->begin(header);
}

Status RestoredLogs::end() {
    ASB_CHECK(current_->end());
    return current_ == &positions_ ? finish_link() : Status();
}

// The list comes last: by now everything else of this backup is here.
Status RestoredLogs::finish_link() {
    ASB_TRY(const auto positions, parse_positions(positions_.text));
    for (const auto& position : positions)
        if (position.link.empty() && position.offset != 0) ASB_CHECK(bring_back(position));
    for (const auto& position : positions)
        if (!position.link.empty()) ASB_CHECK(add_name(position));
    link_.pieces.reset();
    ASB_CHECK(remove_tree(link_.path + "/pieces"));
    if (!before_.tree) return {};
    before_.tree.reset();
    return remove_tree(before_.path);
}

Status RestoredLogs::bring_back(const LogPosition& position) {
    const auto piece = piece_name(position.name, position.offset);
    if (position.has_piece && link_.pieces->file(piece) == nullptr)
        return fail(Code::damaged, "the archive does not hold {}", printable(piece));
    const auto* base = before_.tree ? before_.tree->file(position.from) : nullptr;
    if (base != nullptr) return go_on(position, *base);
    link_.missing[position.name] = position.offset;
    return position.has_piece ? link_.tree->adopt(*link_.pieces, piece, position.name) : Status();
}

Status RestoredLogs::go_on(const LogPosition& position, const EntryHeader& base) {
    const auto missing = before_.missing.find(position.from);
    const auto lacking = missing == before_.missing.end() ? 0 : missing->second;
    if (lacking + base.size != position.offset)
        return fail(Code::damaged, "{} ends at byte {}, and {} goes on at {}",
                    printable(position.from), lacking + base.size, printable(position.name),
                    position.offset);
    if (lacking != 0) link_.missing[position.name] = lacking;
    ASB_CHECK(link_.tree->adopt(*before_.tree, position.from, position.name));
    if (!position.has_piece) return {};
    return link_.tree->append(position.name, *link_.pieces,
                              piece_name(position.name, position.offset));
}

Status RestoredLogs::add_name(const LogPosition& position) {
    if (link_.tree->file(position.link) == nullptr) return {};  // which is named as missing
    EntryHeader header;
    header.name = position.name;
    header.type = EntryType::hard_link;
    header.link_target = position.link;
    ASB_CHECK(link_.tree->begin(header));
    return link_.tree->end();
}

std::vector<std::string> RestoredLogs::not_whole() const {
    std::vector<std::string> lines;
    for (const auto& [name, bytes] : link_.missing)
        lines.push_back(fmt::format("{}: its first {} bytes are in a backup that is not here",
                                    printable(name), bytes));
    return lines;
}

Status RestoredLogs::seal() {
    if (!link_.tree) return {};
    if (link_.pieces && link_.pieces->totals(kPiecesTop).files != 0)
        return fail(Code::damaged, "the archive holds pieces of logs and no {}", kPositionsName);
    return link_.tree->seal();
}

void RestoredLogs::unseal() {
    if (link_.tree) link_.tree->unseal();
}

}  // namespace asb::fileset
