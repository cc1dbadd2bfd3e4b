#pragma once
// Why this exists: what the repository relies on is written down once, as tests, and every store
// driver passes the same ones. A driver adds one file to tests/contract that instantiates
// StoreContract with its StoreCase; nothing in the suite knows where the objects are.

#include <gtest/gtest.h>

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "store/store.hpp"

namespace asb::contract {

struct StoreRights {
    std::unique_ptr<StoreReader> reader;
    std::unique_ptr<StoreAppender> appender;
    std::unique_ptr<StoreEraser> eraser;
};

// A place that holds nothing yet, and does not exist yet where the driver can make it itself. All
// that it made is removed on destruction.
class StoreLocation {
  public:
    virtual ~StoreLocation() = default;
    // Opens all rights anew, as another run of the program would.
    virtual StoreRights open() = 0;
};

struct StoreCase {
    std::string name;  // [A-Za-z0-9]+, part of the tests' names
    std::function<std::unique_ptr<StoreLocation>()> make_location;
};

// For drivers that need no settings; those of `settings`, which is borrowed.
StoreContext context();
StoreContext context(const Settings& settings);
// The driver's options at their defaults, but for what is given.
Settings settings_of(const StoreDriver& driver, const std::map<std::string, std::string>& given);

// Rights of the driver `driver` at `location`; a failure to open ends the test.
StoreRights open_rights(const StoreDriver& driver, const std::string& location,
                        const StoreContext& with = context());

// `count` bytes that look random and depend on `seed`.
std::vector<std::byte> make_bytes(std::size_t count, std::uint64_t seed = 1);

std::vector<std::string> texts_of(const std::vector<ObjectKey>& keys);
std::vector<std::string> texts_of(const std::vector<ObjectInfo>& objects);

class StoreContract : public testing::TestWithParam<StoreCase> {
  protected:
    StoreContract() : location_(GetParam().make_location()), rights_(location_->open()) {}

    StoreReader& reader() { return *rights_.reader; }
    StoreAppender& appender() { return *rights_.appender; }
    StoreEraser& eraser() { return *rights_.eraser; }

    void put(const std::string& key, std::string_view text) {
        const auto status = appender().put(ObjectKey::known(key), as_bytes(text));
        ASSERT_TRUE(status.ok()) << to_text(status.error());
    }
    // The object's text, or "<code name>" of the error.
    std::string get(const std::string& key);
    // A writer for `key`; null, and a failed test, when there is none.
    std::unique_ptr<ObjectWriter> create(const std::string& key);
    // The code with which `key` cannot be created now.
    Code refusal_to_create(const std::string& key);
    std::vector<std::string> list(std::string_view prefix = "");
    std::vector<std::string> being_written();
    std::size_t sweep();

    std::unique_ptr<StoreLocation> location_;
    StoreRights rights_;
};

inline std::string case_name(const testing::TestParamInfo<StoreCase>& info) {
    return info.param.name;
}

}  // namespace asb::contract
