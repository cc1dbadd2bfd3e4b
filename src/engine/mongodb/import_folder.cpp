#include "engine/mongodb/import_folder.hpp"

#include <dirent.h>

#include <algorithm>
#include <cerrno>
#include <memory>

#include "base/text.hpp"
#include "engine/mongodb/layout.hpp"
#include "io/file.hpp"

namespace asb::mongodb {
namespace {

constexpr std::string_view kGzipEnding = ".gz";

struct CloseFolder {
    void operator()(DIR* folder) const { closedir(folder); }
};

struct Found {
    std::vector<std::string> folders;
    std::vector<std::string> files;
};

Result<Found> look_into(const std::string& path) {
    const std::unique_ptr<DIR, CloseFolder> folder(opendir(path.c_str()));
    if (!folder) return errno_error(errno, "cannot read the folder", path);
    Found found;
    while (true) {
        errno = 0;
        const auto* item = readdir(folder.get());
        if (item == nullptr) break;
        const std::string name(std::begin(item->d_name));
        if (name == "." || name == "..") continue;
        struct stat state {};
        if (stat(fmt::format("{}/{}", path, name).c_str(), &state) != 0)
            return errno_error(errno, "cannot look at", fmt::format("{}/{}", path, name));
        if (S_ISDIR(state.st_mode)) found.folders.push_back(name);
        if (S_ISREG(state.st_mode)) found.files.push_back(name);
    }
    if (errno != 0) return errno_error(errno, "cannot read the folder", path);
    return found;
}

// Versions, collections, data, oplog.
int rank(const DumpFile& file) {
    const auto entry = parse_mongo_entry(file.entry);
    switch (entry->kind) {
        case MongoEntry::Kind::prelude:
            return 0;
        case MongoEntry::Kind::metadata:
            return 1;
        case MongoEntry::Kind::data:
            return 2;
        case MongoEntry::Kind::oplog_before:
        case MongoEntry::Kind::oplog:
            return 3;
    }
    return 4;
}

void add_files(const std::string& folder, const std::string& below,
               const std::vector<std::string>& names, std::vector<DumpFile>& files, Log& log) {
    for (const auto& name : names) {
        const bool gzip = name.ends_with(kGzipEnding);
        const auto plain = gzip ? name.substr(0, name.size() - kGzipEnding.size()) : name;
        DumpFile file{.path = fmt::format("{}/{}{}", folder, below, name),
                      .entry = fmt::format("{}{}{}", kMongoPrefix, below, plain),
                      .gzip = gzip};
        const auto entry = parse_mongo_entry(file.entry);
        // Of an unpacked backup of ours: leads to what the dump itself holds.
        if (entry && entry->kind == MongoEntry::Kind::oplog_before) continue;
        // Parts are what our own backups hold, and are not compressed by themselves.
        if (entry && !(gzip && entry->part))
            files.push_back(std::move(file));
        else
            log.warning("{} is no file of a mongodump and is passed over", printable(file.path));
    }
}

}  // namespace

Result<std::vector<DumpFile>> find_dump_files(const std::string& folder, Log& log) {
    ASB_TRY(auto top, look_into(folder));
    std::vector<DumpFile> files;
    add_files(folder, "", top.files, files, log);
    for (const auto& database : top.folders) {
        ASB_TRY(const auto inside, look_into(fmt::format("{}/{}", folder, database)));
        add_files(folder, database + "/", inside.files, files, log);
    }
    std::ranges::sort(files, {},
                      [](const DumpFile& file) { return std::pair(rank(file), file.entry); });
    if (files.empty() || rank(files.back()) == 0)
        return with_hint(
            fail(Code::usage, "{} holds no dump of mongodump", printable(folder)),
            "name the folder that mongodump --out was told, or the file of its --archive");
    return files;
}

}  // namespace asb::mongodb
