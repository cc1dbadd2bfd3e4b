#pragma once
// Why this exists: leases, records of removal and journals say which machine they are from.

#include <string>

namespace asb {

// gethostname(2) with what cannot be shown escaped; "unknown" when the system does not say.
std::string host_name();

}  // namespace asb
