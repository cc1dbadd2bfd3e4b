// A configuration file of any bytes: what is accepted comes back from its own quoting unchanged.

#include "app/configuration.hpp"

namespace {

std::string in_quotes(std::string_view value) {
    std::string text = "\"";
    for (const char c : value) {
        if (c == '"' || c == '\\' || c == '$' || c == '`') text += '\\';
        text += c;
    }
    return text + "\"";
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace asb;
    const std::string_view text(reinterpret_cast<const char*>(data), size);
    const auto lines = parse_config_file(text, "backup.conf");
    if (!lines) {
        ASB_ASSERT(lines.error().code == Code::usage);
        return 0;
    }
    std::string again;
    for (const auto& line : *lines) again += line.name + "=" + in_quotes(line.value) + "\n";
    const auto second = parse_config_file(again, "backup.conf");
    ASB_ASSERT(second.ok() && second->size() == lines->size());
    for (std::size_t i = 0; i < lines->size(); ++i)
        ASB_ASSERT((*second)[i].name == (*lines)[i].name &&
                   (*second)[i].value == (*lines)[i].value);
    return 0;
}
