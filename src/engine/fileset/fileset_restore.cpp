#include "engine/fileset/fileset_restore.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <thread>

#include "base/clock.hpp"
#include "base/fail_point.hpp"
#include "base/text.hpp"
#include "engine/fileset/file_walk.hpp"
#include "engine/fileset/pieces_restore.hpp"
#include "engine/fileset/restore_folder.hpp"
#include "engine/fileset/restored_logs.hpp"
#include "engine/fileset/staging_tree.hpp"

namespace asb::fileset {
namespace {

// Whether something stands at `path` that a restore would have to replace: anything but an empty
// folder.
bool is_occupied(const std::string& path) {
    struct stat info {};
    if (lstat(path.c_str(), &info) != 0) return false;
    if (!S_ISDIR(info.st_mode)) return true;
    std::error_code error;
    const bool empty = std::filesystem::is_empty(path, error);
    return error || !empty;
}

// The areas that were asked for, in the order of kAreas.
std::vector<Area> wanted_areas(const RestoreRequest& request) {
    std::vector<Area> wanted;
    for (const auto& area : kAreas)
        if (std::find(request.components.begin(), request.components.end(), area.component) !=
            request.components.end())
            wanted.push_back(area);
    return wanted;
}

std::string place_of(const RestoreRequest& request, const Area& area) {
    return request.files_dir + "/" + std::string(area.component);
}

// Bytes that the backup's facts name for `area`, whole; 0 when they do not.
std::uint64_t known_bytes(const Json& facts, const Area& area) {
    const auto component = facts.find(std::string(area.component));
    if (!facts.is_object() || component == facts.end() || !component->is_object()) return 0;
    auto bytes = component->find("whole_bytes");
    if (bytes == component->end()) bytes = component->find("bytes");
    return bytes != component->end() && bytes->is_number_unsigned() ? bytes->get<std::uint64_t>()
                                                                    : 0;
}

Status check_space(const RestoreRequest& request, const Json& facts) {
    std::uint64_t needed = 0;
    for (const auto& area : wanted_areas(request)) needed += known_bytes(facts, area);
    ASB_TRY(const auto free_bytes, free_space(existing_part(request.files_dir)));
    if (needed <= free_bytes) return {};
    return with_hint(
        fail(Code::space, "the files need {}, and {} has room for {}", human_bytes(needed),
             printable(request.files_dir), human_bytes(free_bytes)),
        "free some space there, or choose another --files-dir");
}

Status check_request(const RestoreRequest& request, const Json& facts) {
    if (request.files_dir.empty())
        return with_hint(
            fail(Code::usage, "no folder is named for {}", join(request.components, ", ")),
            "add --files-dir DIR; the files appear below it, not at their old places");
    std::error_code error;
    if (std::filesystem::exists(request.files_dir, error) &&
        !std::filesystem::is_directory(request.files_dir, error))
        return with_hint(fail(Code::refused, "{} is not a folder", printable(request.files_dir)),
                         "choose another --files-dir");
    for (const auto& area : wanted_areas(request)) {
        const auto place = place_of(request, area);
        if (is_occupied(place) && !request.force)
            return with_hint(fail(Code::refused, "{} is not empty", printable(place)),
                             "choose another --files-dir, or add --force: what is there is then "
                             "kept under another name");
    }
    return check_space(request, facts);
}

// Whether a link stored as `name` leads out of the folder restored to, as far as its text says.
bool leads_outside(const std::string& name, const std::string& target, const std::string& root) {
    const auto absolute = absolute_path(root);
    const auto base = std::filesystem::path(absolute ? *absolute : root).lexically_normal();
    const std::filesystem::path from = (base / name).parent_path();
    const auto relative = (from / target).lexically_normal().lexically_relative(base);
    return relative.empty() || *relative.begin() == "..";
}

// Two restores within one second want the same name for what they set aside: the second waits.
constexpr int kKeptNameTries = 3;

bool rename_with(const std::string& from, const std::string& to, unsigned flags) {
    return renameat2(AT_FDCWD, from.c_str(), AT_FDCWD, to.c_str(), flags) == 0;
}

class FilesetRestore final : public RestoreSession {
  public:
    static Result<std::unique_ptr<RestoreSession>> open(const RestoreRequest& request,
                                                        SessionContext context) {
        auto session =
            std::unique_ptr<FilesetRestore>(new FilesetRestore(request, std::move(context)));
        ASB_TRY(session->staging_, RestoreFolder::make(request.files_dir, session->context_.log));
        session->tree_ = std::make_unique<StagingTree>(
            session->staging_->fd(), session->staging_->path(), session->context_.stop);
        session->logs_ = std::make_unique<RestoredLogs>(
            session->staging_->fd(), session->staging_->path(), session->context_.stop);
        return std::unique_ptr<RestoreSession>(std::move(session));
    }
    ~FilesetRestore() override {
        if (published_) return;
        if (tree_) tree_->unseal();
        if (logs_) logs_->unseal();
    }
    FilesetRestore(const FilesetRestore&) = delete;
    FilesetRestore& operator=(const FilesetRestore&) = delete;

    Status begin_link() override { return logs_->begin_link(); }
    Status begin(const EntryHeader& header) override {
        current_ = sink_of(header.name);
        return current_ == nullptr ? Status() : current_->begin(header);
    }
    Status write(Bytes bytes) override {
        return current_ == nullptr ? Status() : current_->write(bytes);
    }
    Status end() override { return current_ == nullptr ? Status() : current_->end(); }

    Status publish() override {
        ASB_CHECK(tree_->seal());
        ASB_CHECK(logs_->seal());
        not_whole_ = logs_->not_whole();
        ASB_CHECK(context_.stop.check());
        for (const auto& area : areas_) {
            if (auto status = put_in_place(area); !status.ok()) {
                take_back();
                return status;
            }
        }
        published_ = true;
        staging_->keep_target();
        staging_.reset();
        ASB_CHECK(sync_folder(request_.files_dir));
        if (request_.drop_old) drop_old();
        return {};
    }

    [[nodiscard]] std::vector<std::string> report() const override {
        std::vector<std::string> lines;
        for (const auto& area : areas_) lines.push_back(describe(area));
        for (const auto& move : moves_)
            if (!move.kept.empty())
                lines.push_back(fmt::format("what was in {} is kept as {}", printable(move.place),
                                            printable(move.kept)));
        describe_links(*tree_, lines);
        if (logs_->tree() != nullptr) describe_links(*logs_->tree(), lines);
        if (geteuid() != 0)
            lines.emplace_back("owners are not restored, since only root may give files away");
        return lines;
    }

    [[nodiscard]] std::vector<std::string> incomplete() const override { return not_whole_; }

  private:
    // A step of publish, so that it can be taken back.
    struct Move {
        std::string place;
        std::string kept;  // where what was there went; empty: nothing was there
        std::string staged;
        bool is_in_place = false;
    };

    FilesetRestore(const RestoreRequest& request, SessionContext context)
        : request_(request), areas_(wanted_areas(request)), context_(std::move(context)) {}

    EntrySink* sink_of(const std::string& name) {
        const bool is_of_logs = name == kPositionsName || name.starts_with(kPiecesPrefix);
        for (const auto& area : areas_) {
            const bool is_logs = area.prefix == kAreas[kLogArea].prefix;
            if (is_logs && (is_of_logs || name.starts_with(area.prefix))) return logs_.get();
            if (name.starts_with(area.prefix)) return tree_.get();
        }
        return nullptr;
    }

    [[nodiscard]] const StagingTree* tree_of(const Area& area) const {
        return area.prefix == kAreas[kLogArea].prefix ? logs_->tree() : tree_.get();
    }
    [[nodiscard]] std::string staged_path(const Area& area) const {
        const auto& above =
            area.prefix == kAreas[kLogArea].prefix ? logs_->path() : staging_->path();
        return above + "/" + std::string(area.component);
    }

    Status put_in_place(const Area& area) {
        Move move{.place = place_of(request_, area), .kept = {}, .staged = staged_path(area)};
        if (access(move.staged.c_str(), F_OK) != 0) return {};
        if (is_occupied(move.place)) return exchange(std::move(move));
        if (const int error = fail_point("restore.publish"); error != 0)
            return errno_error(error, "cannot put in place", printable(move.place));
        if (rename(move.staged.c_str(), move.place.c_str()) != 0)
            return errno_error(errno, "cannot put in place", printable(move.place));
        move.is_in_place = true;
        moves_.push_back(std::move(move));
        return {};
    }

    // What comes first takes the name that what is there will have; then both change names in one
    // act, so that the place is at every moment either whole.
    Status exchange(Move move) {
        // Looked at again, since much time may have passed since the restore began.
        if (!request_.force)
            return with_hint(fail(Code::refused, "{} is no longer empty", printable(move.place)),
                             "choose another --files-dir, or add --force");
        ASB_CHECK(name_kept(move));
        moves_.push_back(move);
        if (const int error = fail_point("restore.publish"); error != 0)
            return errno_error(error, "cannot put in place", printable(move.place));
        if (!rename_with(move.kept, move.place, RENAME_EXCHANGE))
            return errno_error(errno, "cannot exchange with", printable(move.place));
        moves_.back().is_in_place = true;
        return {};
    }

    Status name_kept(Move& move) {
        for (int i = 0; i < kKeptNameTries; ++i) {
            ASB_CHECK(context_.stop.check());
            move.kept = move.place + ".before-" + to_stamp(now());
            if (rename_with(move.staged, move.kept, RENAME_NOREPLACE)) return {};
            if (errno != EEXIST)
                return errno_error(errno, "cannot move aside as", printable(move.kept));
            std::this_thread::sleep_for(std::chrono::seconds(1));
        }
        return with_hint(fail(Code::refused, "{} is already there", printable(move.kept)),
                         "move it away, or try again in a second");
    }

    // Undoes what publish has done so far, last step first. Best effort: the first error is told.
    void take_back() {
        for (auto move = moves_.rbegin(); move != moves_.rend(); ++move) {
            const bool exchanged = move->is_in_place && !move->kept.empty();
            if (exchanged && !rename_with(move->place, move->kept, RENAME_EXCHANGE))
                context_.log.error("what was in {} is now {}", printable(move->place),
                                   printable(move->kept));
            else if (const auto& now_at = move->kept.empty() ? move->place : move->kept;
                     !rename_with(now_at, move->staged, RENAME_NOREPLACE))
                context_.log.error("{} stays, although the restore failed", printable(now_at));
        }
        moves_.clear();
    }

    void drop_old() {
        for (auto& move : moves_) {
            if (move.kept.empty()) continue;
            if (const auto removed = remove_tree(move.kept); !removed.ok())
                not_whole_.push_back(fmt::format("{} is still there: {}", printable(move.kept),
                                                 removed.error().fact));
            move.kept.clear();
        }
    }

    void describe_links(const StagingTree& tree, std::vector<std::string>& lines) const {
        for (const auto& [name, target] : tree.links())
            if (leads_outside(name, target, request_.files_dir))
                lines.push_back(fmt::format("the symbolic link {} leads outside {}: {}",
                                            printable(name), printable(request_.files_dir),
                                            printable(target)));
    }

    [[nodiscard]] std::string describe(const Area& area) const {
        const auto* tree = tree_of(area);
        const auto totals = tree == nullptr ? StagingTree::Totals{} : tree->totals(area.component);
        if (totals.files == 0) return fmt::format("{}: no files in this backup", area.component);
        return fmt::format("{}: {}, {}, in {}", area.component, counted(totals.files, "file"),
                           human_bytes(totals.bytes), printable(place_of(request_, area)));
    }

    const RestoreRequest request_;
    const std::vector<Area> areas_;
    SessionContext context_;
    std::unique_ptr<RestoreFolder> staging_;
    std::unique_ptr<StagingTree> tree_;  // of all but the logs
    std::unique_ptr<RestoredLogs> logs_;
    std::vector<Move> moves_;
    std::vector<std::string> not_whole_;  // and what is left over
    EntrySink* current_ = nullptr;        // where the open entry goes; null: passed over
    bool published_ = false;
};

// "/a/b/" and "/a/b" are the same folder.
RestoreRequest tidy(RestoreRequest request) {
    while (request.files_dir.size() > 1 && request.files_dir.back() == '/')
        request.files_dir.pop_back();
    return request;
}

}  // namespace

Result<RestorePlan> plan_restore(const RestoreRequest& asked, const Json& facts) {
    const auto request = tidy(asked);
    if (!request.only.empty()) return plan_pieces(request);
    ASB_CHECK(check_request(request, facts));
    RestorePlan plan;
    for (const auto& area : wanted_areas(request)) {
        const auto place = place_of(request, area);
        const auto bytes = known_bytes(facts, area);
        plan.steps.push_back(fmt::format("write {} to {}{}", area.component, printable(place),
                                         bytes == 0 ? "" : ", " + human_bytes(bytes)));
        if (is_occupied(place))
            plan.replaces.push_back(fmt::format(
                "{} ({})", printable(place),
                request.drop_old
                    ? "removed"
                    : "kept beside it as " + std::string(area.component) + ".before-TIME"));
    }
    return plan;
}

Result<std::unique_ptr<RestoreSession>> open_restore(const RestoreRequest& asked, const Json& facts,
                                                     SessionContext context) {
    const auto request = tidy(asked);
    if (!request.only.empty()) return open_pieces(request, std::move(context));
    ASB_CHECK(check_request(request, facts));
    return FilesetRestore::open(request, std::move(context));
}

}  // namespace asb::fileset
