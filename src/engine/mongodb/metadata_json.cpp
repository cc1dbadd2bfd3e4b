#include "engine/mongodb/metadata_json.hpp"

#include "base/text.hpp"
#include "engine/mongodb/bson_frame.hpp"
#include "engine/mongodb/bson_view.hpp"
#include "engine/mongodb/handles.hpp"

namespace asb::mongodb {
namespace {

Error unreadable(std::string_view name, std::string_view what) {
    return fail(Code::damaged, "{} is no collection's metadata: {}", printable(name),
                printable(what));
}

// libbson's reader of Extended JSON, in a form that owns its bytes.
Result<std::string> bson_of_json(std::string_view text, std::string_view name) {
    bson_error_t error;
    const Bson document(bson_new_from_json(reinterpret_cast<const std::uint8_t*>(text.data()),
                                           static_cast<ssize_t>(text.size()), &error));
    if (!document) return unreadable(name, error.message);
    std::string bytes(reinterpret_cast<const char*>(bson_get_data(document.get())), document->len);
    if (const auto valid = validate_bson(as_bytes(bytes)); !valid.ok())
        return unreadable(name, valid.error().fact);
    return bytes;
}

}  // namespace

Result<CollectionMetadata> parse_metadata(std::string_view text, std::string_view name) {
    ASB_TRY(const auto bytes, bson_of_json(text, name));
    const auto document = view_of(bytes);
    CollectionMetadata metadata;
    metadata.name = document.text("collectionName");
    metadata.type = document.text("type");
    if (const auto uuid = document.text("uuid"); !uuid.empty()) {
        const auto parsed = parse_hex(uuid);
        if (!parsed || parsed->size() != 16) return unreadable(name, "its uuid is none");
        metadata.uuid = as_text(*parsed);
    }
    const auto options = document.find("options");
    metadata.options = options && options->is(BsonType::document)
                           ? std::string(as_text(options->value))
                           : BsonWriter().finish();
    if (const auto indexes = document.find("indexes"); indexes && indexes->is(BsonType::array))
        for (const auto& index : view_of(*indexes)) {
            if (!index.is(BsonType::document)) return unreadable(name, "an index is no document");
            metadata.indexes.emplace_back(as_text(index.value));
        }
    return metadata;
}

}  // namespace asb::mongodb
