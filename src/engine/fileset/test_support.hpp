#pragma once
// Why this exists: what the tests of this folder share: a real temporary folder, a sink that keeps
// entries, resolved settings.

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <map>
#include <string>
#include <vector>

#include "engine/engine.hpp"
#include "engine/fileset/fileset_engine.hpp"
#include "io/file.hpp"

namespace asb::fileset {

// A folder of its own that everybody may enter; removed at the end.
class TempFolder {
  public:
    TempFolder() {
        const char* base = std::getenv("TMPDIR");  // NOLINT(concurrency-mt-unsafe): one thread
        std::string pattern = std::string(base != nullptr ? base : "/tmp") + "/asb-fileset-XXXXXX";
        EXPECT_NE(mkdtemp(pattern.data()), nullptr);
        char* real = realpath(pattern.c_str(), nullptr);
        path_ = real;
        std::free(real);  // NOLINT: realpath gives malloc'ed text
        EXPECT_EQ(chmod(path_.c_str(), 0755), 0);
    }
    ~TempFolder() { EXPECT_TRUE(remove_tree(path_).ok()); }
    TempFolder(const TempFolder&) = delete;
    TempFolder& operator=(const TempFolder&) = delete;

    [[nodiscard]] const std::string& path() const { return path_; }
    [[nodiscard]] std::string at(const std::string& name) const { return path_ + "/" + name; }
    // These three are often called for their effect alone.
    // NOLINTNEXTLINE(modernize-use-nodiscard)
    std::string folder(const std::string& name) const {
        EXPECT_TRUE(make_folders(at(name), 0755).ok());
        return at(name);
    }
    // NOLINTNEXTLINE(modernize-use-nodiscard)
    std::string file(const std::string& name, const std::string& text) const {
        const auto slash = name.rfind('/');
        if (slash != std::string::npos) folder(name.substr(0, slash));
        auto fd = open_file(at(name), O_WRONLY | O_CREAT | O_TRUNC, 0644);
        EXPECT_TRUE(fd.ok() && write_all(fd.value().get(), as_bytes(text), name).ok());
        return at(name);
    }
    // NOLINTNEXTLINE(modernize-use-nodiscard)
    std::string link(const std::string& name, const std::string& target) const {
        EXPECT_EQ(symlink(target.c_str(), at(name).c_str()), 0);
        return at(name);
    }

  private:
    std::string path_;
};

inline std::string text_of(const std::string& path) {
    auto text = read_file(path, 64 * kMiB);
    EXPECT_TRUE(text.ok()) << path;
    return text.ok() ? text.value() : "";
}

inline struct stat stat_of(const std::string& path) {
    struct stat info {};
    EXPECT_EQ(lstat(path.c_str(), &info), 0) << path;
    return info;
}

inline bool exists(const std::string& path) {
    struct stat info {};
    return lstat(path.c_str(), &info) == 0;
}

// "/tmp/x/app.conf" -> "config/tmp/x/app.conf"
inline std::string stored_as(const std::string& component, const std::string& path) {
    return component + path;
}

struct KeptEntry {
    EntryHeader header;
    std::string data;
};

// Keeps every entry; fails the test when a size is not what its header promised.
class KeepingSink final : public EntrySink {
  public:
    Status begin(const EntryHeader& header) override {
        EXPECT_EQ(entries.count(header.name), 0U) << header.name;
        order.push_back(header.name);
        open_ = &entries[header.name];
        open_->header = header;
        return {};
    }
    Status write(Bytes bytes) override {
        open_->data += as_text(bytes);
        return {};
    }
    Status end() override {
        EXPECT_EQ(open_->data.size(), open_->header.size) << open_->header.name;
        return {};
    }

    std::map<std::string, KeptEntry> entries;
    std::vector<std::string> order;

  private:
    KeptEntry* open_ = nullptr;
};

// While it lives this process may read and write only what the user nobody may.
class AsNobody {
  public:
    static constexpr uid_t kNobody = 65534;
    AsNobody() : before_(geteuid()) {
        if (before_ == 0) {
            EXPECT_EQ(seteuid(kNobody), 0);
        }
    }
    ~AsNobody() { EXPECT_EQ(seteuid(before_), 0); }
    AsNobody(const AsNobody&) = delete;
    AsNobody& operator=(const AsNobody&) = delete;

  private:
    uid_t before_;
};

// A run without an operator: silent log, counters, nobody asks to stop.
struct QuietRun {
    Log log{quiet()};
    Progress progress;
    StopToken stop;
    SessionContext context() { return {log, progress, stop}; }
    static Log::Options quiet() {
        Log::Options options;
        options.stderr_enabled = false;
        return options;
    }
};

inline constexpr Option kEncryptionEnabled{.name = "ENCRYPTION_ENABLED",
                                           .kind = OptionKind::boolean,
                                           .default_value = "true",
                                           .summary = ""};

inline Settings settings_with(const std::map<std::string, std::string>& values) {
    Settings settings;
    settings.set(kEncryptionEnabled,
                 values.count("ENCRYPTION_ENABLED") != 0 ? values.at("ENCRYPTION_ENABLED") : "true",
                 "test");
    for (const auto& option : kFilesetEngine.options) {
        const auto value = values.find(std::string(option.name));
        settings.set(option,
                     value != values.end() ? value->second : std::string(option.default_value),
                     "test");
    }
    return settings;
}

}  // namespace asb::fileset
