#include "repo/log_object.hpp"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <map>
#include <string>
#include <vector>

#include "base/text.hpp"
#include "io/file.hpp"
#include "repo/log_record.hpp"

namespace asb {
namespace {

using testing::HasSubstr;

// Objects in memory, which a test can change behind the product's back.
class MemoryStore final : public StoreReader, public StoreAppender {
  public:
    std::map<std::string, std::string> objects;

    Result<std::vector<ObjectInfo>> list(std::string_view /*prefix*/) override {
        return std::vector<ObjectInfo>();
    }
    Result<std::unique_ptr<StoredObject>> open(const ObjectKey& key) override {
        const auto found = objects.find(key.text());
        if (found == objects.end()) return fail(Code::not_found, "no {}", key.text());
        return std::unique_ptr<StoredObject>(std::make_unique<Stored>(found->second));
    }
    [[nodiscard]] std::string place() const override { return "memory"; }
    Result<std::unique_ptr<ObjectWriter>> create(const ObjectKey& key) override {
        if (objects.contains(key.text())) return fail(Code::busy, "{} is there", key.text());
        return std::unique_ptr<ObjectWriter>(std::make_unique<Writer>(*this, key.text()));
    }
    Result<std::optional<std::uint64_t>> free_space() override {
        return std::optional<std::uint64_t>();
    }

  private:
    class Stored final : public StoredObject {
      public:
        explicit Stored(std::string bytes) : bytes_(std::move(bytes)) {}
        [[nodiscard]] std::uint64_t size() const override { return bytes_.size(); }
        Status read_at(std::uint64_t offset, MutableBytes out) override {
            if (offset + out.size() > bytes_.size()) return fail(Code::damaged, "too short");
            std::copy_n(as_bytes(bytes_).begin() + static_cast<std::ptrdiff_t>(offset), out.size(),
                        out.begin());
            return {};
        }

      private:
        std::string bytes_;
    };
    class Writer final : public ObjectWriter {
      public:
        Writer(MemoryStore& store, std::string key) : store_(store), key_(std::move(key)) {}
        Status append(Bytes bytes) override {
            bytes_ += as_text(bytes);
            return {};
        }
        Status commit() override {
            store_.objects[key_] = bytes_;
            return {};
        }

      private:
        MemoryStore& store_;
        std::string key_;
        std::string bytes_;
    };
};

class OneKey final : public KeyProvider {
  public:
    explicit OneKey(std::string text) : text_(std::move(text)) {}
    [[nodiscard]] std::string_view name() const override { return "passphrase"; }
    Result<Fresh> fresh() override {
        return Fresh{
            .passphrase = {Secret(text_), 1'000},
            .reference = {.provider = "passphrase", .key_id = "passphrase", .iterations = 1'000}};
    }
    Result<BodyPassphrase> open(const KeyReference& reference) override {
        return BodyPassphrase{Secret(text_), reference.iterations};
    }

  private:
    std::string text_;
};

const LogRecord kWanted = {.log_id = "0badcafe",
                           .engine = "postgresql",
                           .identity = "7312345678901234567",
                           .created_at = {},
                           .encryption = {}};

LogObjectHeader header() {
    LogObjectHeader made;
    made.log_id = kWanted.log_id;
    made.engine = kWanted.engine;
    made.identity = kWanted.identity;
    made.range = {.line = 2, .start = 0x3000028, .end = 0x3000128};
    made.times = {.commits = 3,
                  .newest_commit = CommitTime(std::chrono::microseconds(1'700'000'000'000'000)),
                  .covered_until = CommitTime(std::chrono::microseconds(1'700'000'000'000'009))};
    made.last_record = 0x30000F0;
    made.tail = {{"from", "0000000003000000"}, {"sha256", "abc"}};
    made.branches = {{.line = 2, .parent = 1, .at = 0x3000000}};
    return made;
}

// About as long as the range, and nothing that compression makes much of.
std::string kept_bytes(std::size_t count = 256) {
    std::string bytes;
    for (std::size_t i = 0; bytes.size() < count; ++i)
        bytes += to_hex(sha256(as_bytes(fmt::format("{}", i))));
    bytes.resize(count);
    return bytes;
}

class LogObjectTest : public testing::Test {
  protected:
    void SetUp() override { key_ = ensured(&provider_).key; }

    OpenedLogRecord ensured(KeyProvider* provider) {
        auto record = ensure_log_record(store_, store_, kWanted, provider);
        EXPECT_TRUE(record.ok());
        return std::move(record).value();
    }
    ObjectKey put(const LogKey* key, const std::string& plain, bool compressed = true) {
        LogBody body(compressed);
        EXPECT_TRUE(body.write(as_bytes(plain)).ok());
        auto finished = body.finish();
        const auto sealed = seal_log_object(header(), std::move(*finished), key, 20231114);
        EXPECT_TRUE(put_log_object(store_, *sealed).ok());
        return sealed->key;
    }
    Result<OpenedLogObject> open(const ObjectKey& key) {
        return open_log_object(store_, key, &*key_);
    }
    void expect_damaged(const ObjectKey& key, std::string_view what) {
        const auto opened = open(key);
        ASSERT_FALSE(opened.ok()) << what;
        EXPECT_EQ(opened.error().code, Code::damaged) << what;
    }

    OneKey provider_{"a key of twelve"};
    MemoryStore store_;
    std::optional<LogKey> key_;
};

TEST_F(LogObjectTest, GivesBackWhatWasPut) {
    const auto plain = kept_bytes(9 * kMiB);
    for (const bool compressed : {true, false}) {
        const auto key = put(&*key_, plain, compressed);
        const auto opened = open(key);
        ASSERT_TRUE(opened.ok()) << opened.error().fact;
        EXPECT_EQ(opened->plain, plain);
        const auto& read = opened->header;
        const auto made = header();
        EXPECT_EQ(read.range, made.range);
        EXPECT_EQ(read.times.commits, 3U);
        EXPECT_EQ(read.times.newest_commit, made.times.newest_commit);
        EXPECT_EQ(read.times.covered_until, made.times.covered_until);
        EXPECT_EQ(read.last_record, made.last_record);
        EXPECT_EQ(read.tail, made.tail);
        EXPECT_EQ(read.branches, made.branches);
        EXPECT_EQ(read.members.size(), compressed ? 3U : 0U);
    }
}

TEST_F(LogObjectTest, SaysTheSameInItsNameAndItsHeader) {
    const auto key = put(&*key_, kept_bytes());
    EXPECT_EQ(key.text(),
              "log/0badcafe/20231114/00000002-0000000003000028-0000000003000128-"
              "00060A24181E4000-00060A24181E4009.log.gz.enc");
    const auto read = read_log_header(store_, key);
    ASSERT_TRUE(read.ok());
    EXPECT_EQ(read->header.range.end, 0x3000128U);
}

TEST_F(LogObjectTest, HoldsNoBytesAtAll) {
    const auto opened = open(put(&*key_, ""));
    ASSERT_TRUE(opened.ok()) << opened.error().fact;
    EXPECT_EQ(opened->plain, "");
}

TEST_F(LogObjectTest, NoticesEachBitThatChanges) {
    const auto key = put(&*key_, kept_bytes());
    const auto whole = store_.objects[key.text()];
    for (std::size_t i = 0; i < whole.size(); ++i) {
        auto& stored = store_.objects[key.text()];
        stored = whole;
        stored[i] = static_cast<char>(stored[i] ^ 1);
        expect_damaged(key, fmt::format("byte {}", i));
    }
}

TEST_F(LogObjectTest, NoticesEachMemberThatChanges) {
    const auto key = put(&*key_, kept_bytes());
    const auto whole = store_.objects[key.text()];
    const auto newline = whole.find('\n');
    const auto document = Json::parse(whole.substr(0, newline));
    for (const auto& [name, value] : document.items()) {
        Json changed = document;
        changed.erase(name);
        store_.objects[key.text()] = canonical(changed) + whole.substr(newline);
        expect_damaged(key, fmt::format("without {}", name));
        changed[name] = value.is_number() ? Json(value.get<std::uint64_t>() + 1) : Json("another");
        store_.objects[key.text()] = canonical(changed) + whole.substr(newline);
        expect_damaged(key, fmt::format("another {}", name));
    }
}

TEST_F(LogObjectTest, NoticesThatItWasCutOrGrew) {
    const auto key = put(&*key_, kept_bytes());
    const auto whole = store_.objects[key.text()];
    store_.objects[key.text()] = whole.substr(0, whole.size() - 1);
    expect_damaged(key, "cut");
    store_.objects[key.text()] = whole + "x";
    expect_damaged(key, "grew");
    store_.objects[key.text()] = "";
    expect_damaged(key, "empty");
}

TEST_F(LogObjectTest, IsNotTakenUnderAnotherName) {
    const auto key = put(&*key_, kept_bytes());
    for (const auto& name : {"log/0badcafe/20231115", "log/0badcaff/20231114"}) {
        const auto moved = ObjectKey::known(name + key.text().substr(key.text().rfind('/')));
        store_.objects[moved.text()] = store_.objects[key.text()];
        expect_damaged(moved, name);
    }
}

TEST_F(LogObjectTest, OfAnEncryptedLogMustBeEncrypted) {
    const auto key = put(nullptr, kept_bytes());
    EXPECT_TRUE(open_log_object(store_, key, nullptr).ok());
    expect_damaged(key, "not encrypted");
    const auto encrypted = put(&*key_, kept_bytes());
    EXPECT_EQ(open_log_object(store_, encrypted, nullptr).error().code, Code::wrong_key);
}

TEST_F(LogObjectTest, OpensWithStockTools) {
    const auto plain = kept_bytes(100'000);
    const auto key = put(&*key_, plain);
    const auto folder = testing::TempDir();
    const auto path = folder + "/object";
    std::ofstream(path, std::ios::binary) << store_.objects[key.text()];
    const auto recipe = fmt::format(
        "tail -n +2 {} | P={} openssl enc -d -aes-256-cbc -pbkdf2 -iter 1 -md sha256 -pass env:P | "
        "gzip -d > {}.plain",
        path, log_object_passphrase(*key_, key).reveal(), path);
    ASSERT_EQ(std::system(recipe.c_str()), 0);
    const auto found = read_file(path + ".plain", kMiB);
    ASSERT_TRUE(found.ok());
    EXPECT_EQ(*found, plain);
}

TEST_F(LogObjectTest, IsNeverWrittenTwice) {
    const auto key = put(&*key_, kept_bytes());
    LogBody body(true);
    ASSERT_TRUE(body.write(as_bytes(kept_bytes())).ok());
    auto finished = body.finish();
    const auto again = seal_log_object(header(), std::move(*finished), &*key_, 20231114);
    EXPECT_EQ(again->key, key);
    EXPECT_EQ(put_log_object(store_, *again).error().code, Code::busy);
}

TEST_F(LogObjectTest, NamesTheNewestBranchesOnly) {
    auto many = header();
    many.branches.clear();
    for (std::uint32_t line = 2; line < 60; ++line)
        many.branches.push_back({.line = line, .parent = line - 1, .at = line});
    const auto sealed = seal_log_object(many, {}, nullptr, 20231114);
    ASSERT_TRUE(sealed.ok());
    const auto document = Json::parse(sealed->header);
    EXPECT_EQ(document["branches"].size(), kLogHeaderBranchesMax);
    EXPECT_EQ(document["branches"].back()["line"], "0000003B");
}

TEST_F(LogObjectTest, RecordOpensWithItsKeyOnly) {
    EXPECT_EQ(ensured(&provider_).key->bytes, key_->bytes);
    OneKey other("another key, longer");
    EXPECT_EQ(open_log_record(store_, kWanted.log_id, &other).error().code, Code::wrong_key);
    EXPECT_EQ(open_log_record(store_, kWanted.log_id, nullptr).error().code, Code::wrong_key);
    EXPECT_EQ(open_log_record(store_, "nobodys", &provider_).error().code, Code::not_found);
}

TEST_F(LogObjectTest, RecordNoticesEachBitThatChanges) {
    const std::string name = "log/0badcafe/log.json";
    const auto whole = store_.objects[name];
    for (std::size_t i = 0; i < whole.size(); ++i) {
        store_.objects[name] = whole;
        store_.objects[name][i] = static_cast<char>(whole[i] ^ 1);
        const auto opened = open_log_record(store_, kWanted.log_id, &provider_);
        ASSERT_FALSE(opened.ok()) << i;
        EXPECT_THAT((std::vector{Code::damaged, Code::wrong_key}),
                    testing::Contains(opened.error().code))
            << i;
    }
}

TEST_F(LogObjectTest, RecordIsOfOneDatabaseAndOneKindOfKeeping) {
    auto another = kWanted;
    another.identity = "7000000000000000000";
    const auto refused = ensure_log_record(store_, store_, another, &provider_);
    EXPECT_EQ(refused.error().code, Code::refused);
    EXPECT_THAT(refused.error().fact, HasSubstr("is that of postgresql 7312345678901234567"));
    EXPECT_EQ(ensure_log_record(store_, store_, kWanted, nullptr).error().code, Code::refused);

    MemoryStore open_store;
    ASSERT_TRUE(ensure_log_record(open_store, open_store, kWanted, nullptr).ok());
    EXPECT_EQ(ensure_log_record(open_store, open_store, kWanted, &provider_).error().code,
              Code::refused);
}

}  // namespace
}  // namespace asb
