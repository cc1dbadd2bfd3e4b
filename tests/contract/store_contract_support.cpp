// What the tests of the contract share; the tests themselves are in store_contract.cpp.

#include "contract/store_contract.hpp"

#include <gmock/gmock.h>

namespace asb::contract {

StoreContext context() {
    static const Settings kNone;
    return context(kNone);
}

StoreContext context(const Settings& settings) {
    static Log log(Log::Options{.run_id = "test"});
    return {.settings = settings, .log = log, .stop = {}};
}

Settings settings_of(const StoreDriver& driver, const std::map<std::string, std::string>& given) {
    Settings settings;
    for (const auto& option : driver.options) {
        const auto found = given.find(std::string(option.name));
        settings.set(option,
                     found == given.end() ? std::string(option.default_value) : found->second,
                     "test");
    }
    return settings;
}

StoreRights open_rights(const StoreDriver& driver, const std::string& location,
                        const StoreContext& with) {
    return {.reader = std::move(*driver.open_reader(location, with)),
            .appender = std::move(*driver.open_appender(location, with)),
            .eraser = std::move(*driver.open_eraser(location, with))};
}

std::vector<std::byte> make_bytes(std::size_t count, std::uint64_t seed) {
    std::vector<std::byte> bytes(count);
    std::uint64_t state = seed * 0x9E3779B97F4A7C15ULL + 1;
    for (auto& byte : bytes) {
        state ^= state << 13;  // xorshift64 (Marsaglia 2003)
        state ^= state >> 7;
        state ^= state << 17;
        byte = static_cast<std::byte>(state);
    }
    return bytes;
}

std::vector<std::string> texts_of(const std::vector<ObjectKey>& keys) {
    std::vector<std::string> texts;
    texts.reserve(keys.size());
    for (const auto& key : keys) texts.push_back(key.text());
    return texts;
}

std::vector<std::string> texts_of(const std::vector<ObjectInfo>& objects) {
    std::vector<std::string> texts;
    texts.reserve(objects.size());
    for (const auto& object : objects) texts.push_back(object.key.text());
    return texts;
}

std::string StoreContract::get(const std::string& key) {
    constexpr std::size_t kSmallBytesMax = 1 * kMiB;
    auto text = reader().get(ObjectKey::known(key), kSmallBytesMax);
    return text.ok() ? *text : fmt::format("<{}>", code_name(text.error().code));
}

std::unique_ptr<ObjectWriter> StoreContract::create(const std::string& key) {
    auto writer = appender().create(ObjectKey::known(key));
    EXPECT_TRUE(writer.ok()) << to_text(writer.error());
    return writer.ok() ? std::move(*writer) : nullptr;
}

Code StoreContract::refusal_to_create(const std::string& key) {
    const auto writer = location_->open().appender->create(ObjectKey::known(key));
    EXPECT_FALSE(writer.ok());
    return writer.ok() ? Code::failed : writer.error().code;
}

std::vector<std::string> StoreContract::list(std::string_view prefix) {
    const auto objects = reader().list(prefix);
    EXPECT_TRUE(objects.ok());
    auto names = texts_of(objects.value());
    std::vector<std::string> visited;
    const auto status = reader().visit_names(prefix, [&](std::string_view key) -> Status {
        visited.emplace_back(key);
        return {};
    });
    EXPECT_TRUE(status.ok());
    EXPECT_THAT(visited, testing::UnorderedElementsAreArray(names));
    return names;
}

std::vector<std::string> StoreContract::being_written() {
    const auto keys = eraser().being_written();
    EXPECT_TRUE(keys.ok());
    return texts_of(keys.value());
}

std::size_t StoreContract::sweep() {
    const auto count = eraser().sweep_abandoned();
    EXPECT_TRUE(count.ok());
    return count.value();
}

}  // namespace asb::contract
