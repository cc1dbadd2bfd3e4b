#pragma once
// Why this exists: RETENTION_*: what operators say of how long backups stay, as the planner of
// retention takes it.

#include <span>
#include <string>

#include "base/settings.hpp"
#include "repo/retention_plan.hpp"

namespace asb {

std::span<const Option> retention_options();
// `usage` for rules that contradict each other. With none set, policy.any() is false.
Result<RetentionPolicy> retention_policy(const Settings& settings);
// The rules that are set, for people: "RETENTION_DAYS=30 RETENTION_KEEP_MONTHLY=12".
std::string retention_text(const Settings& settings);

}  // namespace asb
