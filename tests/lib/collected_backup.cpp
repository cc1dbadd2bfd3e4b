#include "lib/collected_backup.hpp"

#include <cstdio>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "base/text.hpp"
#include "io/file.hpp"

namespace asb::test {
namespace {

constexpr std::pair<std::string_view, std::string_view> kPlaces[] = {
    {"postgresql/base", "data"},
    {"postgresql/wal", "data/pg_wal"},
    {"postgresql/tablespaces", "tablespaces"}};

}  // namespace

CollectedBackup::~CollectedBackup() {
    // NOLINTNEXTLINE(cppcoreguidelines-owning-memory): open between begin() and end() only
    if (file_ != nullptr) static_cast<void>(std::fclose(file_));
}

std::string CollectedBackup::path_of(const std::string& name) const {
    for (const auto& [prefix, place] : kPlaces)
        if (name.starts_with(prefix))
            return fmt::format("{}/{}{}", folder_.path(), place, name.substr(prefix.size()));
    return {};
}

Status CollectedBackup::begin(const EntryHeader& header) {
    ASB_ASSERT(file_ == nullptr);
    const std::string path = path_of(header.name);
    ASB_CHECK(safe_name(header.name));
    if (path.empty()) return fail(Code::failed, "{} is not at home", header.name);
    if (!entries_.emplace(header.name, header).second)
        return fail(Code::failed, "{} came twice", header.name);
    open_ = header;
    left_ = header.size;
    if (header.type == EntryType::folder) {
        std::filesystem::create_directories(path);
        return {};
    }
    // NOLINTNEXTLINE(cppcoreguidelines-owning-memory): end() or the destructor closes it
    file_ = std::fopen(path.c_str(), "wbx");
    if (file_ == nullptr) return errno_error(errno, "cannot make", path);
    return {};
}

Status CollectedBackup::write(Bytes bytes) {
    if (hook) ASB_CHECK(hook(bytes_));
    ASB_ASSERT(bytes.size() <= left_);
    left_ -= bytes.size();
    bytes_ += bytes.size();
    if (!bytes.empty() && std::fwrite(bytes.data(), bytes.size(), 1, file_) != 1)
        return errno_error(errno, "cannot write", open_.name);
    return {};
}

Status CollectedBackup::end() {
    if (left_ != 0) return fail(Code::failed, "{} lacks {} bytes", open_.name, left_);
    if (file_ != nullptr && std::fclose(std::exchange(file_, nullptr)) != 0)
        return errno_error(errno, "cannot write", open_.name);
    return {};
}

std::string CollectedBackup::content(const std::string& name) const {
    auto text = read_file(path_of(name), 64 * kMiB);
    return text.ok() ? text.value() : to_text(text.error());
}

// "16384 /old/place" a line.
std::unique_ptr<PostgresServer> CollectedBackup::start(std::vector<std::string> settings) {
    const std::string map = folder_.path() + "/data/tablespace_map";
    if (std::filesystem::exists(map)) {
        std::ostringstream rewritten;
        for (const std::string& line : split(content("postgresql/base/tablespace_map"), '\n'))
            if (const std::string oid = line.substr(0, line.find(' ')); !oid.empty())
                rewritten << oid << ' ' << folder_.path() << "/tablespaces/" << oid << '\n';
        std::ofstream(map, std::ios::trunc) << rewritten.str();
    }
    std::filesystem::permissions(folder_.path() + "/data", std::filesystem::perms::owner_all);
    folder_.hand_over();
    return PostgresServer::on(folder_.path() + "/data", std::move(settings));
}

}  // namespace asb::test
