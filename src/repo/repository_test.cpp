// The commit protocol and the way back, on a real folder.

#include "repo/repository.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "base/text.hpp"
#include "codec/segment.hpp"
#include "repo/names.hpp"
#include "store/local/local_store.hpp"

namespace asb {
namespace {

using testing::HasSubstr;

class FixedKey final : public KeyProvider {
  public:
    explicit FixedKey(std::string text) : text_(std::move(text)) {}
    [[nodiscard]] std::string_view name() const override { return "passphrase"; }
    Result<Fresh> fresh() override {
        return Fresh{
            .passphrase = {.text = Secret(text_), .iterations = 1000},
            .reference = {.provider = "passphrase", .key_id = "passphrase", .iterations = 1000}};
    }
    Result<BodyPassphrase> open(const KeyReference& reference) override {
        return BodyPassphrase{.text = Secret(text_), .iterations = reference.iterations};
    }

  private:
    std::string text_;
};

// Collects entries as name -> content.
class CollectingSink final : public EntrySink {
  public:
    std::map<std::string, std::string> entries;
    Status begin(const EntryHeader& header) override {
        current_ = &entries[header.name];
        return {};
    }
    Status write(Bytes bytes) override {
        current_->append(as_text(bytes));
        return {};
    }
    Status end() override { return {}; }

  private:
    std::string* current_ = nullptr;
};

Status push(EntrySink& sink, const std::string& name, std::string_view content) {
    EntryHeader header;
    header.name = name;
    header.size = content.size();
    ASB_CHECK(sink.begin(header));
    ASB_CHECK(sink.write(as_bytes(content)));
    return sink.end();
}

class RepositoryTest : public testing::Test {
  protected:
    void SetUp() override {
        std::string pattern = testing::TempDir() + "asb-repo-XXXXXX";
        folder = mkdtemp(pattern.data());
        const StoreContext with{settings, log, StopToken()};
        reader = kLocalStore.open_reader(folder, with).value();
        appender = kLocalStore.open_appender(folder, with).value();
        eraser = kLocalStore.open_eraser(folder, with).value();
    }
    void TearDown() override { std::filesystem::remove_all(folder); }

    std::unique_ptr<PendingBackup> begin(bool encrypted = true, bool compressed = true) {
        auto pending = PendingBackup::begin(
            *reader, *appender,
            {.type = BackupType::full,
             .tool_version = "test",
             .hostname = "host",
             .compressed = compressed},
            encrypted ? std::optional(key.fresh().value()) : std::nullopt, 2, StopToken());
        EXPECT_TRUE(pending.ok()) << pending.error().fact;
        return std::move(pending).value();
    }
    std::string take(bool encrypted = true, bool compressed = true, std::size_t big_bytes = 100) {
        auto pending = begin(encrypted, compressed);
        EXPECT_TRUE(push(pending->entries(), "config/small", "hello").ok());
        EXPECT_TRUE(push(pending->entries(), "config/big", big_content(big_bytes)).ok());
        const auto manifest = pending->publish({});
        EXPECT_TRUE(manifest.ok()) << manifest.error().fact;
        return manifest->name;
    }
    // Does not compress, so that a body has several segments.
    static std::string big_content(std::size_t bytes) {
        std::string text(bytes, '\0');
        std::uint64_t state = 88172645463325252U;
        for (auto& c : text) {
            state ^= state << 13U;
            state ^= state >> 7U;
            state ^= state << 17U;
            c = static_cast<char>(state);
        }
        return text;
    }
    Result<CollectingSink> read(const std::string& name, KeyProvider& provider) {
        ASB_TRY(const auto archive, open_archive(*reader, name, &provider));
        CollectingSink sink;
        ASB_CHECK(read_archive(archive, sink, {}));
        return sink;
    }
    [[nodiscard]] std::string path(const std::string& name, std::string_view suffix) const {
        return fmt::format("{}/{}{}", folder, name, suffix);
    }

    static std::string load(const std::string& file) {
        std::ifstream in(file, std::ios::binary);
        return {std::istreambuf_iterator<char>(in), {}};
    }
    static void store(const std::string& file, const std::string& content) {
        std::filesystem::permissions(file, std::filesystem::perms::owner_all);
        std::ofstream(file, std::ios::binary) << content;
    }
    void expect_damaged(const std::string& name, const std::string& what) {
        const auto result = read(name, key);
        ASSERT_FALSE(result.ok()) << what;
        EXPECT_EQ(result.error().code, Code::damaged) << what << ": " << result.error().fact;
    }

    std::string folder;
    Settings settings;
    Log log{Log::Options{.run_id = "test"}};
    std::unique_ptr<StoreReader> reader;
    std::unique_ptr<StoreAppender> appender;
    std::unique_ptr<StoreEraser> eraser;
    FixedKey key{"correct horse battery staple"};
};

TEST_F(RepositoryTest, WhatWentInComesBackInAllFourForms) {
    for (const bool encrypted : {true, false})
        for (const bool compressed : {true, false}) {
            const auto name = take(encrypted, compressed);
            EXPECT_TRUE(std::filesystem::exists(path(name, body_suffix(compressed, encrypted))));
            const auto sink = read(name, key);
            ASSERT_TRUE(sink.ok()) << sink.error().fact;
            EXPECT_EQ(sink->entries.at("config/small"), "hello");
            EXPECT_EQ(sink->entries.at("config/big"), big_content(100));
            EXPECT_EQ(sink->entries.size(), 2U);
        }
}

TEST_F(RepositoryTest, ABackupExistsOnlyOnceItsManifestDoes) {
    auto pending = begin();
    ASSERT_TRUE(push(pending->entries(), "config/a", "1").ok());
    EXPECT_TRUE(load_catalog(*reader, 2)->entries.empty());
    const auto manifest = pending->publish({});
    ASSERT_TRUE(manifest.ok());
    const auto catalog = load_catalog(*reader, 2);
    ASSERT_EQ(catalog->entries.size(), 1U);
    EXPECT_EQ(catalog->entries[0].name, manifest->name);
    EXPECT_EQ(catalog->latest(), catalog->entries.data());
}

TEST_F(RepositoryTest, AnAbandonedBackupLeavesNothing) {
    {
        auto pending = begin();
        ASSERT_TRUE(push(pending->entries(), "config/a", std::string(100000, 'x')).ok());
    }
    EXPECT_TRUE(std::filesystem::is_empty(folder));
}

TEST_F(RepositoryTest, TwoRunsAtOnceBothSucceed) {
    auto first = begin();
    auto second = begin();
    EXPECT_NE(first->name(), second->name());
    ASSERT_TRUE(push(first->entries(), "config/a", "1").ok());
    ASSERT_TRUE(push(second->entries(), "config/a", "2").ok());
    const auto first_manifest = first->publish({});
    const auto second_manifest = second->publish({});
    ASSERT_TRUE(first_manifest.ok() && second_manifest.ok());
    EXPECT_EQ(read(first_manifest->name, key)->entries.at("config/a"), "1");
    EXPECT_EQ(read(second_manifest->name, key)->entries.at("config/a"), "2");
}

TEST_F(RepositoryTest, EachManifestCarriesThePreviousOnesDigest) {
    const auto first = take();
    const auto second = take();
    const auto manifest = load_catalog(*reader, 2)->find(second)->manifest;
    ASSERT_TRUE(manifest.previous.has_value());
    EXPECT_EQ(manifest.previous->name, first);
    EXPECT_EQ(manifest.previous->digest, sha256(as_bytes(load(path(first, ".manifest.json")))));
}

TEST_F(RepositoryTest, TheWrongKeyIsKnownBeforeTheBodyIsTouched) {
    const auto name = take();
    std::filesystem::remove(path(name, ".tar.gz.enc"));
    std::filesystem::remove(path(name, ".index"));
    FixedKey other("correct horse battery stapler");
    EXPECT_EQ(open_archive(*reader, name, &other).error().code, Code::wrong_key);
    EXPECT_EQ(open_archive(*reader, name, nullptr).error().code, Code::wrong_key);
}

TEST_F(RepositoryTest, EveryKindOfDamageToTheBodyIsFound) {
    const auto name = take(true, true, kSegmentBytes + 100000);
    const auto file = path(name, ".tar.gz.enc");
    const auto good = load(file);
    ASSERT_GT(good.size(), kSegmentBytes);
    for (const std::size_t at : {std::size_t{0}, std::size_t{8}, std::size_t{16}, kSegmentBytes - 1,
                                 kSegmentBytes, good.size() - 1}) {
        auto bad = good;
        bad[at] = static_cast<char>(bad[at] ^ 1);
        store(file, bad);
        expect_damaged(name, fmt::format("flipped bit at {}", at));
    }
    for (const std::size_t size :
         {std::size_t{0}, std::size_t{16}, kSegmentBytes, good.size() - 16, good.size() - 1}) {
        store(file, good.substr(0, size));
        expect_damaged(name, fmt::format("truncated to {}", size));
    }
    store(file, good + "x");
    expect_damaged(name, "an extra byte");
    store(file, good);
    EXPECT_TRUE(read(name, key).ok());
}

TEST_F(RepositoryTest, SwappedSegmentsAreFound) {
    const auto name = take(true, false, 2 * kSegmentBytes + 100);
    const auto file = path(name, ".tar.enc");
    const auto good = load(file);
    store(file, good.substr(kSegmentBytes, kSegmentBytes) + good.substr(0, kSegmentBytes) +
                    good.substr(2 * kSegmentBytes));
    expect_damaged(name, "swapped segments");
}

TEST_F(RepositoryTest, ObjectsOfAnotherBackupAreNotBelieved) {
    const auto first = take();
    const auto second = take();
    const auto body = load(path(second, ".tar.gz.enc"));
    const auto manifest = load(path(second, ".manifest.json"));
    const auto index = load(path(second, ".index"));
    const auto first_body = load(path(first, ".tar.gz.enc"));
    store(path(second, ".tar.gz.enc"), first_body);
    expect_damaged(second, "the body of another backup");
    store(path(second, ".tar.gz.enc"), body);
    store(path(second, ".index"), load(path(first, ".index")));
    expect_damaged(second, "the index of another backup");
    store(path(second, ".index"), index);
    store(path(second, ".manifest.json"), load(path(first, ".manifest.json")));
    expect_damaged(second, "the manifest of another backup");
    EXPECT_EQ(load_catalog(*reader, 1)->find(second)->state, CatalogEntry::State::damaged);
    store(path(second, ".manifest.json"), manifest);
    EXPECT_TRUE(read(second, key).ok());
}

TEST_F(RepositoryTest, TheCatalogNamesWhatIsWrongAndListsTheRest) {
    const auto good = take();
    const auto no_body = take();
    std::filesystem::remove(path(no_body, ".tar.gz.enc"));
    const auto catalog = load_catalog(*reader, 2);
    ASSERT_EQ(catalog->entries.size(), 2U);
    EXPECT_EQ(catalog->find(good)->state, CatalogEntry::State::ok);
    EXPECT_EQ(catalog->find(no_body)->state, CatalogEntry::State::damaged);
    EXPECT_THAT(catalog->find(no_body)->problem, HasSubstr("is missing"));
    EXPECT_EQ(catalog->latest()->name, good);
}

TEST_F(RepositoryTest, TheSweepRemovesWhatACrashLeftAndNothingElse) {
    const auto kept = take();
    const auto crashed = take();
    std::filesystem::remove(path(crashed, ".manifest.json"));
    auto live = begin();
    ASSERT_TRUE(push(live->entries(), "config/a", "1").ok());
    const auto swept = sweep_leftovers(*reader, *eraser);
    ASSERT_TRUE(swept.ok()) << swept.error().fact;
    EXPECT_EQ(*swept, 2U);
    EXPECT_FALSE(std::filesystem::exists(path(crashed, ".index")));
    EXPECT_TRUE(read(kept, key).ok());
    EXPECT_TRUE(live->publish({}).ok());
}

TEST_F(RepositoryTest, ABodyWithoutItsManifestIsReadOnlyAsUnauthenticated) {
    const auto name = take();
    std::filesystem::remove(path(name, ".manifest.json"));
    EXPECT_EQ(open_archive(*reader, name, &key).error().code, Code::not_found);
    BareArchive archive;
    archive.passphrase = Secret("wrong wrong wrong");
    archive.body = reader->open(body_key(name, true, true)).value();
    CollectingSink sink;
    EXPECT_EQ(read_bare_archive(archive, sink, {}).error().code, Code::wrong_key);
    const auto plain = take(false);
    archive.body = reader->open(body_key(plain, true, false)).value();
    const auto report = read_bare_archive(archive, sink, {});
    ASSERT_TRUE(report.ok()) << report.error().fact;
    EXPECT_TRUE(report->has_inner_manifest);
    EXPECT_EQ(sink.entries.at("config/small"), "hello");
}

TEST_F(RepositoryTest, TheRecoveryNoteIsWrittenOnce) {
    ASSERT_TRUE(ensure_recovery_note(*reader, *appender).ok());
    ASSERT_TRUE(ensure_recovery_note(*reader, *appender).ok());
    EXPECT_EQ(load(folder + "/RESTORE.txt"), recovery_note());
}

}  // namespace
}  // namespace asb
