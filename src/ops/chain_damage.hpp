#pragma once
// Why this exists: a chain has many pieces, and one of them is damaged or missing. Another
// repository may have just that one, and without it something can be reached all the same.

#include "ops/recovery.hpp"

namespace asb {

// What an operator reads when a piece of the chain of `wish` does not verify, which `error` names:
// which repository of the settings has it too, and what is reached without it. Other than
// `damaged`, and an error that names no piece and has a hint: as it is.
Error chain_damage_told(const OpsContext& context, const RecoveryWish& wish, Error error);

// The backups of a chain from `base` on, each once.
std::vector<std::string> links_of(const std::vector<SourceSpan>& spans, const std::string& base);

// The repository of the settings besides that of `planning` in which all of the wish is; empty:
// none.
std::string whole_elsewhere(const OpsContext& context, const RecoveryWish& wish,
                            const Planning& planning);

}  // namespace asb
