#include "engine/fileset/pieces_restore.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <map>
#include <set>
#include <thread>

#include "base/clock.hpp"
#include "base/fail_point.hpp"
#include "base/text.hpp"
#include "engine/fileset/no_symlinks.hpp"
#include "engine/fileset/restore_folder.hpp"
#include "engine/fileset/staging_tree.hpp"
#include "engine/fileset/words.hpp"

namespace asb::fileset {
namespace {

// Two restores within one second want the same name for what they set aside: the second waits.
constexpr int kKeptNameTries = 3;

enum class There { nothing, folder, other };

There look(int parent, const std::string& last) {
    struct stat info {};
    if (fstatat(parent, last.c_str(), &info, AT_SYMLINK_NOFOLLOW) != 0) return There::nothing;
    return S_ISDIR(info.st_mode) ? There::folder : There::other;
}

// What stands below `root` under the name of an entry. A folder above it that is none, such as a
// symbolic link, is `refused`: nothing is written through it.
Result<There> look_below(int root, const std::string& files_dir, const std::string& name) {
    const auto folder = split_name(name).folder;
    const auto parent = open_no_symlinks(root, folder, O_RDONLY | O_DIRECTORY);
    if (parent.valid()) return look(parent.get(), std::string(split_name(name).last));
    if (errno == ENOENT) return There::nothing;
    if (errno == ELOOP || errno == ENOTDIR)
        return with_hint(
            fail(Code::refused, "{}/{} is not a folder, or lies behind a symbolic link",
                 printable(files_dir), printable(folder)),
            "move it away, or choose another --files-dir");
    return errno_error(errno, "cannot open the folder", printable(files_dir + "/" + name));
}

std::string place_of(const RestoreRequest& request, const std::string& name) {
    return fmt::format("{}/{}", request.files_dir, name);
}

// The places that chosen files would take and that are taken. `refused` without force.
Result<std::vector<std::string>> occupied_places(const RestoreRequest& request) {
    std::vector<std::string> occupied;
    const UniqueFd root(open(request.files_dir.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (!root.valid()) return occupied;  // nothing is there yet
    for (const auto& entry : request.chosen) {
        if (entry.type == EntryType::folder || !any_means(request.only, entry.name)) continue;
        ASB_TRY(const auto there, look_below(root.get(), request.files_dir, entry.name));
        if (there == There::nothing) continue;
        if (!request.force)
            return with_hint(
                fail(Code::refused, "{} is already there",
                     printable(place_of(request, entry.name))),
                "choose another --files-dir, or add --force: what is there is then kept under "
                "another name");
        occupied.push_back(place_of(request, entry.name));
    }
    return occupied;
}

Status check_pieces(const RestoreRequest& request) {
    if (request.files_dir.empty())
        return with_hint(fail(Code::usage, "no folder is named for the files of --only"),
                         "add --files-dir DIR; the files appear below it, not at their old places");
    ASB_TRY(const auto free_bytes, free_space(existing_part(request.files_dir)));
    if (request.data_bytes <= free_bytes) return {};
    return with_hint(fail(Code::space, "the files need {}, and {} has room for {}",
                          human_bytes(request.data_bytes), printable(request.files_dir),
                          human_bytes(free_bytes)),
                     "free some space there, or choose another --files-dir");
}

std::vector<std::string> names_in(int folder) {
    std::vector<std::string> names;
    const int copy = openat(folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR* listing = copy < 0 ? nullptr : fdopendir(copy);
    if (listing == nullptr) return names;
    while (const dirent* entry = readdir(listing)) {
        const std::string name = entry->d_name;
        if (name != "." && name != "..") names.push_back(name);
    }
    closedir(listing);
    std::sort(names.begin(), names.end());
    return names;
}

// Two open folders, one built, one there, that have the same name.
struct Pair {
    std::string name;
    UniqueFd staged;
    UniqueFd target;
};

class PiecesRestore final : public RestoreSession {
  public:
    static Result<std::unique_ptr<RestoreSession>> open(const RestoreRequest& request,
                                                        SessionContext context) {
        std::unique_ptr<PiecesRestore> session(new PiecesRestore(request, std::move(context)));
        ASB_TRY(session->staging_, RestoreFolder::make(request.files_dir, session->context_.log));
        session->tree_ = std::make_unique<StagingTree>(
            session->staging_->fd(), session->staging_->path(), session->context_.stop);
        return std::unique_ptr<RestoreSession>(std::move(session));
    }
    ~PiecesRestore() override {
        if (tree_ && !published_) tree_->unseal();
    }
    PiecesRestore(const PiecesRestore&) = delete;
    PiecesRestore& operator=(const PiecesRestore&) = delete;

    Status begin(const EntryHeader& header) override {
        if (header.type != EntryType::folder) {
            if (any_means(request_.only, header.name))
                placed_.push_back({header.name, header.size});
            else
                not_wanted_.push_back(header.name);
        }
        return tree_->begin(header);
    }
    Status write(Bytes bytes) override { return tree_->write(bytes); }
    Status end() override { return tree_->end(); }

    Status publish() override {
        for (const auto& name : not_wanted_) ASB_CHECK(take_out(name));
        ASB_CHECK(tree_->seal());
        ASB_CHECK(context_.stop.check());
        // Looked at again, since much time may have passed since the restore began.
        ASB_TRY([[maybe_unused]] const auto occupied, occupied_places(request_));
        if (auto status = put_in_place(); !status.ok()) {
            take_back();
            return status;
        }
        published_ = true;
        staging_->keep_target();
        staging_.reset();
        if (request_.drop_old) drop_old();
        return {};
    }

    [[nodiscard]] std::vector<std::string> report() const override {
        std::vector<std::string> lines;
        for (const auto& file : placed_)
            lines.push_back(fmt::format("{}, {}", printable(place_of(request_, file.name)),
                                        human_bytes(file.bytes)));
        for (const auto& move : moves_)
            if (!move.kept.empty())
                lines.push_back(fmt::format("what was there is kept as {}/{}",
                                            printable(place_of(request_, move.folder)),
                                            printable(move.kept)));
        if (geteuid() != 0)
            lines.emplace_back("owners are not restored, since only root may give files away");
        return lines;
    }
    [[nodiscard]] std::vector<std::string> incomplete() const override { return left_over_; }

  private:
    struct Placed {
        std::string name;
        std::uint64_t bytes = 0;
    };
    // A step of publish, so that it can be taken back.
    struct Move {
        std::string folder;  // in the archive's names; both sides have it
        std::string last;
        std::string kept;  // what was there, beside it; empty: nothing was there
        bool is_in_place = false;
    };

    PiecesRestore(const RestoreRequest& request, SessionContext context)
        : request_(request), context_(std::move(context)) {}

    // A file that was needed only because a hard link leads to it.
    Status take_out(const std::string& name) {
        const auto parent =
            open_no_symlinks(staging_->fd(), split_name(name).folder, O_RDONLY | O_DIRECTORY);
        const std::string last(split_name(name).last);
        if (!parent.valid() || (unlinkat(parent.get(), last.c_str(), 0) != 0 && errno != ENOENT))
            return errno_error(errno, "cannot remove", printable(name));
        return {};
    }

    Result<Pair> open_pair(const std::string& name) {
        Pair pair{.name = name, .staged = {}, .target = {}};
        ASB_TRY(const auto root, open_file(request_.files_dir, O_RDONLY | O_DIRECTORY));
        pair.staged = open_no_symlinks(staging_->fd(), name, O_RDONLY | O_DIRECTORY);
        pair.target = open_no_symlinks(root.get(), name, O_RDONLY | O_DIRECTORY);
        if (pair.staged.valid() && pair.target.valid()) return pair;
        return errno_error(errno, "cannot open the folder", printable(place_of(request_, name)));
    }

    // Goes down only where both sides have a folder; anything else moves whole. Each step is one
    // rename.
    Status put_in_place() {
        std::vector<std::string> folders = {""};
        while (!folders.empty()) {
            const auto name = std::move(folders.back());
            folders.pop_back();
            ASB_TRY(const auto pair, open_pair(name));
            // Its mode is the archive's, which may forbid us to take something out of it.
            if (!name.empty() && fchmod(pair.staged.get(), 0700) != 0)
                return errno_error(errno, "cannot open the folder", printable(name));
            for (const auto& last : names_in(pair.staged.get())) {
                const auto there = look(pair.target.get(), last);
                if (there == There::folder && look(pair.staged.get(), last) == There::folder)
                    folders.push_back(name.empty() ? last : fmt::format("{}/{}", name, last));
                else
                    ASB_CHECK(put(pair, last, there));
            }
            ASB_CHECK(sync_fd(pair.target.get(), place_of(request_, name)));
        }
        return {};
    }

    Status put(const Pair& pair, const std::string& last, There there) {
        Move move{.folder = pair.name, .last = last, .kept = {}};
        if (there != There::nothing) ASB_CHECK(name_kept(pair, move));
        moves_.push_back(move);
        const auto place = printable(fmt::format("{}/{}", place_of(request_, pair.name), last));
        if (const int error = fail_point("restore.publish"); error != 0)
            return errno_error(error, "cannot put in place", place);
        const bool moved = move.kept.empty()
                               ? move_whole(pair, last)
                               : renameat2(pair.target.get(), move.kept.c_str(), pair.target.get(),
                                           last.c_str(), RENAME_EXCHANGE) == 0;
        if (!moved) return errno_error(errno, "cannot put in place", place);
        moves_.back().is_in_place = true;
        return {};
    }

    // A folder that we may not write in may not be moved either, unless we are root.
    static bool move_whole(const Pair& pair, const std::string& last) {
        struct stat info {};
        const bool is_folder =
            fstatat(pair.staged.get(), last.c_str(), &info, AT_SYMLINK_NOFOLLOW) == 0 &&
            S_ISDIR(info.st_mode);
        if (is_folder && fchmodat(pair.staged.get(), last.c_str(), 0700, 0) != 0) return false;
        if (renameat2(pair.staged.get(), last.c_str(), pair.target.get(), last.c_str(),
                      RENAME_NOREPLACE) != 0)
            return false;
        return !is_folder ||
               fchmodat(pair.target.get(), last.c_str(), info.st_mode & 07777U, 0) == 0;
    }

    // What comes first takes the name that what is there will have; then both change names in one
    // act, so that the place is at every moment either whole.
    Status name_kept(const Pair& pair, Move& move) {
        for (int i = 0; i < kKeptNameTries; ++i) {
            ASB_CHECK(context_.stop.check());
            move.kept = fmt::format("{}.before-{}", move.last, to_stamp(now()));
            if (renameat2(pair.staged.get(), move.last.c_str(), pair.target.get(),
                          move.kept.c_str(), RENAME_NOREPLACE) == 0)
                return {};
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
            const auto place = printable(place_of(request_, move->folder));
            const auto pair = open_pair(move->folder);
            if (!pair.ok() || !take_back(*pair, *move))
                context_.log.error("{}/{} stays as the failed restore left it", place,
                                   printable(move->last));
        }
        moves_.clear();
    }

    static bool take_back(const Pair& pair, const Move& move) {
        const int target = pair.target.get();
        if (move.kept.empty() && !move.is_in_place) return true;
        if (!move.kept.empty() && move.is_in_place &&
            renameat2(target, move.kept.c_str(), target, move.last.c_str(), RENAME_EXCHANGE) != 0)
            return false;
        const auto& now_at = move.kept.empty() ? move.last : move.kept;
        return renameat2(target, now_at.c_str(), pair.staged.get(), move.last.c_str(),
                         RENAME_NOREPLACE) == 0;
    }

    void drop_old() {
        for (auto& move : moves_) {
            if (move.kept.empty()) continue;
            const auto path = fmt::format("{}/{}", place_of(request_, move.folder), move.kept);
            if (const auto removed = remove_tree(path); !removed.ok())
                left_over_.push_back(
                    fmt::format("{} is still there: {}", printable(path), removed.error().fact));
            move.kept.clear();
        }
    }

    const RestoreRequest request_;
    SessionContext context_;
    std::unique_ptr<RestoreFolder> staging_;
    std::unique_ptr<StagingTree> tree_;
    std::vector<Placed> placed_;
    std::vector<std::string> not_wanted_;
    std::vector<Move> moves_;
    std::vector<std::string> left_over_;
    bool published_ = false;
};

}  // namespace

Result<RestorePlan> plan_pieces(const RestoreRequest& request) {
    ASB_CHECK(check_pieces(request));
    ASB_TRY(auto occupied, occupied_places(request));
    RestorePlan plan;
    for (const auto& entry : request.chosen)
        if (entry.type != EntryType::folder && any_means(request.only, entry.name))
            plan.steps.push_back(fmt::format(
                "write {}, {}", printable(place_of(request, entry.name)), human_bytes(entry.size)));
    for (const auto& place : occupied)
        plan.replaces.push_back(fmt::format(
            "{} ({})", printable(place),
            request.drop_old ? "removed" : "kept beside it with .before-TIME at its name's end"));
    return plan;
}

Result<std::unique_ptr<RestoreSession>> open_pieces(const RestoreRequest& request,
                                                    SessionContext context) {
    ASB_CHECK(check_pieces(request));
    ASB_TRY([[maybe_unused]] const auto occupied, occupied_places(request));
    return PiecesRestore::open(request, std::move(context));
}

}  // namespace asb::fileset
