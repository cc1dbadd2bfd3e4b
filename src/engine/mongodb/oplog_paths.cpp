#include "engine/mongodb/oplog_paths.hpp"

#include <algorithm>

#include "base/text.hpp"
#include "engine/mongodb/bson_frame.hpp"

namespace asb::mongodb {
namespace {

// The server takes at most this many elements of padding in one update (maxPaddingAllowed), but an
// array may have grown by many; no array of 16 MiB has more elements than this.
constexpr std::uint64_t kArrayElementsMax = 16 * kMiB / 3;

enum class Act { set, unset, truncate };

struct PathChange {
    Act act = Act::set;
    BsonElement value;      // of set
    std::int64_t size = 0;  // of truncate
};

struct Path {
    std::string_view first;
    std::string_view rest;
    [[nodiscard]] bool last() const { return rest.data() == nullptr; }
};

Path take_first(std::string_view path) {
    const auto dot = path.find('.');
    if (dot == std::string_view::npos) return {path, {}};
    return {path.substr(0, dot), path.substr(dot + 1)};
}

// A document made of nothing but the rest of a path.
std::string made(std::string_view path, const BsonElement& value) {
    const auto part = take_first(path);
    BsonWriter writer;
    if (part.last())
        writer.add(part.first, value.type, value.value);
    else
        writer.add_document(part.first, as_bytes(made(part.rest, value)));
    return writer.finish();
}

std::string truncated(BsonView array, std::int64_t size) {
    BsonWriter writer;
    for (const auto& element : array)
        if (static_cast<std::int64_t>(writer.count()) < size) writer.add(element);
    return writer.finish();
}

void add_made(std::string_view key, const Path& part, const PathChange& change, BsonWriter& after) {
    if (part.last())
        after.add(key, change.value.type, change.value.value);
    else
        after.add_document(key, as_bytes(made(part.rest, change.value)));
}

std::string changed(BsonView before, BsonType kind, std::string_view path,
                    const PathChange& change);

// The element that the path's first component names, where it is there.
void change_element(const BsonElement& element, BsonType parent, const Path& part,
                    const PathChange& change, BsonWriter& after) {
    if (!part.last()) {
        if (element.holds_elements())
            after.add(element.key, element.type,
                      as_bytes(changed(view_of(element), element.type, part.rest, change)));
        else
            after.add(element);
        return;
    }
    switch (change.act) {
        case Act::set:
            after.add(element.key, change.value.type, change.value.value);
            return;
        case Act::unset:
            if (parent == BsonType::array) after.add_null(element.key);
            return;
        case Act::truncate:
            if (element.is(BsonType::array))
                after.add_array(element.key, as_bytes(truncated(view_of(element), change.size)));
            else
                after.add(element);
            return;
    }
}

std::string changed(BsonView before, BsonType kind, std::string_view path,
                    const PathChange& change) {
    const auto part = take_first(path);
    BsonWriter after;
    bool found = false;
    for (const auto& element : before) {
        if (element.key != part.first) {
            after.add(element);
            continue;
        }
        found = true;
        change_element(element, kind, part, change, after);
    }
    if (found || change.act != Act::set) return after.finish();
    if (kind == BsonType::array) {
        const auto index = parse_u64(part.first);
        if (!index) return after.finish();  // a field of an array: a later entry replaces it
        while (after.count() < *index) after.add_null(std::to_string(after.count()));
    }
    add_made(part.first, part, change, after);
    return after.finish();
}

Status check_path(std::string_view path) {
    unsigned depth = 0;
    for (const auto& name : split(path, '.')) {
        const auto index = parse_u64(name);
        if (++depth > kDocumentDepthMax || (index && *index > kArrayElementsMax))
            return fail(Code::damaged, "an update of the oplog names the path '{}'",
                        printable(path.substr(0, 100)));
    }
    return {};
}

}  // namespace

Result<std::string> apply_paths(BsonView document, const PathChanges& changes) {
    std::string now(as_text(document.bytes()));
    const auto apply = [&](std::string_view path, const PathChange& change) -> Status {
        ASB_CHECK(check_path(path));
        now = changed(view_of(now), BsonType::document, path, change);
        return {};
    };
    for (const auto& item : changes.truncate)
        ASB_CHECK(apply(item.path, {.act = Act::truncate, .value = {}, .size = item.size}));
    for (const auto path : changes.unset)
        ASB_CHECK(apply(path, {.act = Act::unset, .value = {}, .size = 0}));
    for (const auto& item : changes.set)
        ASB_CHECK(apply(item.path, {.act = Act::set, .value = item.value, .size = 0}));
    return now;
}

}  // namespace asb::mongodb
