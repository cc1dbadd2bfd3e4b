#include "engine/fileset/staging_tree.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>

#include "base/fail_point.hpp"
#include "base/text.hpp"
#include "engine/fileset/no_symlinks.hpp"

namespace asb::fileset {
namespace {

constexpr mode_t kPrivateFolder = 0700;
constexpr mode_t kPrivateFile = 0600;
constexpr std::size_t kCopyBytes = 1 * kMiB;

bool is_root() {
    return geteuid() == 0;
}

// Whoever cannot give a file to its owner must not keep its set-user-id bit either.
mode_t mode_of(const EntryHeader& header) {
    return static_cast<mode_t>(header.mode & (is_root() ? 07777U : 0777U));
}

std::array<timespec, 2> times_of(const EntryHeader& header) {
    const timespec written{.tv_sec = header.mtime_seconds,
                           .tv_nsec = static_cast<long>(header.mtime_nanoseconds)};
    return {written, written};
}

template <typename... Args>
Error damaged(const EntryHeader& header, fmt::format_string<Args...> format, Args&&... args) {
    return fail(Code::damaged, "archive entry {} {}", printable(header.name),
                fmt::format(format, std::forward<Args>(args)...));
}

}  // namespace

StagingTree::StagingTree(int root, std::string path, StopToken stop)
    : root_(root), path_(std::move(path)), stop_(std::move(stop)) {}

Error StagingTree::failed(std::string_view action, const std::string& name) const {
    const int error = errno;
    return errno_error(error, action, path_ + "/" + printable(name));
}

Status StagingTree::begin(const EntryHeader& header) {
    ASB_ASSERT(!file_.valid());
    ASB_CHECK(stop_.check());
    ASB_CHECK(check_name(header));
    switch (header.type) {
        case EntryType::file:
            return make_file(header);
        case EntryType::folder:
            return make_folder(header);
        case EntryType::hard_link:
            return make_hard_link(header);
        case EntryType::symbolic_link:
            if (header.link_target.empty() || header.link_target.find('\0') != std::string::npos)
                return damaged(header, "is a symbolic link without a proper target");
            ASB_CHECK(make_parents(header.name));
            nodes_[header.name] = {.type = header.type, .header = header};
            return {};
        case EntryType::other:
            break;
    }
    return damaged(header, "is neither a file, a folder nor a link");
}

Status StagingTree::check_name(const EntryHeader& header) const {
    ASB_CHECK(safe_name(header.name));
    for (auto above = split_name(header.name).folder; !above.empty();
         above = split_name(above).folder) {
        const auto node = nodes_.find(std::string(above));
        if (node != nodes_.end() && node->second.type != EntryType::folder)
            return damaged(header, "lies below {}, which is not a folder", printable(above));
    }
    const auto node = nodes_.find(header.name);
    if (node == nodes_.end()) return {};
    if (node->second.is_implied && header.type == EntryType::folder) return {};
    return damaged(header, "is there twice");
}

Result<UniqueFd> StagingTree::open_parent(const std::string& name) const {
    auto fd = open_no_symlinks(root_, split_name(name).folder, O_RDONLY | O_DIRECTORY);
    if (!fd.valid()) return failed("cannot open the folder of", name);
    return fd;
}

Status StagingTree::make_parents(const std::string& name) {
    const std::string above(split_name(name).folder);
    if (above.empty() || nodes_.count(above) != 0) return {};
    EntryHeader header;
    header.name = above;
    header.type = EntryType::folder;
    header.mode = kPrivateFolder;
    ASB_CHECK(make_folder(header));
    nodes_[above].is_implied = true;
    return {};
}

Status StagingTree::make_folder(const EntryHeader& header) {
    const auto [node, is_new] = nodes_.try_emplace(header.name);
    node->second = {.type = EntryType::folder, .header = header};
    if (!is_new) return {};
    ASB_CHECK(make_parents(header.name));
    ASB_TRY(const auto parent, open_parent(header.name));
    const std::string last(split_name(header.name).last);
    if (mkdirat(parent.get(), last.c_str(), kPrivateFolder) != 0)
        return failed("cannot create the folder", header.name);
    return {};
}

Status StagingTree::make_file(const EntryHeader& header) {
    ASB_CHECK(make_parents(header.name));
    ASB_TRY(const auto parent, open_parent(header.name));
    const std::string last(split_name(header.name).last);
    if (const int error = fail_point("restore.file.create"); error != 0) {
        errno = error;
        return failed("cannot create", header.name);
    }
    file_ = UniqueFd(openat(parent.get(), last.c_str(),
                            O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, kPrivateFile));
    if (!file_.valid()) return failed("cannot create", header.name);
    file_name_ = header.name;
    file_left_ = header.size;
    nodes_[header.name] = {.type = EntryType::file, .header = header};
    return {};
}

Status StagingTree::make_hard_link(const EntryHeader& header) {
    ASB_CHECK(safe_name(header.link_target));
    const auto target = nodes_.find(header.link_target);
    if (target == nodes_.end() || target->second.type != EntryType::file)
        return damaged(header, "is a hard link to {}, which is no file restored before it",
                       printable(header.link_target));
    ASB_CHECK(make_parents(header.name));
    ASB_TRY(const auto from, open_parent(header.link_target));
    ASB_TRY(const auto to, open_parent(header.name));
    const std::string from_name(split_name(header.link_target).last);
    const std::string to_name(split_name(header.name).last);
    if (linkat(from.get(), from_name.c_str(), to.get(), to_name.c_str(), 0) != 0)
        return failed("cannot create the hard link", header.name);
    nodes_[header.name] = {.type = EntryType::file, .header = header};
    nodes_[header.name].header.size = 0;
    return {};
}

const EntryHeader* StagingTree::file(const std::string& name) const {
    const auto node = nodes_.find(name);
    const bool is_file = node != nodes_.end() && node->second.type == EntryType::file;
    return is_file ? &node->second.header : nullptr;
}

Status StagingTree::adopt(StagingTree& from, const std::string& old_name,
                          const std::string& new_name) {
    const auto* file = from.file(old_name);
    ASB_ASSERT(file != nullptr);
    auto header = *file;
    header.name = new_name;
    ASB_CHECK(stop_.check());
    ASB_CHECK(check_name(header));
    ASB_CHECK(make_parents(new_name));
    ASB_TRY(const auto old_parent, from.open_parent(old_name));
    ASB_TRY(const auto new_parent, open_parent(new_name));
    const std::string old_last(split_name(old_name).last), new_last(split_name(new_name).last);
    if (renameat(old_parent.get(), old_last.c_str(), new_parent.get(), new_last.c_str()) != 0)
        return failed("cannot move to", new_name);
    from.nodes_.erase(old_name);
    nodes_[new_name] = {.type = EntryType::file, .header = std::move(header)};
    return {};
}

// A file of one of our trees. Its mode is the archive's, which may forbid us to open it.
Result<UniqueFd> StagingTree::open_within(const std::string& name, int flags) const {
    ASB_TRY(const auto parent, open_parent(name));
    const std::string last(split_name(name).last);
    if (fchmodat(parent.get(), last.c_str(), kPrivateFile, 0) != 0)
        return failed("cannot open", name);
    UniqueFd fd(openat(parent.get(), last.c_str(), flags | O_NOFOLLOW | O_CLOEXEC));
    if (!fd.valid()) return failed("cannot open", name);
    return fd;
}

Status StagingTree::append(const std::string& name, const StagingTree& pieces,
                           const std::string& piece_name) {
    const auto* piece = pieces.file(piece_name);
    ASB_ASSERT(piece != nullptr && file(name) != nullptr);
    ASB_TRY(const auto to, open_within(name, O_WRONLY | O_APPEND));
    ASB_TRY(const auto from, pieces.open_within(piece_name, O_RDONLY));
    if (const int error = fail_point("restore.file.append"); error != 0) {
        errno = error;
        return failed("cannot write", name);
    }
    ASB_CHECK(copy_to_end(to.get(), from.get()));
    auto header = *piece;
    header.name = name;
    header.size += file(name)->size;
    ASB_CHECK(set_attributes(to.get(), header, name));
    nodes_[name].header = std::move(header);
    return sync_fd(to.get(), path_ + "/" + printable(name));
}

Status StagingTree::copy_to_end(int to, int from) {
    Buffer block(kCopyBytes);
    while (true) {
        ASB_CHECK(stop_.check());
        block.clear();
        const ssize_t count = read(from, block.tail().data(), block.room());
        if (count < 0 && errno == EINTR) continue;
        if (count < 0) return failed("cannot read", "a piece of a log");
        if (count == 0) return {};
        block.grow(static_cast<std::size_t>(count));
        ASB_CHECK(write_all(to, block.view(), path_));
    }
}

Status StagingTree::write(Bytes bytes) {
    ASB_CHECK(stop_.check());
    if (bytes.empty()) return {};
    if (!file_.valid() || bytes.size() > file_left_)
        return fail(Code::damaged, "archive entry {} holds more data than its header says",
                    printable(file_name_));
    ASB_CHECK(write_all(file_.get(), bytes, path_ + "/" + printable(file_name_)));
    file_left_ -= bytes.size();
    return {};
}

Status StagingTree::end() {
    if (!file_.valid()) return {};
    if (file_left_ != 0)
        return fail(Code::damaged, "archive entry {} ends {} bytes too early",
                    printable(file_name_), file_left_);
    ASB_CHECK(set_attributes(file_.get(), nodes_[file_name_].header, file_name_));
    if (const int error = fail_point("restore.file.sync"); error != 0) {
        errno = error;
        return failed("cannot sync", file_name_);
    }
    ASB_CHECK(sync_fd(file_.get(), path_ + "/" + printable(file_name_)));
    file_.reset();
    return {};
}

// The order matters: a change of owner clears set-user-id, and any change but the last the time.
Status StagingTree::set_attributes(int fd, const EntryHeader& header, const std::string& name) {
    if (is_root() && fchown(fd, owners_.uid_of(header), owners_.gid_of(header)) != 0)
        return failed("cannot set the owner of", name);
    if (fchmod(fd, mode_of(header)) != 0) return failed("cannot set the mode of", name);
    if (futimens(fd, times_of(header).data()) != 0) return failed("cannot set the times of", name);
    return {};
}

Status StagingTree::make_symbolic_link(const std::string& name, const EntryHeader& header) {
    ASB_TRY(const auto parent, open_parent(name));
    const std::string last(split_name(name).last);
    if (symlinkat(header.link_target.c_str(), parent.get(), last.c_str()) != 0)
        return failed("cannot create the symbolic link", name);
    if (is_root() && fchownat(parent.get(), last.c_str(), owners_.uid_of(header),
                              owners_.gid_of(header), AT_SYMLINK_NOFOLLOW) != 0)
        return failed("cannot set the owner of", name);
    if (utimensat(parent.get(), last.c_str(), times_of(header).data(), AT_SYMLINK_NOFOLLOW) != 0)
        return failed("cannot set the times of", name);
    return {};
}

Status StagingTree::settle_folder(const std::string& name, const Node& node) {
    const auto fd = open_no_symlinks(root_, name, O_RDONLY | O_DIRECTORY);
    if (!fd.valid()) return failed("cannot open the folder", name);
    if (!node.is_implied) ASB_CHECK(set_attributes(fd.get(), node.header, name));
    return sync_fd(fd.get(), path_ + "/" + printable(name));
}

Status StagingTree::seal() {
    if (file_.valid())
        return fail(Code::damaged, "archive entry {} was cut off", printable(file_name_));
    for (const auto& [name, node] : nodes_)
        if (node.type == EntryType::symbolic_link) ASB_CHECK(make_symbolic_link(name, node.header));
    // What is in a folder comes before it, since its mode may then forbid to enter it.
    for (auto node = nodes_.rbegin(); node != nodes_.rend(); ++node)
        if (node->second.type == EntryType::folder)
            ASB_CHECK(settle_folder(node->first, node->second));
    return sync_fd(root_, path_);
}

void StagingTree::unseal() {
    for (const auto& [name, node] : nodes_) {
        if (node.type != EntryType::folder) continue;
        const auto parent = open_no_symlinks(root_, split_name(name).folder, O_PATH | O_DIRECTORY);
        const std::string last(split_name(name).last);
        if (parent.valid()) [[maybe_unused]]
            const int ignored = fchmodat(parent.get(), last.c_str(), kPrivateFolder, 0);
    }
}

StagingTree::Totals StagingTree::totals(std::string_view top) const {
    Totals sum;
    const auto prefix = std::string(top) + "/";
    for (auto node = nodes_.lower_bound(prefix);
         node != nodes_.end() && node->first.starts_with(prefix); ++node) {
        if (node->second.type == EntryType::folder) continue;
        ++sum.files;
        sum.bytes += node->second.header.size;
    }
    return sum;
}

std::map<std::string, std::string> StagingTree::links() const {
    std::map<std::string, std::string> links;
    for (const auto& [name, node] : nodes_)
        if (node.type == EntryType::symbolic_link) links[name] = node.header.link_target;
    return links;
}

}  // namespace asb::fileset
