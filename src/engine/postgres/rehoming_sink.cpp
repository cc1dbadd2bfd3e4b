#include "engine/postgres/rehoming_sink.hpp"

#include "base/clock.hpp"
#include "base/text.hpp"
#include "codec/digest.hpp"

namespace asb {
namespace {

// The archive's root itself is spelled "", "." or "./".
std::string_view without_dot(std::string_view name) {
    while (name.starts_with("./")) name.remove_prefix(2);
    return name == "." ? std::string_view() : name;
}

Status check_type(const EntryHeader& header) {
    if (header.type == EntryType::file || header.type == EntryType::folder) return {};
    return fail(Code::database, "the server sent {}, which is neither a file nor a folder",
                printable(header.name));
}

}  // namespace

void RehomingSink::enter_base() {
    folder_ = kBaseFolder;
    ledger_prefix_.clear();
    folder_written_ = false;
}

void RehomingSink::enter_tablespace(std::string_view oid) {
    folder_ = fmt::format("{}/{}", kTablespacesFolder, oid);
    ledger_prefix_ = fmt::format("pg_tblspc/{}/", oid);
    folder_written_ = false;
}

EntryHeader RehomingSink::owned(std::string name, EntryType type, std::uint64_t size) const {
    const auto seconds =
        std::chrono::duration_cast<std::chrono::seconds>(now().time_since_epoch()).count();
    EntryHeader header = owner_;
    header.name = std::move(name);
    header.type = type;
    header.size = size;
    header.link_target.clear();
    const bool group_reads = (owner_.mode & 0040U) != 0;  // initdb --allow-group-access
    header.mode =
        type == EntryType::folder ? (group_reads ? 0750 : 0700) : (group_reads ? 0640 : 0600);
    header.mtime_seconds = seconds;
    header.mtime_nanoseconds = 0;
    return header;
}

Status RehomingSink::begin_folder_of(const EntryHeader& first) {
    folder_written_ = true;
    owner_ = first;
    ASB_CHECK(next_.begin(owned(folder_, EntryType::folder, 0)));
    return next_.end();
}

Status RehomingSink::begin(const EntryHeader& header) {
    ASB_CHECK(check_type(header));
    if (!folder_written_) ASB_CHECK(begin_folder_of(header));
    const std::string_view name = without_dot(header.name);
    open_is_file_ = header.type == EntryType::file;
    EntryHeader moved = header;
    moved.name = folder_;
    if (!name.empty()) {
        ASB_CHECK(safe_name(name));
        moved.name.append("/").append(name);
    }
    open_ = {.path = ledger_prefix_ + std::string(name)};
    return next_.begin(moved);
}

Status RehomingSink::write(Bytes bytes) {
    open_.crc32c = crc32c(open_.crc32c, bytes);
    open_.size += bytes.size();
    return next_.write(bytes);
}

Status RehomingSink::end() {
    if (open_is_file_) ledger_.add(std::move(open_));
    return next_.end();
}

}  // namespace asb
