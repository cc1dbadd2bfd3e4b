#pragma once
// Why this exists: every precondition of a MongoDB backup as one line with its fix.

#include "engine/engine.hpp"

namespace asb {

std::vector<CheckLine> check_mongodb(const Settings& settings, const StopToken& stop);

}  // namespace asb
