#include "engine/postgres/only_choice.hpp"

#include <algorithm>
#include <array>
#include <map>

#include "base/text.hpp"

namespace asb::postgres {
namespace {

constexpr std::size_t kNamesShown = 20;

constexpr std::array<std::string_view, 5> kRelationKinds = {"TABLE", "VIEW", "MATERIALIZED VIEW",
                                                            "SEQUENCE", "FOREIGN TABLE"};
// Their tag begins with the table's name; they may depend on other tables besides.
constexpr std::array<std::string_view, 7> kTaggedKinds = {
    "DEFAULT", "CONSTRAINT", "CHECK CONSTRAINT", "FK CONSTRAINT", "TRIGGER", "RULE", "POLICY"};
// They belong to what they depend on.
constexpr std::array<std::string_view, 12> kDependentKinds = {
    "TABLE DATA",        "MATERIALIZED VIEW DATA", "INDEX",           "SEQUENCE",
    "SEQUENCE OWNED BY", "SEQUENCE SET",           "STATISTICS",      "ACL",
    "COMMENT",           "SECURITY LABEL",         "STATISTICS DATA", "ROW SECURITY"};
// They tie two objects together, and are wanted when both are.
constexpr std::array<std::string_view, 2> kTies = {"TABLE ATTACH", "INDEX ATTACH"};

template <typename Kinds>
bool is_one_of(const Kinds& kinds, std::string_view kind) {
    return std::ranges::find(kinds, kind) != kinds.end();
}

std::string first_names(const std::set<std::string>& names) {
    std::vector<std::string> shown;
    for (const auto& name : names) {
        if (shown.size() == kNamesShown) {
            shown.emplace_back("...");
            break;
        }
        shown.push_back(printable(name));
    }
    return join(shown, ", ");
}

// The schema that an entry about a schema names ("SCHEMA auth" of kind ACL, "auth" of kind SCHEMA).
std::string schema_meant(const TocEntry& entry) {
    constexpr std::string_view kPrefix = "SCHEMA ";
    if (entry.kind == "SCHEMA") return entry.tag;
    if (entry.schema.empty() && entry.tag.starts_with(kPrefix))
        return entry.tag.substr(kPrefix.size());
    return {};
}

bool add_schemas(const std::vector<TocEntry>& toc, const OnlyWord& word, Pieces& pieces,
                 std::set<std::string>& there) {
    bool found = false;
    for (const auto& entry : toc) {
        const auto& name = entry.kind == "SCHEMA" ? entry.tag : entry.schema;
        if (name.empty()) continue;
        there.insert(name);
        if (!matches_glob(word.schema, name)) continue;
        pieces.schemas.insert(name);
        found = true;
    }
    return found;
}

bool add_relations(const std::vector<TocEntry>& toc, const OnlyWord& word, Pieces& pieces,
                   std::set<std::string>& there) {
    bool found = false;
    for (const auto& entry : toc) {
        if (!is_one_of(kRelationKinds, entry.kind)) continue;
        if (!matches_glob(word.schema, entry.schema)) continue;
        there.insert(shown({entry.schema, entry.tag}));
        if (!matches_glob(word.table, entry.tag)) continue;
        pieces.relations.insert({entry.schema, entry.tag});
        found = true;
    }
    return found;
}

struct Attachment {
    RelationName parent;
    RelationName child;
};

std::vector<Attachment> attachments(const std::vector<TocEntry>& toc) {
    std::map<int, const TocEntry*> by_id;
    for (const auto& entry : toc) by_id[entry.id] = &entry;
    std::vector<Attachment> found;
    for (const auto& entry : toc) {
        if (entry.kind != "TABLE ATTACH") continue;
        const RelationName child{entry.schema, entry.tag};
        for (const int id : entry.depends) {
            const auto at = by_id.find(id);
            if (at == by_id.end() || !is_one_of(kRelationKinds, at->second->kind)) continue;
            const RelationName parent{at->second->schema, at->second->tag};
            if (parent != child) found.push_back({parent, child});
        }
    }
    return found;
}

// A partitioned table holds its rows in its partitions, so they go with it.
Status add_partitions(const std::vector<TocEntry>& toc, Pieces& pieces) {
    const auto ties = attachments(toc);
    for (std::size_t before = 0; before != pieces.relations.size();) {
        before = pieces.relations.size();
        for (const auto& tie : ties)
            if (pieces.relations.contains(tie.parent)) pieces.relations.insert(tie.child);
    }
    for (const auto& tie : ties)
        if (pieces.relations.contains(tie.child) && !pieces.relations.contains(tie.parent))
            return with_hint(
                fail(Code::refused, "{} is a partition of {}", shown(tie.child), shown(tie.parent)),
                "name the partitioned table with --only: its partitions go with it");
    return {};
}

// One collecting; borrows everything for its length.
class Collector {
  public:
    Collector(const std::vector<TocEntry>& toc, const Pieces& pieces,
              const std::set<std::string>& missing_schemas)
        : toc_(toc), pieces_(pieces), missing_(missing_schemas) {}

    std::vector<const TocEntry*> run() {
        for (const auto& entry : toc_)
            if (is_named(entry)) take(entry);
        for (std::size_t before = 0; before != taken_.size();) {
            before = taken_.size();
            for (const auto& entry : toc_)
                if (!taken_.contains(entry.id) && belongs(entry)) take(entry);
        }
        std::vector<const TocEntry*> entries;
        for (const auto& entry : toc_)
            if (taken_.contains(entry.id)) entries.push_back(&entry);
        return entries;
    }

  private:
    [[nodiscard]] bool is_named(const TocEntry& entry) const {
        const auto meant = schema_meant(entry);
        if (!meant.empty()) return pieces_.schemas.contains(meant) || missing_.contains(meant);
        if (!entry.schema.empty() && pieces_.schemas.contains(entry.schema)) return true;
        return is_one_of(kRelationKinds, entry.kind) &&
               pieces_.relations.contains({entry.schema, entry.tag});
    }

    [[nodiscard]] bool belongs(const TocEntry& entry) const {
        if (is_one_of(kDependentKinds, entry.kind))
            return std::ranges::any_of(entry.depends, [&](int id) { return owners_.contains(id); });
        if (is_one_of(kTies, entry.kind))
            return std::ranges::all_of(entry.depends, [&](int id) { return owners_.contains(id); });
        if (!is_one_of(kTaggedKinds, entry.kind)) return false;
        return std::ranges::any_of(entry.depends, [&](int id) {
            const auto table = owners_.find(id);
            return table != owners_.end() && table->second->schema == entry.schema &&
                   entry.tag.starts_with(table->second->tag + " ");
        });
    }

    // Nothing belongs to a schema by depending on it: that is what naming it is for.
    void take(const TocEntry& entry) {
        taken_.insert(entry.id);
        if (entry.kind != "SCHEMA") owners_[entry.id] = &entry;
    }

    const std::vector<TocEntry>& toc_;
    const Pieces& pieces_;
    const std::set<std::string>& missing_;
    std::set<int> taken_;
    std::map<int, const TocEntry*> owners_;
};

}  // namespace

std::string shown(const RelationName& relation) {
    return relation.schema + "." + relation.name;
}

std::set<std::string> Pieces::needed_schemas() const {
    std::set<std::string> names;
    for (const auto& relation : relations) names.insert(relation.schema);
    return names;
}

Result<Pieces> find_pieces(const std::vector<TocEntry>& toc, const OnlyWords& only) {
    Pieces pieces;
    for (const auto& word : only.words) {
        std::set<std::string> there;
        const bool found = word.table.empty() ? add_schemas(toc, word, pieces, there)
                                              : add_relations(toc, word, pieces, there);
        if (!found)
            return with_hint(fail(Code::not_found, "--only {}: the backup holds no such {}",
                                  printable(word.text), word.table.empty() ? "schema" : "table"),
                             there.empty() ? "nothing of that database matches its schema either"
                                           : "it holds: " + first_names(there));
    }
    // What is in a schema that comes whole comes with it.
    std::erase_if(pieces.relations,
                  [&](const auto& relation) { return pieces.schemas.contains(relation.schema); });
    ASB_CHECK(add_partitions(toc, pieces));
    return pieces;
}

std::vector<const TocEntry*> collect_entries(const std::vector<TocEntry>& toc, const Pieces& pieces,
                                             const std::set<std::string>& missing_schemas) {
    return Collector(toc, pieces, missing_schemas).run();
}

std::set<RelationName> relations_of(const std::vector<const TocEntry*>& entries) {
    std::set<RelationName> relations;
    for (const auto* entry : entries)
        if (is_one_of(kRelationKinds, entry->kind)) relations.insert({entry->schema, entry->tag});
    return relations;
}

}  // namespace asb::postgres
