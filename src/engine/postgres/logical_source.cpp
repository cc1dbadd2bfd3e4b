#include "engine/postgres/logical_source.hpp"

#include <fcntl.h>

#include "base/text.hpp"
#include "engine/postgres/logical_rows.hpp"

namespace asb::postgres {
namespace {

// A cluster of a thousand databases needs about 1 MiB.
constexpr std::size_t kCatalogBytesMax = 64 * kMiB;

}  // namespace

Result<std::unique_ptr<LogicalSource>> LogicalSource::make(Options options, StagingArea& area,
                                                           const SessionContext& context) {
    return std::unique_ptr<LogicalSource>(new LogicalSource(std::move(options), area, context));
}

std::string LogicalSource::dump_file(const std::string& database) const {
    return area_.path() + "/" + escape_database(database) + ".dump";
}

Status LogicalSource::begin(const EntryHeader& header) {
    entry_ = Entry::none;
    if (header.type == EntryType::folder) return {};
    if (header.name == kGlobalsEntry) {
        entry_ = Entry::globals;
        return {};
    }
    if (header.name == kCatalogEntry) {
        if (header.size > kCatalogBytesMax)
            return fail(Code::damaged, "databases.json of the backup is too large");
        entry_ = Entry::catalog;
        return {};
    }
    const auto part = parse_dump_entry(header.name);
    if (header.type != EntryType::file || !part)
        return fail(Code::damaged, "a logical backup has no entry {}", printable(header.name));
    return begin_dump(*part, header.name);
}

Status LogicalSource::begin_dump(const DumpPart& part, std::string_view name) {
    auto& arrived = parts_[part.database];
    const bool next = part.number == 0 ? arrived == 0 : part.number == arrived + 1;
    if (!next)
        return fail(Code::damaged, "{} follows part {} of that dump", printable(name), arrived);
    ++arrived;
    if (!options_.wanted(part.database)) return {};
    entry_ = Entry::dump;
    path_ = dump_file(part.database);
    const int how = arrived == 1 ? O_CREAT | O_EXCL : O_APPEND;
    ASB_TRY(file_, open_file(path_, O_WRONLY | how, 0600));
    return {};
}

Status LogicalSource::write(Bytes bytes) {
    if (entry_ == Entry::catalog) catalog_text_ += as_text(bytes);
    if (entry_ != Entry::dump) return {};
    return write_all(file_.get(), bytes, path_);
}

Status LogicalSource::end() {
    entry_ = Entry::none;
    file_.reset();
    return {};
}

Status LogicalSource::open() {
    if (catalog_text_.empty())
        return fail(Code::damaged,
                    "the backup has no databases.json, so nothing is known of its "
                    "databases");
    ASB_TRY(catalog_, parse_catalog(catalog_text_));
    return {};
}

Result<std::vector<std::string>> LogicalSource::databases() {
    std::vector<std::string> names;
    for (const auto& database : catalog_.databases) names.push_back(database.name);
    return names;
}

Result<RoleList> LogicalSource::roles() {
    return catalog_.roles;
}

Result<DatabaseDescription> LogicalSource::describe(const std::string& database) {
    for (const auto& each : catalog_.databases)
        if (each.name == database) return each;
    return fail(Code::not_found, "the backup holds no database \"{}\"", database);
}

Result<StoredDump> LogicalSource::dump(const std::string& database, unsigned /*jobs*/) {
    if (!parts_.contains(database))
        return fail(Code::damaged, "the backup holds no dump of database \"{}\"", database);
    return StoredDump{.path = dump_file(database),
                      .pg_restore = options_.programs.path("pg_restore"),
                      .psql = options_.programs.path("psql")};
}

Status LogicalSource::discard(const std::string& database) {
    return remove_tree(dump_file(database));
}

Result<Compared> LogicalSource::compare(const std::string& database, Connection& copy) {
    ASB_TRY(const auto dump, this->dump(database, 1));
    ASB_TRY(const auto counted, count_dump(dump, database, context_.stop));
    return compare_with_dump(counted, copy);
}

}  // namespace asb::postgres
