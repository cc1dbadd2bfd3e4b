#include "engine/mongodb/oplog_delta.hpp"

#include <map>
#include <set>
#include <vector>

#include "base/text.hpp"
#include "engine/mongodb/bson_frame.hpp"

namespace asb::mongodb {
namespace {

// An array index far beyond what 16 MiB of elements can hold is damage, not padding to be written.
constexpr std::uint64_t kArrayElementsMax = 16 * kMiB / 3;

Error malformed(std::string_view what) {
    return fail(Code::damaged, "a delta update of the oplog is malformed at '{}'", printable(what));
}

enum class Change { remove, update, insert, binary, nested };

struct FieldChange {
    Change kind = Change::update;
    BsonElement value;
};

// A document difference as a table: field -> what becomes of it, and the fields to append.
struct FieldChanges {
    std::map<std::string_view, FieldChange> by_field;
    std::vector<BsonElement> appended;  // of u and i, in their order

    Status add(std::string_view field, Change kind, const BsonElement& value) {
        if (!by_field.emplace(field, FieldChange{kind, value}).second) return malformed(field);
        if (kind == Change::update || kind == Change::insert) appended.push_back(value);
        return {};
    }
};

Status read_section(const BsonElement& section, Change kind, FieldChanges& changes) {
    if (!section.is(BsonType::document)) return malformed(section.key);
    for (const auto& field : view_of(section)) ASB_CHECK(changes.add(field.key, kind, field));
    return {};
}

Result<FieldChanges> read_changes(BsonView diff) {
    FieldChanges changes;
    for (const auto& section : diff) {
        if (section.key == "d") {
            ASB_CHECK(read_section(section, Change::remove, changes));
        } else if (section.key == "u") {
            ASB_CHECK(read_section(section, Change::update, changes));
        } else if (section.key == "i") {
            ASB_CHECK(read_section(section, Change::insert, changes));
        } else if (section.key == "b") {
            ASB_CHECK(read_section(section, Change::binary, changes));
        } else if (section.key.starts_with("s") && section.is(BsonType::document)) {
            ASB_CHECK(changes.add(section.key.substr(1), Change::nested, section));
        } else {
            return malformed(section.key);
        }
    }
    return changes;
}

// {o: offset, d: bytes}: the value's bytes up to the offset, then these (time-series columns).
Result<std::string> patched_binary(const BsonElement& before, const BsonElement& change) {
    const auto patch = change.is(BsonType::document) ? view_of(change) : BsonView();
    const auto offset = patch.find("o");
    const auto data = patch.find("d");
    if (!offset || !data || !data->is(BsonType::binary)) return malformed(change.key);
    const auto kept = offset->as_integer().value_or(-1);
    constexpr std::size_t kHeader = 5;  // length and subtype
    if (kept < 0 || !before.is(BsonType::binary) ||
        static_cast<std::uint64_t>(kept) > before.value.size() - kHeader)
        return std::string();
    std::string bytes(as_text(before.value.subspan(kHeader, static_cast<std::size_t>(kept))));
    bytes.append(as_text(data->value.subspan(kHeader)));
    std::string value;
    for (unsigned i = 0; i < 4; ++i)
        value.push_back(static_cast<char>((bytes.size() >> (8 * i)) & 0xffU));
    value.push_back(static_cast<char>(before.value[4]));
    return value + bytes;
}

class Delta {
  public:
    Result<std::string> document(BsonView before, BsonView diff, unsigned depth) {
        if (depth > kDocumentDepthMax) return malformed("its depth");
        ASB_TRY(const auto changes, read_changes(diff));
        BsonWriter after;
        std::set<std::string_view> in_place;
        for (const auto& element : before) {
            const auto found = changes.by_field.find(element.key);
            if (found == changes.by_field.end())
                after.add(element);
            else
                ASB_CHECK(change(element, found->second, after, in_place, depth));
        }
        for (const auto& element : changes.appended)
            if (!in_place.contains(element.key)) after.add(element);
        return after.finish();
    }

  private:
    Status change(const BsonElement& before, const FieldChange& change, BsonWriter& after,
                  std::set<std::string_view>& in_place, unsigned depth) {
        switch (change.kind) {
            case Change::remove:
            case Change::insert:  // stands at the end from now on
                return {};
            case Change::update:
                after.add(change.value);
                in_place.insert(before.key);
                return {};
            case Change::binary: {
                ASB_TRY(const auto value, patched_binary(before, change.value));
                if (value.empty())
                    after.add_null(before.key);
                else
                    after.add(before.key, BsonType::binary, as_bytes(value));
                return {};
            }
            case Change::nested:
                return nested(&before, before.key, view_of(change.value), after, depth);
        }
        return {};
    }

    // `before` may be null: there was no such element.
    Status nested(const BsonElement* before, std::string_view key, BsonView diff, BsonWriter& after,
                  unsigned depth) {
        const bool of_array = diff.flag("a");
        const auto wanted = of_array ? BsonType::array : BsonType::document;
        if (before == nullptr || !before->is(wanted)) {
            after.add_null(key);
            return {};
        }
        if (of_array) {
            ASB_TRY(const auto value, array(view_of(*before), diff, depth + 1));
            after.add_array(key, as_bytes(value));
        } else {
            ASB_TRY(const auto value, document(view_of(*before), diff, depth + 1));
            after.add_document(key, as_bytes(value));
        }
        return {};
    }

    struct ArrayChanges {
        std::optional<std::uint64_t> size;              // l
        std::map<std::uint64_t, BsonElement> by_index;  // u<index>, s<index>
        // How long the array is at least afterwards.
        [[nodiscard]] std::uint64_t reach() const {
            const std::uint64_t last = by_index.empty() ? 0 : by_index.rbegin()->first + 1;
            return std::max(last, size.value_or(0));
        }
    };

    static Result<ArrayChanges> read_array_changes(BsonView diff) {
        ArrayChanges changes;
        for (const auto& part : diff) {
            if (part.key == "a") continue;
            const auto number = part.key == "l" ? part.as_integer() : std::optional<std::int64_t>();
            const auto index = part.key.empty() ? std::nullopt : parse_u64(part.key.substr(1));
            if (number && *number >= 0)
                changes.size = static_cast<std::uint64_t>(*number);
            else if (index && (part.key[0] == 'u' || part.key[0] == 's'))
                changes.by_index.emplace(*index, part);
            else
                return malformed(part.key);
        }
        if (changes.reach() > kArrayElementsMax) return malformed("its array's length");
        return changes;
    }

    Result<std::string> array(BsonView before, BsonView diff, unsigned depth) {
        if (depth > kDocumentDepthMax) return malformed("its depth");
        ASB_TRY(const auto changes, read_array_changes(diff));
        BsonWriter after;
        std::uint64_t index = 0;
        for (const auto& element : before) {
            if (changes.size && index >= *changes.size) break;
            ASB_CHECK(item(&element, index++, changes, after, depth));
        }
        const std::uint64_t reach = changes.reach();
        while (index < reach) ASB_CHECK(item(nullptr, index++, changes, after, depth));
        return after.finish();
    }

    Status item(const BsonElement* before, std::uint64_t index, const ArrayChanges& changes,
                BsonWriter& after, unsigned depth) {
        const auto key = std::to_string(index);
        const auto found = changes.by_index.find(index);
        if (found == changes.by_index.end()) {
            if (before == nullptr)
                after.add_null(key);
            else
                after.add(key, before->type, before->value);
            return {};
        }
        const auto& change = found->second;
        if (change.key[0] == 'u') {
            after.add(key, change.type, change.value);
            return {};
        }
        if (!change.is(BsonType::document)) return malformed(change.key);
        return nested(before, key, view_of(change), after, depth);
    }
};

}  // namespace

Result<std::string> apply_delta(BsonView document, BsonView diff) {
    return Delta().document(document, diff, 1);
}

}  // namespace asb::mongodb
