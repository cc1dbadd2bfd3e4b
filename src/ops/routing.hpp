#pragma once
// Why this exists: one archive holds the entries of several engines; a restore sends each to its
// own session and passes over what was not asked for.

#include <memory>
#include <string>
#include <vector>

#include "engine/engine.hpp"

namespace asb {

class RoutingSink final : public EntrySink {
  public:
    // Entries whose name begins with `prefix` go to `session`, borrowed.
    void add(std::string prefix, EntrySink& session) {
        routes_.push_back({std::move(prefix), &session});
    }
    Status begin(const EntryHeader& header) override;
    Status write(Bytes bytes) override;
    Status end() override;
    // How many entries went to a session.
    [[nodiscard]] std::uint64_t routed() const { return routed_; }

  private:
    struct Route {
        std::string prefix;
        EntrySink* session;
    };
    std::vector<Route> routes_;
    std::uint64_t routed_ = 0;
    EntrySink* current_ = nullptr;  // null: passed over
};

}  // namespace asb
