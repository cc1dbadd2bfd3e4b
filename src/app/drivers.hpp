#pragma once
// Why this exists: adding a driver is one folder and one line in drivers.cpp, the only file that
// names drivers.

#include "ops/drivers.hpp"

namespace asb {

Drivers all_drivers();

}  // namespace asb
