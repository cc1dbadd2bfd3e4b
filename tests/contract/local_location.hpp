#pragma once
// Why this exists: every test of the local store works in a folder of its own, which goes with it.

#include <cstdlib>
#include <string>

#include "contract/store_contract.hpp"
#include "io/file.hpp"
#include "store/local/local_store.hpp"

namespace asb::contract {

// A folder under $TMPDIR (or /tmp); the store's own, `backups` in it, does not exist yet.
class LocalLocation : public StoreLocation {
  public:
    LocalLocation() {
        const char* base = std::getenv("TMPDIR");  // NOLINT(concurrency-mt-unsafe)
        top_ = std::string(base != nullptr ? base : "/tmp") + "/asb-store-XXXXXX";
        EXPECT_NE(mkdtemp(top_.data()), nullptr);
    }
    ~LocalLocation() override { EXPECT_TRUE(remove_tree(top_).ok()); }
    LocalLocation(const LocalLocation&) = delete;
    LocalLocation& operator=(const LocalLocation&) = delete;

    StoreRights open() override { return open_rights(kLocalStore, folder()); }

    [[nodiscard]] const std::string& top() const { return top_; }
    [[nodiscard]] std::string folder() const { return top_ + "/backups"; }
    [[nodiscard]] std::string path(const std::string& name) const { return folder() + "/" + name; }

  private:
    std::string top_;
};

}  // namespace asb::contract
