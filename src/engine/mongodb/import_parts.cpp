#include "engine/mongodb/import_parts.hpp"

#include "base/json.hpp"
#include "engine/mongodb/layout.hpp"

namespace asb::mongodb {

Status put_entry(EntrySink& sink, const std::string& name, Bytes bytes) {
    ASB_CHECK(sink.begin({.name = name, .size = bytes.size()}));
    if (!bytes.empty()) ASB_CHECK(sink.write(bytes));
    return sink.end();
}

Status DocumentParts::flush() {
    if (waiting_.empty()) return {};
    const auto name = fmt::format("{}.{:06}", entry_, ++parts_[entry_]);
    ASB_CHECK(put_entry(sink_, name, as_bytes(waiting_)));
    waiting_.clear();
    return {};
}

Status DocumentParts::add(const std::string& entry, Bytes document) {
    const bool other = entry != entry_;
    if (other || waiting_.size() + document.size() > kPartBytes) ASB_CHECK(flush());
    if (other) entry_ = entry;
    waiting_ += as_text(document);
    return {};
}

Status DocumentParts::complete(const std::string& entry) {
    ASB_CHECK(flush());
    return parts_.contains(entry) ? Status{} : put_entry(sink_, entry, {});
}

const std::string& ArchiveEntries::entry_of(std::string_view database, std::string_view name) {
    if (entry_.empty() || database_ != database || name_ != name) {
        database_ = database;
        name_ = name;
        entry_ = database.empty() ? oplog_entry() : data_entry(database, name);
    }
    return entry_;
}

Status ArchiveEntries::versions(std::string_view server, std::string_view tool) {
    const Json prelude = {{"ServerVersion", server}, {"ToolVersion", tool}};
    return put_entry(sink_, std::string(kPreludeEntry), as_bytes(prelude.dump()));
}

Status ArchiveEntries::announced(const ArchiveCollection& collection) {
    if (collection.database.empty()) return {};  // the oplog has no metadata
    if (collection.type == "view") views_.insert(data_entry(collection.database, collection.name));
    return put_entry(sink_, metadata_entry(collection.database, collection.name),
                     as_bytes(collection.metadata));
}

Status ArchiveEntries::document(std::string_view database, std::string_view name, Bytes bytes) {
    return parts_.add(entry_of(database, name), bytes);
}

Status ArchiveEntries::complete(std::string_view database, std::string_view name) {
    const auto& entry = entry_of(database, name);
    return views_.contains(entry) ? Status{} : parts_.complete(entry);
}

}  // namespace asb::mongodb
