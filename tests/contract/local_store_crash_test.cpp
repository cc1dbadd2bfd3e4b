// A writer that is killed, or whose disk fails or is full, at each durable step in turn: what is
// listed afterwards is whole, and the next writer needs no help.

#include <fcntl.h>
#include <gmock/gmock.h>
#include <signal.h>
#include <unistd.h>

#include <filesystem>
#include <thread>

#include "base/text.hpp"
#include "contract/local_location.hpp"
#include "io/subprocess.hpp"

namespace asb::contract {
namespace {

namespace fs = std::filesystem;
using testing::ElementsAre;
using testing::IsEmpty;

constexpr const char* kKey = "log/chain/1";
constexpr std::size_t kPieces = 2;
constexpr std::size_t kPieceBytes = 1'500'000;

Command writer_command(const std::string& verb, const LocalLocation& location,
                       const std::string& fail_point, const std::string& bytes = "1500000") {
    Command command{.arguments = {ASB_LOCAL_STORE_WRITER, verb, location.folder(), kKey,
                                  std::to_string(kPieces), bytes}};
    if (!fail_point.empty()) command.environment.emplace_back("ASB_FAIL_POINT", fail_point);
    command.environment.emplace_back("ASB_FAIL_POINT_LOG", location.top() + "/steps");
    return command;
}

CommandResult run_writer(const Command& command) {
    auto result = run_command(command, {}, StopToken(), after(std::chrono::seconds(60)));
    EXPECT_TRUE(result.ok()) << to_text(result.error());
    return result.ok() ? std::move(*result) : CommandResult{.exit_status = -1};
}

std::vector<std::string> durable_steps() {
    const LocalLocation location;
    EXPECT_EQ(run_writer(writer_command("write", location, "*:1:count")).exit_status, 0);
    auto steps = split(*read_file(location.top() + "/steps", 10'000), '\n');
    std::erase(steps, "");
    return steps;
}

// Every file below the store's folder.
std::vector<std::string> files_in(const LocalLocation& location) {
    std::vector<std::string> files;
    if (!fs::exists(location.folder())) return files;
    for (const auto& entry : fs::recursive_directory_iterator(location.folder()))
        if (entry.is_regular_file()) files.push_back(fs::relative(entry.path(), location.folder()));
    return files;
}

// What a reader may find at any time: nothing, or the whole object. Tells which.
bool is_published_whole(const StoreRights& rights) {
    const auto objects = rights.reader->list("");
    EXPECT_TRUE(objects.ok());
    if (objects.value().empty()) return false;
    EXPECT_THAT(texts_of(objects.value()), ElementsAre(kKey));
    const auto text = rights.reader->get(ObjectKey::known(kKey), 10 * kMiB);
    EXPECT_TRUE(text.ok());
    EXPECT_EQ(text.value(), std::string(kPieces * kPieceBytes, 'x'));
    return true;
}

// The next run: sweeps if it wants to, and writes the same name without any help.
void expect_next_run_works(const LocalLocation& location, const StoreRights& rights) {
    const bool published = is_published_whole(rights);
    const auto again = run_writer(writer_command("write", location, ""));
    EXPECT_EQ(again.exit_status, published ? exit_status(Code::busy) : 0) << again.errors;
    EXPECT_TRUE(is_published_whole(rights));
    EXPECT_THAT(files_in(location), ElementsAre(kKey));
}

class LocalStoreCrash : public testing::Test {
  protected:
    const std::vector<std::string> steps_ = durable_steps();
};

TEST_F(LocalStoreCrash, HasAFailPointBeforeEveryDurableStep) {
    EXPECT_THAT(steps_,
                ElementsAre("store.local.create", "store.local.write", "store.local.write",
                            "store.local.sync", "store.local.rename", "store.local.sync_folder"));
}

TEST_F(LocalStoreCrash, LosesNothingWhenKilledAtAnyStep) {
    for (std::size_t i = 1; i <= steps_.size(); ++i) {
        SCOPED_TRACE(steps_[i - 1]);
        LocalLocation location;
        const auto rights = location.open();
        const auto killed =
            run_writer(writer_command("write", location, fmt::format("*:{}:kill", i)));
        EXPECT_EQ(killed.exit_status, 128 + SIGKILL);
        EXPECT_THAT(rights.eraser->being_written().value(), IsEmpty());
        expect_next_run_works(location, rights);
    }
}

TEST_F(LocalStoreCrash, SweepsWhatAKilledWriterLeft) {
    for (std::size_t i = 1; i <= steps_.size(); ++i) {
        SCOPED_TRACE(steps_[i - 1]);
        LocalLocation location;
        const auto rights = location.open();
        run_writer(writer_command("write", location, fmt::format("*:{}:kill", i)));
        const bool published = is_published_whole(rights);
        EXPECT_EQ(published, steps_[i - 1] == "store.local.sync_folder");
        const bool left_over = !published && steps_[i - 1] != "store.local.create";
        EXPECT_EQ(*rights.eraser->sweep_abandoned(), left_over ? 1U : 0U);
        EXPECT_EQ(files_in(location).size(), published ? 1U : 0U);
    }
}

TEST_F(LocalStoreCrash, PublishesNothingWhenAStepFails) {
    for (const auto& [action, code, text] :
         {std::tuple("eio", Code::store, "Input/output error"),
          std::tuple("enospc", Code::space, "No space left on device")})
        for (std::size_t i = 1; i <= steps_.size(); ++i) {
            SCOPED_TRACE(steps_[i - 1] + " " + action);
            LocalLocation location;
            const auto failed =
                run_writer(writer_command("write", location, fmt::format("*:{}:{}", i, action)));
            EXPECT_EQ(failed.exit_status, exit_status(code));
            EXPECT_THAT(failed.errors, testing::StartsWith("cannot "));
            EXPECT_THAT(failed.errors, testing::HasSubstr(location.path(kKey) + ": " + text));
            EXPECT_THAT(failed.errors, testing::HasSubstr("\nhint: "));
            EXPECT_THAT(files_in(location), IsEmpty());
            expect_next_run_works(location, location.open());
        }
}

TEST_F(LocalStoreCrash, KeepsTheNameForAWriterInAnotherProcess) {
    LocalLocation location;
    const auto rights = location.open();
    const StopToken stop;
    std::jthread other([&] {
        // Runs until it is stopped, since its stdin never ends.
        auto command = writer_command("hold", location, "");
        const auto script = fmt::format("sleep 100 | exec {}", join(command.arguments, " "));
        command.arguments = {"/bin/sh", "-c", script};
        EXPECT_FALSE(run_command(command, {}, stop, after(std::chrono::seconds(60))).ok());
    });
    const auto deadline = after(std::chrono::seconds(60));
    while (rights.eraser->being_written().value().empty() && after({}) < deadline)
        std::this_thread::sleep_for(std::chrono::milliseconds(5));
    EXPECT_EQ(texts_of(rights.eraser->being_written().value()), std::vector<std::string>{kKey});
    EXPECT_EQ(*rights.eraser->sweep_abandoned(), 0U);
    EXPECT_EQ(run_writer(writer_command("write", location, "")).exit_status,
              exit_status(Code::busy));
    stop.request();
    other.join();
}

TEST_F(LocalStoreCrash, ReportsAFullDiskAndLeavesNothingThere) {
    LocalLocation location;
    fs::create_directory(location.folder());
    const auto result = run_writer(writer_command("tiny", location, ""));
    EXPECT_EQ(result.exit_status, exit_status(Code::space)) << result.errors;
    EXPECT_EQ(result.errors,
              "cannot write " + location.path(kKey) + ": No space left on device\n" +
                  "hint: free some space on that file system, or choose another place\n");
    EXPECT_EQ(result.output, "log\n");
}

TEST_F(LocalStoreCrash, FillsASmallDiskAsFarAsItGoes) {
    LocalLocation location;
    fs::create_directory(location.folder());
    const auto result = run_writer(writer_command("tiny", location, "", "400000"));
    EXPECT_EQ(result.exit_status, 0) << result.errors;
}

}  // namespace
}  // namespace asb::contract
