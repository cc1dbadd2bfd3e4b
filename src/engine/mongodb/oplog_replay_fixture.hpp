#pragma once
// Why this exists: what a replay makes of entries is tested on collections in memory, for entries
// of a copy's own slice and for those that come after it.

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <map>
#include <string>
#include <vector>

#include "engine/mongodb/oplog_replay.hpp"
#include "engine/mongodb/oplog_test_support.hpp"

namespace asb::mongodb {

// Staged collections in memory, by their staged name.
class Memory final : public StagedDocuments, public StagedDefinitions {
  public:
    std::map<std::string, std::map<std::string, std::string>> held;
    std::vector<std::string> calls;

    Status fetch(const StagedCollection& collection, const std::string& ids,
                 const Take& take) override {
        for (const auto& id : view_of(ids)) {
            auto& documents = held[collection.staged];
            const auto found = documents.find(id_key(id));
            if (found != documents.end()) ASB_CHECK(take(as_bytes(std::string(found->second))));
        }
        return {};
    }
    Status erase(const StagedCollection& collection, std::vector<std::string> ids) override {
        for (const auto& id : ids) held[collection.staged].erase(id_key(*view_of(id).find("_id")));
        return {};
    }
    Status store(const StagedCollection& collection, std::vector<std::string> documents) override {
        for (const auto& document : documents) {
            order.push_back(json(document));
            held[collection.staged][id_key(*view_of(document).find("_id"))] = document;
        }
        return {};
    }
    Status insert(const StagedCollection& collection, std::vector<std::string> documents) override {
        calls.push_back(fmt::format("insert {} into {}", documents.size(), collection.name));
        return store(collection, std::move(documents));
    }
    Status settle() override { return {}; }
    Status create(const StagedCollection& collection) override {
        calls.push_back("create " + collection.name);
        held[collection.staged];
        return {};
    }
    Status drop(const StagedCollection& collection) override {
        calls.push_back("drop " + collection.name);
        held.erase(collection.staged);
        return {};
    }
    Status empty(const StagedCollection& collection) override {
        held[collection.staged].clear();
        return {};
    }
    Status modify(const StagedCollection& collection, BsonView fields) override {
        calls.push_back("modify " + collection.name + " " + json(as_text(fields.bytes())));
        return {};
    }
    Status convert_to_capped(const StagedCollection& collection, std::int64_t bytes) override {
        calls.push_back(fmt::format("cap {} {}", collection.name, bytes));
        return {};
    }
    std::vector<std::string> order;  // every document stored
};

class OplogReplayTest : public testing::Test {
  protected:
    StagedCollection* stage(const std::string& name, std::string uuid,
                            const std::string& options = "{}") {
        StagedCollection collection;
        collection.database = "auth";
        collection.name = name;
        collection.uuid = std::move(uuid);
        collection.options = bson(options);
        auto* added = catalog.add(std::move(collection));
        memory.held[added->staged];
        return added;
    }
    void put(const StagedCollection* collection, const std::string& document) {
        ASB_ASSERT(memory.store(*collection, {bson(document)}).ok());
        memory.order.clear();
    }
    std::vector<std::string> documents(const std::string& name) {
        std::vector<std::string> found;
        const auto* collection = catalog.named("auth", name);
        if (collection == nullptr) return {"(no collection)"};
        for (const auto& [key, document] : memory.held[collection->staged])
            found.push_back(json(document));
        return found;
    }
    // `fields` without ts, which counts up.
    Status take(const std::string& fields) {
        return replay.take(as_bytes(
            bson(fmt::format(R"({{"ts": {{"$timestamp": {{"t": 100, "i": {}}}}}, "v": 2, {}}})",
                             ++ordinal, fields))));
    }
    void expect_taken(const std::string& fields) {
        const auto taken = take(fields);
        ASSERT_TRUE(taken.ok()) << taken.error().fact;
    }
    void expect_whole() {
        const auto finished = replay.finish();
        ASSERT_TRUE(finished.ok()) << finished.error().fact;
    }

    RestoreCatalog catalog{"id"};
    Memory memory;
    OplogReplay replay{
        catalog,
        memory,
        memory,
        {.home = [](std::string_view database) { return std::string(database); },
         .wanted = [](std::string_view database, std::string_view) { return database == "auth"; },
         .kept = [](std::string_view, std::string_view) { return false; }}};
    int ordinal = 0;
};

// UUIDs as Extended JSON has them, and as bytes.
inline constexpr const char* kUuidA =
    R"({"$binary": {"base64": "AAAAAAAAAAAAAAAAAAAAAA==", "subType": "04"}})";
inline constexpr const char* kUuidB =
    R"({"$binary": {"base64": "AQEBAQEBAQEBAQEBAQEBAQ==", "subType": "04"}})";
inline const std::string kBytesA(16, '\0');
inline const std::string kBytesB(16, '\1');

}  // namespace asb::mongodb
