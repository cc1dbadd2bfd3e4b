#pragma once
// Why this exists: BSON in tests is written as the documentation prints it, in Extended JSON.

#include <string>
#include <string_view>

#include "base/bytes.hpp"
#include "engine/mongodb/bson_view.hpp"
#include "engine/mongodb/handles.hpp"

namespace asb::mongodb {

inline std::string bson(std::string_view json) {
    bson_error_t error;
    const Bson document(bson_new_from_json(reinterpret_cast<const std::uint8_t*>(json.data()),
                                           static_cast<ssize_t>(json.size()), &error));
    ASB_ASSERT(document != nullptr);
    return {reinterpret_cast<const char*>(bson_get_data(document.get())), document->len};
}

inline std::string json(std::string_view bytes) {
    bson_t document;
    ASB_ASSERT(bson_init_static(&document, reinterpret_cast<const std::uint8_t*>(bytes.data()),
                                bytes.size()));
    const BsonText text(bson_as_relaxed_extended_json(&document, nullptr));
    return text.get();
}

}  // namespace asb::mongodb
