#include "engine/mongodb/oplog_update.hpp"

#include "base/text.hpp"
#include "engine/mongodb/oplog_delta.hpp"
#include "engine/mongodb/oplog_paths.hpp"

namespace asb::mongodb {
namespace {

std::string replaced(BsonView document, BsonView update) {
    const auto id = document.find("_id");
    if (update.find("_id") || !id) return std::string(as_text(update.bytes()));
    return BsonWriter().add(*id).add_all(update).finish();
}

Error unknown_form(std::string_view what) {
    return with_hint(
        fail(Code::database, "the oplog holds an update of an unknown form: {}", printable(what)),
        "the server that was backed up is newer than this program; restore with a "
        "newer version of it");
}

Result<PathChanges> modifiers(BsonView update) {
    PathChanges changes;
    for (const auto& part : update) {
        if (part.key == "$v") continue;
        if (part.key == "$set" && part.holds_elements()) {
            for (const auto& field : view_of(part)) changes.set.push_back({field.key, field});
        } else if (part.key == "$unset" && part.holds_elements()) {
            for (const auto& field : view_of(part)) changes.unset.push_back(field.key);
        } else {
            return unknown_form(part.key);
        }
    }
    return changes;
}

Result<PathChanges> described(BsonView diff) {
    PathChanges changes;
    for (const auto& part : diff) {
        if (!part.holds_elements()) return unknown_form(part.key);
        for (const auto& item : view_of(part)) {
            if (part.key == "updatedFields") {
                changes.set.push_back({item.key, item});
            } else if (part.key == "removedFields") {
                changes.unset.push_back(item.as_string().value_or(std::string_view()));
            } else if (part.key == "truncatedArrays" && item.holds_elements()) {
                const auto size = view_of(item).find("newSize");
                changes.truncate.push_back(
                    {view_of(item).text("field"), size ? size->as_integer().value_or(0) : 0});
            } else {
                return unknown_form(part.key);
            }
        }
    }
    return changes;
}

bool is_described(BsonView diff) {
    return diff.find("updatedFields") || diff.find("removedFields") || diff.find("truncatedArrays");
}

}  // namespace

bool is_replacement(BsonView update) {
    const auto first = update.begin();
    if (!(first != update.end())) return true;
    return !first->key.starts_with("$");
}

Result<std::string> apply_update(BsonView document, BsonView update) {
    if (is_replacement(update)) return replaced(document, update);
    const auto version = update.find("$v");
    if (version && version->as_integer() == 2) {
        const auto diff = update.find("diff");
        if (!diff || !diff->is(BsonType::document)) return unknown_form("$v 2 without diff");
        if (!is_described(view_of(*diff))) return apply_delta(document, view_of(*diff));
        ASB_TRY(const auto changes, described(view_of(*diff)));
        return apply_paths(document, changes);
    }
    if (version && version->as_integer() != 1) return unknown_form("$v");
    ASB_TRY(const auto changes, modifiers(update));
    return apply_paths(document, changes);
}

}  // namespace asb::mongodb
