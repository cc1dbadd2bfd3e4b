// The local store passes the contract; and what only a folder can get wrong: modes, links, other
// people's files, permissions.

#include <fcntl.h>
#include <gmock/gmock.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "base/text.hpp"
#include "contract/local_location.hpp"

namespace asb::contract {
namespace {

namespace fs = std::filesystem;
using testing::ElementsAre;
using testing::EndsWith;
using testing::IsEmpty;
using testing::StartsWith;
using testing::UnorderedElementsAre;

INSTANTIATE_TEST_SUITE_P(Local, StoreContract,
                         testing::Values(StoreCase{
                             "File", [] { return std::make_unique<LocalLocation>(); }}),
                         case_name);

mode_t mode_of(const std::string& path) {
    struct stat info {};
    EXPECT_EQ(lstat(path.c_str(), &info), 0) << path;
    return info.st_mode & 07777;
}

// What lies in `folder`, hidden files too.
std::vector<std::string> names_in(const std::string& folder) {
    std::vector<std::string> names;
    for (const auto& entry : fs::directory_iterator(folder))
        names.push_back(entry.path().filename());
    return names;
}

void write_file(const std::string& path, std::string_view text) {
    std::ofstream(path) << text;
}

// Root may do everything: give that up for a scope, so that permissions mean something.
class WithoutRoot {
  public:
    WithoutRoot() { EXPECT_EQ(was_root_ ? seteuid(kNobody) : 0, 0); }
    ~WithoutRoot() { EXPECT_EQ(was_root_ ? seteuid(0) : 0, 0); }
    WithoutRoot(const WithoutRoot&) = delete;
    WithoutRoot& operator=(const WithoutRoot&) = delete;

  private:
    static constexpr uid_t kNobody = 65534;
    const bool was_root_ = geteuid() == 0;
};

class LocalStore : public testing::Test {
  protected:
    Status put(const std::string& key, std::string_view text = "text") {
        return rights_.appender->put(ObjectKey::known(key), as_bytes(text));
    }
    std::unique_ptr<ObjectWriter> create(const std::string& key) {
        auto writer = rights_.appender->create(ObjectKey::known(key));
        EXPECT_TRUE(writer.ok()) << to_text(writer.error());
        return writer.ok() ? std::move(*writer) : nullptr;
    }
    Error open_error(const std::string& key) {
        auto object = rights_.reader->open(ObjectKey::known(key));
        EXPECT_FALSE(object.ok());
        return object.ok() ? Error{} : object.error();
    }

    LocalLocation location_;
    StoreRights rights_ = location_.open();
};

TEST_F(LocalStore, NeedsAFolder) {
    for (const auto& error : {kLocalStore.open_reader("", context()).error(),
                              kLocalStore.open_appender("", context()).error(),
                              kLocalStore.open_eraser("", context()).error()}) {
        EXPECT_EQ(error.code, Code::usage);
        EXPECT_EQ(to_text(error),
                  "the folder for backups has no name\n"
                  "hint: set BACKUP_DIR, as in BACKUP_DIR=/var/backups/auth-service");
    }
}

TEST_F(LocalStore, IsAtTheFolderThatTheUserGave) {
    const auto reader = kLocalStore.open_reader(location_.folder() + "//", context());
    ASSERT_TRUE(reader.ok());
    EXPECT_EQ(reader.value()->place(), location_.folder());
}

TEST_F(LocalStore, WorksWithARelativeFolder) {
    const auto before = fs::current_path();
    fs::current_path(location_.top());
    auto rights = open_rights(kLocalStore, "relative/backups");
    EXPECT_TRUE(rights.appender->free_space().ok());
    EXPECT_TRUE(rights.appender->put(ObjectKey::known("a"), as_bytes("text")).ok());
    fs::current_path(before);
    EXPECT_TRUE(fs::exists(location_.top() + "/relative/backups/a"));
}

TEST_F(LocalStore, MakesFilesAndFoldersForTheirOwnerOnly) {
    const mode_t before = umask(0);
    const auto status = put("log/chain/1");
    const auto writer = create("b");
    umask(before);
    ASSERT_TRUE(status.ok()) << to_text(status.error());
    EXPECT_EQ(mode_of(location_.folder()), 0700U);
    EXPECT_EQ(mode_of(location_.path("log")), 0700U);
    EXPECT_EQ(mode_of(location_.path("log/chain")), 0700U);
    EXPECT_EQ(mode_of(location_.path("log/chain/1")), 0600U);
    EXPECT_EQ(mode_of(location_.path(".b.partial")), 0600U);
}

TEST_F(LocalStore, LeavesAnExistingFolderAsItIs) {
    ASSERT_EQ(mkdir(location_.folder().c_str(), 0755), 0);
    ASSERT_EQ(chmod(location_.folder().c_str(), 0750), 0);
    ASSERT_TRUE(put("a").ok());
    EXPECT_EQ(mode_of(location_.folder()), 0750U);
}

TEST_F(LocalStore, KeepsAnObjectAsAPlainFileOfItsName) {
    ASSERT_TRUE(put("log/1", "the bytes").ok());
    EXPECT_EQ(*read_file(location_.path("log/1"), 100), "the bytes");
    EXPECT_THAT(names_in(location_.folder()), ElementsAre("log"));
    EXPECT_THAT(names_in(location_.path("log")), ElementsAre("1"));
}

TEST_F(LocalStore, AReaderMakesNothing) {
    const auto reader = kLocalStore.open_reader(location_.folder(), context());
    ASSERT_TRUE(reader.ok());
    EXPECT_TRUE(reader.value()->list("").ok());
    EXPECT_FALSE(reader.value()->open(ObjectKey::known("log/1")).ok());
    EXPECT_TRUE(rights_.eraser->sweep_abandoned().ok());
    EXPECT_TRUE(rights_.eraser->erase_all({ObjectKey::known("log/1")}).ok());
    EXPECT_TRUE(rights_.appender->free_space().ok());
    EXPECT_FALSE(fs::exists(location_.folder()));
}

TEST_F(LocalStore, TellsWhetherItCouldWriteAndMakesNothing) {
    const auto bytes = kLocalStore.check_writable(location_.folder() + "/below", context());
    ASSERT_TRUE(bytes.ok()) << to_text(bytes.error());
    EXPECT_GT(bytes.value().value_or(0), 0U);
    EXPECT_FALSE(fs::exists(location_.folder()));
    EXPECT_EQ(kLocalStore.check_writable("", context()).error().code, Code::usage);
}

TEST_F(LocalStore, TellsThatItCouldNotWrite) {
    ASSERT_EQ(mkdir(location_.folder().c_str(), 0555), 0);
    ASSERT_EQ(chmod(location_.top().c_str(), 0755), 0);
    Error error;
    {
        const WithoutRoot without_root;
        error = kLocalStore.check_writable(location_.path("below"), context()).error();
    }
    EXPECT_EQ(error.code, Code::store);
    EXPECT_EQ(error.fact, "cannot write into " + location_.folder() + ": Permission denied");
    EXPECT_THAT(error.hint, StartsWith("sudo chown -R "));
    write_file(location_.top() + "/file", "x");
    EXPECT_EQ(kLocalStore.check_writable(location_.top() + "/file", context()).error().code,
              Code::store);
}

TEST_F(LocalStore, FollowsNoSymbolicLinkToAnObject) {
    ASSERT_TRUE(put("a").ok());
    write_file(location_.top() + "/outside", "secret");
    fs::create_symlink(location_.top() + "/outside", location_.path("link"));
    EXPECT_EQ(open_error("link").code, Code::store);
    EXPECT_EQ(open_error("link").fact, location_.path("link") + " is not a plain file");
    EXPECT_EQ(texts_of(rights_.reader->list("").value()), std::vector<std::string>{"a"});
    EXPECT_EQ(put("link", "overwritten").error().code, Code::busy);
    EXPECT_EQ(*read_file(location_.top() + "/outside", 100), "secret");
}

TEST_F(LocalStore, FollowsNoSymbolicLinkToAFolder) {
    ASSERT_TRUE(put("a").ok());
    fs::create_directory(location_.top() + "/outside");
    write_file(location_.top() + "/outside/1", "secret");
    fs::create_symlink(location_.top() + "/outside", location_.path("log"));
    EXPECT_EQ(open_error("log/1").code, Code::store);
    EXPECT_EQ(put("log/2").error().code, Code::store);
    EXPECT_EQ(rights_.eraser->erase_all({ObjectKey::known("log/1")}).error().code, Code::store);
    EXPECT_EQ(texts_of(rights_.reader->list("").value()), std::vector<std::string>{"a"});
    EXPECT_THAT(names_in(location_.top() + "/outside"), ElementsAre("1"));
}

TEST_F(LocalStore, FollowsNoSymbolicLinkInPlaceOfAnUnfinishedFile) {
    ASSERT_TRUE(put("a").ok());
    write_file(location_.top() + "/outside", "secret");
    fs::create_symlink(location_.top() + "/outside", location_.path(".b.partial"));
    EXPECT_EQ(put("b").error().code, Code::store);
    EXPECT_EQ(*read_file(location_.top() + "/outside", 100), "secret");
}

TEST_F(LocalStore, AllowsTheFolderItselfToBeALink) {
    fs::create_directory(location_.top() + "/big-disk");
    fs::create_symlink(location_.top() + "/big-disk", location_.folder());
    ASSERT_TRUE(put("a").ok());
    EXPECT_THAT(names_in(location_.top() + "/big-disk"), ElementsAre("a"));
    EXPECT_EQ(*rights_.reader->get(ObjectKey::known("a"), 100), "text");
}

TEST_F(LocalStore, DoesNotWaitForAFifoOrTakeAFolderForAnObject) {
    ASSERT_TRUE(put("a").ok());
    ASSERT_EQ(mkfifo(location_.path("fifo").c_str(), 0600), 0);
    ASSERT_EQ(mkdir(location_.path("folder").c_str(), 0700), 0);
    EXPECT_EQ(open_error("fifo").fact, location_.path("fifo") + " is not a plain file");
    EXPECT_EQ(open_error("folder").fact, location_.path("folder") + " is not a plain file");
    EXPECT_EQ(texts_of(rights_.reader->list("").value()), std::vector<std::string>{"a"});
}

TEST_F(LocalStore, PassesOverFilesThatAreNotItsOwn) {
    ASSERT_TRUE(put("a").ok());
    write_file(location_.path(".hidden"), "x");
    write_file(location_.path("with space"), "x");
    write_file(location_.path("back~"), "x");
    write_file(location_.path(".partial"), "x");
    write_file(location_.path(".with space.partial"), "x");
    fs::create_directory(location_.path("lost+found"));
    write_file(location_.path("lost+found/.x.partial"), "x");
    EXPECT_EQ(texts_of(rights_.reader->list("").value()), std::vector<std::string>{"a"});
    EXPECT_EQ(*rights_.eraser->sweep_abandoned(), 0U);
    EXPECT_EQ(names_in(location_.folder()).size(), 7U);
}

TEST_F(LocalStore, SweepsWhatADeadWriterLeft) {
    ASSERT_TRUE(put("log/1").ok());
    write_file(location_.path(".a.partial"), "half");
    write_file(location_.path("log/.2.partial"), "half");
    EXPECT_THAT(rights_.eraser->being_written().value(), IsEmpty());
    EXPECT_EQ(*rights_.eraser->sweep_abandoned(), 2U);
    EXPECT_THAT(names_in(location_.folder()), ElementsAre("log"));
    EXPECT_THAT(names_in(location_.path("log")), ElementsAre("1"));
}

TEST_F(LocalStore, WritesANameWhoseDeadWriterLeftAFile) {
    ASSERT_TRUE(put("a").ok());
    write_file(location_.path(".b.partial"), "half of something else, and longer");
    ASSERT_TRUE(put("b", "whole").ok());
    EXPECT_EQ(*rights_.reader->get(ObjectKey::known("b"), 100), "whole");
    EXPECT_THAT(names_in(location_.folder()), UnorderedElementsAre("a", "b"));
}

TEST_F(LocalStore, SaysThatAnotherRunWritesTheName) {
    const auto writer = create("a");
    const auto error = put("a").error();
    EXPECT_EQ(to_text(error), location_.path("a") +
                                  " is being written by another run\n"
                                  "hint: wait for the other run to end, then try again");
}

TEST_F(LocalStore, SaysThatTheNameIsTaken) {
    ASSERT_TRUE(put("a").ok());
    EXPECT_EQ(to_text(put("a").error()),
              location_.path("a") +
                  " exists already\n"
                  "hint: names are written once: use another, or wait a second for the next");
    EXPECT_THAT(names_in(location_.folder()), ElementsAre("a"));
}

TEST_F(LocalStore, NeverReplacesAFileThatAppearedMeanwhile) {
    const auto writer = create("a");
    ASSERT_TRUE(writer->append(as_bytes("ours")).ok());
    write_file(location_.path("a"), "theirs");
    const auto status = writer->commit();
    ASSERT_FALSE(status.ok());
    EXPECT_EQ(status.error().code, Code::busy);
    EXPECT_EQ(*read_file(location_.path("a"), 100), "theirs");
}

TEST_F(LocalStore, NoticesAFileThatSomethingElseChanged) {
    const auto writer = create("a");
    ASSERT_TRUE(writer->append(as_bytes("0123456789")).ok());
    ASSERT_EQ(truncate(location_.path(".a.partial").c_str(), 3), 0);
    const auto status = writer->commit();
    ASSERT_FALSE(status.ok());
    EXPECT_EQ(status.error().code, Code::store);
    EXPECT_EQ(status.error().fact,
              location_.path("a") + " has 3 bytes on disk, but 10 were written");
    EXPECT_THAT(texts_of(rights_.reader->list("").value()), IsEmpty());
}

TEST_F(LocalStore, ReportsAFileThatShrankWhileItWasRead) {
    ASSERT_TRUE(put("a", "0123456789").ok());
    const auto object = rights_.reader->open(ObjectKey::known("a"));
    ASSERT_EQ(truncate(location_.path("a").c_str(), 4), 0);
    std::vector<std::byte> out(10);
    EXPECT_EQ(object.value()->read_at(0, out).error().code, Code::damaged);
}

TEST_F(LocalStore, SaysHowToMendMissingPermissions) {
    ASSERT_EQ(mkdir(location_.folder().c_str(), 0555), 0);
    ASSERT_EQ(chmod(location_.top().c_str(), 0755), 0);
    Error error;
    {
        const WithoutRoot without_root;
        error = put("a").error();
    }
    EXPECT_EQ(error.code, Code::store);
    EXPECT_EQ(error.fact, "cannot write " + location_.path("a") + ": Permission denied");
    EXPECT_THAT(error.hint, StartsWith("sudo chown -R "));
    EXPECT_THAT(error.hint, EndsWith(" " + location_.folder()));
}

TEST_F(LocalStore, SaysWhatCannotBeRead) {
    ASSERT_TRUE(put("a").ok());
    ASSERT_EQ(chmod(location_.top().c_str(), 0755), 0);
    ASSERT_EQ(chmod(location_.folder().c_str(), 0), 0);
    Error list_error;
    Error object_error;
    {
        const WithoutRoot without_root;
        list_error = rights_.reader->list("").error();
        object_error = open_error("a");
    }
    ASSERT_EQ(chmod(location_.folder().c_str(), 0700), 0);
    EXPECT_EQ(list_error.code, Code::store);
    EXPECT_EQ(list_error.fact, "cannot open " + location_.folder() + ": Permission denied");
    EXPECT_EQ(object_error.code, Code::store);
}

TEST_F(LocalStore, SaysThatItsPlaceIsAFile) {
    write_file(location_.folder(), "x");
    const auto error = put("a").error();
    EXPECT_EQ(error.code, Code::store);
    EXPECT_EQ(error.fact, "cannot open " + location_.folder() + ": Not a directory");
    EXPECT_EQ(error.hint, "look at " + location_.folder() + ": something there is not a folder");
    EXPECT_EQ(rights_.reader->list("").error().code, Code::store);
}

TEST_F(LocalStore, AppendsNothingAfterAFailure) {
    const auto writer = create("a");
    ASSERT_EQ(truncate(location_.path(".a.partial").c_str(), 1), 0);
    EXPECT_FALSE(writer->commit().ok());
    EXPECT_EQ(writer->append(as_bytes("x")).error().fact,
              location_.path("a") + " can no longer be written");
    EXPECT_FALSE(writer->commit().ok());
}

TEST_F(LocalStore, ListsThirtyThousandObjectsQuickly) {
    ASSERT_EQ(mkdir(location_.folder().c_str(), 0700), 0);
    for (int i = 0; i < 30'000; ++i) {
        const auto name = fmt::format("auth-service-backup-{:08}_020000.manifest.json", i);
        const UniqueFd fd(open(location_.path(name).c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
        ASSERT_TRUE(fd.valid());
    }
    const auto begin = std::chrono::steady_clock::now();
    const auto objects = rights_.reader->list("auth-service-backup-");
    const auto took = std::chrono::steady_clock::now() - begin;
    EXPECT_EQ(objects.value().size(), 30'000U);
    // A release build takes under 100 ms; the bound leaves room for sanitizers and a busy machine.
    EXPECT_LT(took, std::chrono::seconds(5));
    RecordProperty(
        "milliseconds",
        std::to_string(std::chrono::duration_cast<std::chrono::milliseconds>(took).count()));
}

}  // namespace
}  // namespace asb::contract
