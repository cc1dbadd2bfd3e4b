#pragma once
// Why this exists: that the newest backup is gone from a list, the list itself cannot show. This
// machine remembers what it has seen of each repository, in LOG_DIR/heads/.

#include <optional>
#include <string>

#include "ops/context.hpp"
#include "repo/manifest_history.hpp"

namespace asb {

// nullopt: nothing is remembered of the repository at `place`; what cannot be read is warned of.
std::optional<RepositoryHead> known_head(const OpsContext& context, const std::string& place);
// Failing to is a warning.
void remember_head(const OpsContext& context, const RepositoryHead& head);

}  // namespace asb
