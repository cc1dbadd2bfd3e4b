#pragma once
// Why this exists: one file put back must not disturb its neighbours. Where a restore of everything
// exchanges whole folders, this one puts single files among what is there.

#include "engine/engine.hpp"

namespace asb::fileset {

// As Engine's functions, for a request whose `only` and `chosen` say what is wanted. Only what the
// words mean is put in place, below files_dir under its name in the archive, each by one rename; a
// file that stands there is refused before anything is written, or with force kept beside it as
// "<name>.before-<time>". Folders that are missing are made as they were; those that are there stay
// as they are.
Result<RestorePlan> plan_pieces(const RestoreRequest& request);
Result<std::unique_ptr<RestoreSession>> open_pieces(const RestoreRequest& request,
                                                    SessionContext context);

}  // namespace asb::fileset
