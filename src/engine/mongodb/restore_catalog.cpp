#include "engine/mongodb/restore_catalog.hpp"

#include <algorithm>

#include "engine/mongodb/layout.hpp"

namespace asb::mongodb {
namespace {

// "<database>.<collection>" may have 255 bytes (manual, "Naming Restrictions"); some are left for
// the temporary names that servers derive themselves.
constexpr std::size_t kNameSpaceBytesMax = 235;

bool is_id_index(BsonView spec) {
    const auto key = spec.child("key");
    const auto first = key.begin();
    return spec.text("name") == "_id_" ||
           (first != key.end() && first->key == "_id" && first->as_integer() == 1 &&
            !(++BsonView::Iterator(first) != key.end()));
}

// Fields of a stored specification that createIndexes does not take: `ns` (before 4.4), and what a
// compatible server notes for itself.
bool is_internal(std::string_view field) {
    return field == "ns" || field == "entryFormat" || field == "multikey";
}

bool same_key(BsonView spec, BsonView key) {
    return as_text(spec.child("key").bytes()) == as_text(key.bytes());
}

}  // namespace

std::string_view plain_name(std::string_view collection) {
    return collection.starts_with(kBucketsPrefix) ? collection.substr(kBucketsPrefix.size())
                                                  : collection;
}

std::string StagedCollection::name_space() const {
    return database + "." + name;
}

std::string id_key(const BsonElement& id) {
    std::string key(1, static_cast<char>(id.type));
    key.append(as_text(id.value));
    return key;
}

std::string derived_name(std::string_view database, std::string_view name,
                         std::string_view suffix) {
    const std::size_t taken = database.size() + 1 + suffix.size();
    const std::size_t room = taken < kNameSpaceBytesMax ? kNameSpaceBytesMax - taken : 1;
    std::string stem(name.substr(0, room));
    // A cut within a UTF-8 character would be an illegal name.
    while (stem.size() < name.size() && !stem.empty() &&
           (static_cast<unsigned char>(name[stem.size()]) & 0xc0U) == 0x80U)
        stem.pop_back();
    if (stem.starts_with("system.")) stem[6] = '_';
    return stem.append(suffix);
}

std::string RestoreCatalog::free_staging_name(const StagedCollection& collection) const {
    const auto taken = [&](const std::string& name) {
        return std::ranges::any_of(collections_, [&](const auto& other) {
            return other->home == collection.home && other->staged == name;
        });
    };
    auto name = derived_name(collection.home, collection.name, "__restore_" + restore_id_);
    for (unsigned number = 2; taken(name); ++number)
        name = derived_name(collection.home, collection.name,
                            "_" + std::to_string(number) + "__restore_" + restore_id_);
    return name;
}

StagedCollection* RestoreCatalog::add(StagedCollection collection) {
    if (named(collection.database, collection.name) != nullptr) return nullptr;
    if (collection.home.empty()) collection.home = collection.database;
    if (!collection.kept && collection.kind != StagedCollection::Kind::view)
        collection.staged = free_staging_name(collection);
    collections_.push_back(std::make_unique<StagedCollection>(std::move(collection)));
    return collections_.back().get();
}

StagedCollection* RestoreCatalog::named(std::string_view database, std::string_view name) const {
    for (const auto& collection : collections_)
        if (collection->database == database && collection->name == name) return collection.get();
    return nullptr;
}

StagedCollection* RestoreCatalog::find(std::string_view database, std::string_view name,
                                       std::string_view uuid) const {
    if (!uuid.empty())
        for (const auto& collection : collections_)
            if (collection->database == database && collection->uuid == uuid)
                return collection.get();
    auto* found = named(database, name);
    if (found != nullptr && !uuid.empty() && !found->uuid.empty()) return nullptr;
    return found;
}

void RestoreCatalog::remove(const StagedCollection* collection) {
    std::erase_if(collections_, [&](const auto& other) { return other.get() == collection; });
}

void set_index(StagedCollection& collection, BsonView spec) {
    if (is_id_index(spec)) return;
    BsonWriter kept;
    for (const auto& field : spec)
        if (!is_internal(field.key)) kept.add(field);
    auto document = kept.finish();
    const auto name = spec.text("name");
    for (auto& index : collection.indexes)
        if (view_of(index).text("name") == name) {
            index = std::move(document);
            return;
        }
    collection.indexes.push_back(std::move(document));
}

void drop_index(StagedCollection& collection, const BsonElement& which) {
    const auto name = which.as_string();
    if (name == "*") {
        collection.indexes.clear();
        return;
    }
    std::erase_if(collection.indexes, [&](const std::string& index) {
        if (name) return view_of(index).text("name") == *name;
        return which.is(BsonType::document) && same_key(view_of(index), view_of(which));
    });
}

void modify_index(StagedCollection& collection, BsonView change) {
    const auto name = change.text("name");
    const auto key = change.child("keyPattern");
    for (auto& index : collection.indexes) {
        const auto spec = view_of(index);
        if (name.empty() ? !same_key(spec, key) : spec.text("name") != name) continue;
        BsonWriter changed;
        for (const auto& field : spec)
            if (!change.find(field.key) || field.key == "name" || field.key == "key")
                changed.add(field);
        for (const auto& field : change)
            if (field.key != "name" && field.key != "keyPattern") changed.add(field);
        index = changed.finish();
        return;
    }
}

}  // namespace asb::mongodb
