#include "engine/postgres/data_directory_writer.hpp"

#include "base/clock.hpp"
#include "base/fail_point.hpp"
#include "base/text.hpp"
#include "codec/digest.hpp"
#include "engine/postgres/data_directory_config.hpp"
#include "engine/postgres/data_directory_recovery.hpp"
#include "engine/postgres/tablespace_mark.hpp"

namespace asb::postgres {
namespace {

constexpr std::string_view kControlFile = "global/pg_control";
constexpr std::string_view kTablespaceMap = "tablespace_map";
constexpr std::string_view kServerManifest = "backup_manifest";
// pg_control is 8 KiB; a tablespace_map has a line of at most 1 KiB for each tablespace.
constexpr std::size_t kHeldBytesMax = 16 * kMiB;
constexpr std::string_view kAutoConf = "postgresql.auto.conf";

// Takes `prefix` and a slash off the front of `path`; "" when nothing follows.
std::optional<std::string_view> below(std::string_view prefix, std::string_view path) {
    if (!path.starts_with(prefix)) return std::nullopt;
    path.remove_prefix(prefix.size());
    if (path.empty()) return path;
    if (path[0] != '/') return std::nullopt;
    return path.substr(1);
}

Error not_expected(const EntryHeader& header) {
    return fail(Code::damaged, "'{}' has no place in a PostgreSQL backup", printable(header.name));
}

std::string stamp_now() {
    return to_stamp(now());
}

}  // namespace

Result<std::unique_ptr<DataDirectoryWriter>> DataDirectoryWriter::open(DataDirectoryOptions options,
                                                                       SessionContext context) {
    std::unique_ptr<DataDirectoryWriter> writer(
        new DataDirectoryWriter(std::move(options), std::move(context)));
    ASB_CHECK(writer->open_folders());
    return writer;
}

Status DataDirectoryWriter::open_folders() {
    // Before the data directory's leftovers go, by which these are known.
    for (const auto& place : options_.tablespaces)
        ASB_CHECK(clear_if_of_dead_restore(place.new_path));
    ASB_TRY(main_, StagedFolder::open({.target = options_.target,
                                       .owner = options_.owner,
                                       .force = options_.force,
                                       .stamp = stamp_now()}));
    for (const auto& place : options_.tablespaces) {
        ASB_TRY(auto folder, StagedFolder::open({.target = place.new_path,
                                                 .owner = options_.owner,
                                                 .force = false,
                                                 .stamp = stamp_now()}));
        ASB_CHECK(put_mark(folder->tree(), main_->staging()));
        tablespaces_.emplace(place.oid, std::move(folder));
    }
    return {};
}

Status DataDirectoryWriter::begin(const EntryHeader& header) {
    ASB_CHECK(context_.stop.check());
    ASB_CHECK(safe_name(header.name));
    if (header.type != EntryType::file && header.type != EntryType::folder)
        return fail(Code::damaged, "'{}' is neither a file nor a folder", printable(header.name));
    open_file_ = {};
    open_is_file_ = header.type == EntryType::file;
    if (const auto path = below("postgresql/base", header.name))
        return begin_in_base(header, *path);
    if (const auto path = below("postgresql/wal", header.name)) return begin_in_wal(header, *path);
    if (const auto path = below("postgresql/tablespaces", header.name))
        return begin_in_tablespace(header, *path);
    if (header.name == "postgresql" && !open_is_file_) return {};
    return not_expected(header);
}

bool DataDirectoryWriter::is_held(std::string_view path) const {
    return path == kControlFile || path == kTablespaceMap ||
           (options_.recovery && path == kAutoConf);
}

Status DataDirectoryWriter::begin_in_base(const EntryHeader& header, std::string_view path) {
    open_file_.path = path;
    if (!open_is_file_ || (!is_held(path) && !acts_on_the_original(path)))
        return begin_entry(main_->tree(), header, path);
    way_ = is_held(path) ? Way::to_memory : Way::nowhere;
    if (header.size > kHeldBytesMax)
        return fail(Code::damaged, "{} has {} bytes, which it never has", path, header.size);
    if (way_ == Way::to_memory && !held_.emplace(path, "").second)
        return fail(Code::damaged, "{} comes twice in the backup", path);
    return {};
}

Status DataDirectoryWriter::begin_in_wal(const EntryHeader& header, std::string_view path) {
    if (path.find('/') != std::string_view::npos) return not_expected(header);
    if (open_is_file_) ++wal_files_;
    return begin_entry(main_->tree(), header,
                       path.empty() ? "pg_wal" : fmt::format("pg_wal/{}", path));
}

Status DataDirectoryWriter::begin_in_tablespace(const EntryHeader& header, std::string_view path) {
    const auto oid = path.substr(0, path.find('/'));
    if (oid.empty()) return open_is_file_ ? Status(not_expected(header)) : Status();
    const auto found = tablespaces_.find(oid);
    if (found == tablespaces_.end())
        return fail(Code::damaged, "'{}' belongs to a tablespace that the manifest does not name",
                    printable(header.name));
    path.remove_prefix(oid.size());
    if (path.empty()) return open_is_file_ ? Status(not_expected(header)) : Status();
    open_file_.path = fmt::format("pg_tblspc/{}{}", oid, path);
    return begin_entry(found->second->tree(), header, path.substr(1));
}

Status DataDirectoryWriter::begin_entry(StagedTree& tree, const EntryHeader& header,
                                        std::string_view path) {
    if (!open_is_file_) return path.empty() ? Status() : tree.make_folder(path);
    if (path.empty()) return not_expected(header);
    tree_ = &tree;
    way_ = Way::to_file;
    return tree.begin_file(path);
}

Status DataDirectoryWriter::write(Bytes bytes) {
    ASB_CHECK(context_.stop.check());
    open_file_.size += bytes.size();
    if (!open_file_.path.empty()) open_file_.crc32c = crc32c(open_file_.crc32c, bytes);
    if (way_ == Way::to_file) return tree_->write(bytes);
    if (way_ == Way::to_memory) held_[open_file_.path].append(as_text(bytes));
    return {};
}

Status DataDirectoryWriter::end() {
    if (!open_is_file_) return {};
    if (way_ == Way::nowhere)
        notes_.push_back(
            fmt::format("{} was left out: it belongs to the original", open_file_.path));
    if (!open_file_.path.empty() && open_file_.path != kServerManifest)
        arrived_.add(std::move(open_file_));
    return way_ == Way::to_file ? tree_->end_file() : Status();
}

Status DataDirectoryWriter::publish() {
    ASB_CHECK(check_whole());
    ASB_CHECK(complete());
    if (options_.durable) {
        context_.progress.begin_stage("forcing the data directory to disk", 0);
        for (auto& [oid, folder] : tablespaces_)
            ASB_CHECK(folder->tree().sync(options_.jobs, context_.stop));
        ASB_CHECK(main_->tree().sync(options_.jobs, context_.stop));
    }
    ASB_CHECK(context_.stop.check());
    ASB_CHECK(put_control());
    ASB_CHECK(publish_folders());
    describe();
    return drop_old();
}

Status DataDirectoryWriter::check_whole() {
    if (!main_->tree().has_file(kServerManifest))
        return fail(Code::damaged, "{} is missing from the backup", kServerManifest);
    if (wal_files_ == 0)
        return fail(Code::damaged, "the backup holds no WAL: no server could start from it");
    ASB_TRY(const auto text, main_->tree().read_back(kServerManifest, kServerManifestBytesMax));
    ASB_TRY(auto manifest, parse_server_manifest(text));
    ASB_CHECK(arrived_.compare(manifest));
    // The manifest has vouched for them if they are there; these are not optional.
    if (held_.contains(std::string(kControlFile)) && main_->tree().has_file("backup_label"))
        return {};
    return fail(Code::damaged, "backup_label or {} is missing from the backup", kControlFile);
}

Status DataDirectoryWriter::complete() {
    auto map = held_.find(std::string(kTablespaceMap));
    if (map != held_.end() || !options_.tablespaces.empty()) {
        const std::string text = map == held_.end() ? "" : map->second;
        ASB_TRY(const auto rewritten, rewrite_tablespace_map(text, options_.tablespaces));
        ASB_CHECK(main_->tree().write_file(kTablespaceMap, rewritten));
    }
    ASB_CHECK(main_->tree().make_folder("pg_wal/archive_status"));
    ASB_CHECK(complete_recovery());
    ASB_TRY(auto lines, complete_configuration(main_->tree()));
    for (auto& line : lines) notes_.push_back(std::move(line));
    for (auto& line : configuration_warnings(main_->tree())) notes_.push_back(std::move(line));
    return {};
}

Status DataDirectoryWriter::complete_recovery() {
    if (!options_.recovery) return {};
    ASB_TRY(wal_way_, choose_wal_way(*options_.recovery, options_.owner, context_.stop));
    notes_.push_back(wal_way_ == WalWay::unpacked
                         ? fmt::format("the WAL was unpacked into pg_wal, since user {} may not "
                                       "read the repository or run this program",
                                       options_.owner->user)
                         : "while it recovers it fetches its WAL from the repository with this "
                           "program: keep both in place until then");
    return write_recovery(main_->tree(), *options_.recovery,
                          {.way = wal_way_,
                           .auto_conf = std::move(held_[std::string(kAutoConf)]),
                           .owner = options_.owner,
                           .durable = options_.durable});
}

Status DataDirectoryWriter::put_control() {
    if (const int error = fail_point("restore.control"))
        return errno_error(error, "cannot write", kControlFile);
    const std::string& control = held_[std::string(kControlFile)];
    return options_.durable ? main_->tree().write_file_durably(kControlFile, control)
                            : main_->tree().write_file(kControlFile, control);
}

Status DataDirectoryWriter::publish_folders() {
    // Tablespaces first: a data directory under its final name finds all that it points to.
    for (auto& [oid, folder] : tablespaces_) ASB_CHECK(folder->publish());
    auto status = main_->publish();
    if (!status.ok()) return status;
    main_->keep();
    for (auto& [oid, folder] : tablespaces_) {
        folder->keep();
        take_mark(folder->tree());
    }
    return {};
}

void DataDirectoryWriter::describe() {
    const auto version = options_.major == 0 ? "" : fmt::format(" {}", options_.major);
    const auto as = options_.owner ? fmt::format(" (as user {})", options_.owner->user) : "";
    report_.push_back(
        fmt::format("PostgreSQL{} data directory at {}; start it with: pg_ctl -D {} start{}",
                    version, directory(), shell_quote(directory()), as));
    if (options_.recovery)
        report_.push_back("at its first start it will " + describe_recovery(*options_.recovery) +
                          "; it answers before that: wait until SELECT pg_is_in_recovery() says f, "
                          "what it shows earlier is not yet that instant");
    for (const auto& place : options_.tablespaces)
        report_.push_back(fmt::format("tablespace {} is at {} (it was at {})", place.oid,
                                      place.new_path, place.old_path));
    for (auto* notes : {&options_.notes, &notes_})
        for (auto& note : *notes) report_.push_back(std::move(note));
}

Status DataDirectoryWriter::drop_old() {
    if (main_->moved_aside().empty()) return {};
    if (!options_.drop_old) {
        report_.push_back(fmt::format("what was there before is kept at {}", main_->moved_aside()));
        return {};
    }
    if (const auto removed = remove_tree(main_->moved_aside()); !removed.ok())
        report_.push_back(
            fmt::format("warning: what was there before is not removed: {}", removed.error().fact));
    else
        report_.push_back(
            fmt::format("what was there before is removed: {}", main_->moved_aside()));
    return {};
}

}  // namespace asb::postgres
