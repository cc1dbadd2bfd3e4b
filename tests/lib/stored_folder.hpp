#pragma once
// Why this exists: tests of what is read from a store put their bytes into a real folder.

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <string_view>

#include "base/log.hpp"
#include "base/settings.hpp"
#include "base/stop.hpp"
#include "store/local/local_store.hpp"

namespace asb {

// A local store that is gone when this is.
class StoredFolder {
  public:
    StoredFolder() {
        std::string pattern = (std::filesystem::temp_directory_path() / "asb-XXXXXX").string();
        ASB_ASSERT(mkdtemp(pattern.data()) != nullptr);
        path_ = pattern;
        reader_ =
            kLocalStore.open_reader(path_, StoreContext{settings_, log_, StopToken()}).value();
    }
    ~StoredFolder() { std::filesystem::remove_all(path_); }
    StoredFolder(const StoredFolder&) = delete;
    StoredFolder& operator=(const StoredFolder&) = delete;

    void put(const std::string& key, std::string_view text) const {
        const auto path = std::filesystem::path(path_) / key;
        std::filesystem::create_directories(path.parent_path());
        std::ofstream(path) << text;
    }
    [[nodiscard]] StoreReader& reader() const { return *reader_; }

  private:
    std::string path_;
    Settings settings_;
    Log log_{Log::Options{.run_id = "test"}};
    std::unique_ptr<StoreReader> reader_;
};

}  // namespace asb
