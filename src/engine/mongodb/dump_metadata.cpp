#include "engine/mongodb/dump_metadata.hpp"

#include "base/json.hpp"
#include "base/text.hpp"

namespace asb {
namespace {

std::string uuid_of(const bson_t& document) {
    const auto field = find_field(document, "info.uuid");
    if (!field || !BSON_ITER_HOLDS_BINARY(&field->at)) return {};
    bson_subtype_t subtype{};
    std::uint32_t size = 0;
    const std::uint8_t* data = nullptr;
    bson_iter_binary(&field->at, &subtype, &size, &data);
    if (subtype != BSON_SUBTYPE_UUID) return {};
    return to_hex({reinterpret_cast<const std::byte*>(data), size});
}

}  // namespace

Result<CollectionInfo> parse_collection_info(const bson_t& document) {
    CollectionInfo info;
    const auto name = text_at(document, "name");
    if (!name || name->empty())
        return fail(Code::damaged, "the server lists a collection without a name");
    info.name = *name;
    info.type = text_at(document, "type").value_or("");
    auto options = document_at(document, "options");
    info.options = options ? std::move(*options) : Bson(bson_new());
    info.uuid = uuid_of(document);
    return info;
}

std::string metadata_text(const CollectionInfo& info, const std::vector<Bson>& indexes) {
    BsonBuilder list;
    for (std::size_t i = 0; i < indexes.size(); ++i) list.document(std::to_string(i), *indexes[i]);
    BsonBuilder metadata;
    if (bson_count_keys(info.options.get()) != 0) metadata.document("options", *info.options);
    metadata.array("indexes", list.get());
    if (!info.uuid.empty()) metadata.text("uuid", info.uuid);
    metadata.text("collectionName", info.name);
    if (!info.type.empty()) metadata.text("type", info.type);
    const BsonText text(bson_as_canonical_extended_json(&metadata.get(), nullptr));
    ASB_ASSERT(text != nullptr);
    return text.get();
}

std::string prelude_text(std::string_view server_version, std::string_view tool_version) {
    return fmt::format("{{\"ServerVersion\":{},\"ToolVersion\":{}}}",
                       Json(printable(server_version)).dump(),
                       Json(printable(tool_version)).dump());
}

}  // namespace asb
