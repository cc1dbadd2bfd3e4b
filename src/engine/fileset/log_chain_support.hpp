#pragma once
// Why this exists: the tests of incremental backups of logs take a chain of them over a real folder
// and compare what comes back with that folder.

#include <fmt/format.h>
#include <gmock/gmock.h>

#include <memory>
#include <string>
#include <vector>

#include "engine/fileset/log_positions.hpp"
#include "engine/fileset/restore_test_support.hpp"

namespace asb::fileset {

inline void append(const std::string& path, const std::string& text) {
    auto fd = open_file(path, O_WRONLY | O_APPEND);
    ASSERT_TRUE(fd.ok() && write_all(fd.value().get(), as_bytes(text), path).ok());
}

inline void rename_to(const std::string& from, const std::string& to) {
    ASSERT_EQ(rename(from.c_str(), to.c_str()), 0);
}

// Backups of the folder "log" of a temporary folder, one after the other.
struct Chain {
    explicit Chain(const TempFolder& folder) : temp(folder) { temp.folder("log"); }

    [[nodiscard]] std::string log(const std::string& name) const { return temp.at("log/" + name); }
    // Often called for its effect alone. NOLINTNEXTLINE(modernize-use-nodiscard)
    std::string write(const std::string& name, const std::string& text) const {
        return temp.file("log/" + name, text);
    }

    const KeepingSink& full() { return take(true); }
    const KeepingSink& incremental() { return take(false); }
    const KeepingSink& take(bool is_full) {
        const auto settings = settings_with({{"LOG_PATHS", temp.at("log")}});
        const auto engine = open_engine(settings, hook);
        auto context = run.context();
        if (!backups.empty())
            context.parent_entry = [this](const std::string& name) { return entry_before(name); };
        auto opened = is_full ? engine->open_session(context) : engine->open_incremental(context);
        EXPECT_TRUE(opened.ok());
        expected = opened.value()->expected_bytes();
        auto sink = std::make_unique<KeepingSink>();
        EXPECT_TRUE(opened.value()->write_entries(*sink).ok());
        facts = opened.value()->facts();
        backups.push_back(std::move(sink));
        return *backups.back();
    }
    [[nodiscard]] Result<std::optional<std::string>> entry_before(const std::string& name) const {
        const auto& entries = backups.back()->entries;
        const auto found = entries.find(name);
        if (found == entries.end()) return std::optional<std::string>();
        return std::optional(found->second.data);
    }
    // The data that the newest backup holds of logs: "app.log" or "app.log+4".
    [[nodiscard]] std::vector<std::string> stored() const {
        std::vector<std::string> names;
        for (const auto& name : backups.back()->order) {
            const auto& kept = backups.back()->entries.at(name);
            if (kept.header.type != EntryType::file || name == kPositionsName) continue;
            const auto piece = parse_piece_name(name);
            const auto full_name = piece ? piece->log : name;
            const auto prefix = stored_as("logs", temp.at("log/"));
            names.push_back(fmt::format("{}{}: {}", full_name.substr(prefix.size()),
                                        piece ? fmt::format("+{}", piece->offset) : "", kept.data));
        }
        return names;
    }

    // Restores the backups from `first` on, each as a link.
    void restore(Restore& into, std::size_t first = 0) const {
        into.request.components = {"logs"};
        into.open();
        for (auto i = first; i < backups.size(); ++i) {
            if (i != first) {
                const auto begun = into.session->begin_link();
                ASSERT_TRUE(begun.ok()) << to_text(begun.error());
            }
            for (const auto& name : backups[i]->order) {
                const auto& kept = backups[i]->entries.at(name);
                const auto added = into.add(kept.header, kept.data);
                ASSERT_TRUE(added.ok()) << to_text(added.error());
            }
        }
        const auto published = into.session->publish();
        ASSERT_TRUE(published.ok()) << to_text(published.error());
    }
    // The newest backup comes back as the folder is now.
    void expect_same() const {
        const TempFolder other;
        Restore restored(other);
        restore(restored);
        if (testing::Test::HasFatalFailure()) return;
        const auto place = restored.at("logs") + temp.at("log");
        EXPECT_EQ(names_in(place), names_in(temp.at("log")));
        for (const auto& name : names_in(temp.at("log"))) {
            const auto before = stat_of(log(name)),
                       after = stat_of(fmt::format("{}/{}", place, name));
            if (S_ISLNK(before.st_mode)) continue;
            EXPECT_EQ(text_of(fmt::format("{}/{}", place, name)), text_of(log(name))) << name;
            EXPECT_EQ(after.st_mode, before.st_mode) << name;
            EXPECT_EQ(after.st_mtim.tv_sec, before.st_mtim.tv_sec) << name;
            EXPECT_EQ(after.st_mtim.tv_nsec, before.st_mtim.tv_nsec) << name;
        }
        EXPECT_THAT(restored.session->incomplete(), testing::IsEmpty());
    }

    const TempFolder& temp;
    ReadHook hook;
    QuietRun run;
    BackupFacts facts;
    std::uint64_t expected = 0;
    std::vector<std::unique_ptr<KeepingSink>> backups;
};

}  // namespace asb::fileset
