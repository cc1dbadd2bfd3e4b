#pragma once
// Why this exists: the tests of a restore push entries by hand, so that they can be wrong in every
// way that an archive can.

#include <algorithm>
#include <filesystem>

#include "engine/fileset/fileset_restore.hpp"
#include "engine/fileset/test_support.hpp"

namespace asb::fileset {

inline EntryHeader entry(const std::string& name, EntryType type, const std::string& target = "") {
    EntryHeader header;
    header.name = name;
    header.type = type;
    header.link_target = target;
    header.uid = geteuid();
    header.gid = getegid();
    header.mode = type == EntryType::folder ? 0755 : 0644;
    return header;
}

// A restore into the folder "files" of a temporary folder.
struct Restore {
    explicit Restore(const TempFolder& temp) { request.files_dir = temp.at("files"); }

    void open() {
        auto opened = open_restore(request, Json::object(), run.context());
        ASSERT_TRUE(opened.ok()) << to_text(opened.error());
        session = std::move(opened).value();
    }
    Status add(EntryHeader header, const std::string& data = "") {
        if (!session) open();
        header.size = data.size();
        ASB_CHECK(session->begin(header));
        ASB_CHECK(session->write(as_bytes(data)));
        return session->end();
    }
    Status add_file(const std::string& name, const std::string& data) {
        return add(entry(name, EntryType::file), data);
    }
    [[nodiscard]] std::string at(const std::string& name) const {
        return request.files_dir + "/" + name;
    }

    QuietRun run;
    RestoreRequest request = [] {
        RestoreRequest all;
        all.components = {"config", "certificates", "logs"};
        return all;
    }();
    std::unique_ptr<RestoreSession> session;
};

inline std::vector<std::string> names_in(const std::string& folder) {
    std::vector<std::string> names;
    for (const auto& inner : std::filesystem::directory_iterator(folder))
        names.push_back(inner.path().filename().string());
    std::sort(names.begin(), names.end());
    return names;
}

}  // namespace asb::fileset
