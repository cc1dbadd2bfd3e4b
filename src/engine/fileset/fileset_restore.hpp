#pragma once
// Why this exists: puts files back below a folder of the operator's choice, whole or not at all,
// and never outside it, whatever the archive says.

#include "engine/engine.hpp"

namespace asb::fileset {

// As Engine's functions of the same name. `facts` is what FilesetSession reported as `engine`;
// without it the sizes are simply not known beforehand.
Result<RestorePlan> plan_restore(const RestoreRequest& request, const Json& facts);
Result<std::unique_ptr<RestoreSession>> open_restore(const RestoreRequest& request,
                                                     const Json& facts, SessionContext context);

}  // namespace asb::fileset
