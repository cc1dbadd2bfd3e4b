// What is kept saves requests, and never shows what the store does not.

#include "repo/kept_manifests.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>

#include "repo/names.hpp"

namespace asb {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

const std::string kFirst = "auth-service-backup-20240115_020000.manifest.json";
const std::string kSecond = "auth-service-backup-20240116_020000.manifest.json";
const std::string kIndex = "auth-service-backup-20240115_020000.index";

// Objects by key, each with the time of its writing; notes what is asked for.
class FakeStore final : public StoreReader {
  public:
    void put(const std::string& key, std::string text, int second = 0) {
        objects_[key] = {std::move(text), Instant(std::chrono::seconds(1'700'000'000 + second))};
    }
    void remove(const std::string& key) { objects_.erase(key); }

    Result<std::vector<ObjectInfo>> list(std::string_view prefix) override {
        std::vector<ObjectInfo> objects;
        for (const auto& [key, object] : objects_)
            if (key.starts_with(prefix))
                objects.push_back({.key = ObjectKey::known(key),
                                   .size = object.first.size(),
                                   .modified = object.second});
        return objects;
    }
    Result<std::unique_ptr<StoredObject>> open(const ObjectKey& key) override {
        return fail(Code::not_found, "there is no {}", key.text());
    }
    Result<std::string> get(const ObjectKey& key, std::size_t /*bytes_max*/) override {
        asked.push_back(key.text());
        const auto found = objects_.find(key.text());
        if (found == objects_.end()) return fail(Code::not_found, "there is no {}", key.text());
        return found->second.first;
    }
    [[nodiscard]] std::string place() const override { return name; }

    std::string name = "s3://bucket";
    std::vector<std::string> asked;

  private:
    std::map<std::string, std::pair<std::string, Instant>> objects_;
};

class KeptManifestsTest : public testing::Test {
  protected:
    KeptManifestsTest() {
        store.put(kFirst, "first\n");
        store.put(kSecond, "second");
        store.put(kIndex, "index");
    }
    // Lists and reads all manifests; what is kept of it, unless there is nothing new.
    void look(const std::vector<std::string>& keys = {kFirst, kSecond}) {
        store.asked.clear();
        read.clear();
        KeptManifests manifests(store, kept);
        ASSERT_TRUE(manifests.list(kNamePrefix).ok());
        for (const auto& key : keys) {
            const auto text = manifests.get(ObjectKey::known(key), 100);
            read.push_back(text ? *text : text.error().fact);
        }
        if (manifests.has_changed()) kept = manifests.to_text();
    }

    FakeStore store;
    std::string kept;
    std::vector<std::string> read;
};

TEST_F(KeptManifestsTest, AsksForEachOnce) {
    look();
    EXPECT_THAT(store.asked, ElementsAre(kFirst, kSecond));
    const auto before = kept;
    look();
    EXPECT_THAT(store.asked, IsEmpty());
    EXPECT_THAT(read, ElementsAre("first\n", "second"));
    EXPECT_EQ(kept, before);
}

TEST_F(KeptManifestsTest, AsksForWhatIsNew) {
    look({kFirst});
    look();
    EXPECT_THAT(store.asked, ElementsAre(kSecond));
    look();
    EXPECT_THAT(store.asked, IsEmpty());
}

TEST_F(KeptManifestsTest, AsksAgainForWhatWasReplaced) {
    look();
    store.put(kFirst, "third\n", 1);
    look();
    EXPECT_THAT(store.asked, ElementsAre(kFirst));
    EXPECT_THAT(read, ElementsAre("third\n", "second"));
    store.put(kSecond, "longer than before");
    look();
    EXPECT_THAT(store.asked, ElementsAre(kSecond));
    EXPECT_THAT(read, ElementsAre("third\n", "longer than before"));
}

TEST_F(KeptManifestsTest, DoesNotShowWhatIsGone) {
    look();
    store.remove(kFirst);
    look();
    EXPECT_THAT(read, ElementsAre(HasSubstr("there is no"), "second"));
}

TEST_F(KeptManifestsTest, KeepsNothingOfWhatIsGone) {
    look({kFirst});
    store.remove(kFirst);
    look({kSecond});
    EXPECT_THAT(kept, testing::Not(HasSubstr(kFirst)));
}

TEST_F(KeptManifestsTest, KeepsManifestsOnly) {
    look({kIndex});
    EXPECT_THAT(kept, IsEmpty());
    look({kIndex});
    EXPECT_THAT(store.asked, ElementsAre(kIndex));
}

TEST_F(KeptManifestsTest, DoesNotBelieveACopyThatChanged) {
    look();
    kept.replace(kept.find("first\n"), 5, "fir5t");
    look();
    EXPECT_THAT(store.asked, ElementsAre(kFirst));
    EXPECT_THAT(read, ElementsAre("first\n", "second"));
}

TEST_F(KeptManifestsTest, ForgetsWhatItCannotRead) {
    look();
    const auto whole = kept;
    for (const auto& bad : {whole.substr(0, whole.size() - 1), "x" + whole, whole + "x",
                            std::string("manifests 1 of s3://bucket\na b c\n")}) {
        kept = bad;
        look();
        EXPECT_THAT(store.asked, ElementsAre(kFirst, kSecond)) << bad;
        EXPECT_EQ(kept, whole);
    }
}

TEST_F(KeptManifestsTest, BelongsToOnePlace) {
    look();
    store.name = "s3://another";
    look();
    EXPECT_THAT(store.asked, ElementsAre(kFirst, kSecond));
}

}  // namespace
}  // namespace asb
