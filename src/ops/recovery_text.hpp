#pragma once
// Why this exists: `explain` and `restore --dry-run` say the same of the same plan, in the same
// words, and a restore refuses in the words in which explain does.

#include <functional>
#include <optional>
#include <string>

#include "base/json.hpp"
#include "ops/context.hpp"
#include "repo/recovery_plan.hpp"

namespace asb {

// A position as the database's people write it.
using PositionText = std::function<std::string(const LogPoint&)>;
// Of an engine, which is borrowed; plain numbers when it is null.
PositionText position_text_of(const Engine* engine);
// Of the engine of that name; plain numbers when this program has none. Opens no connection.
PositionText position_text_of(const OpsContext& context, const std::string& engine);

// The same without the line, for where only one line is spoken of.
PositionText without_line(const PositionText& position);

// The plan, a few lines each ended by a newline. `found` is what a search for the exact stop found;
// absent: nobody has looked yet, and whether a restore point of that name exists is not known.
std::string recovery_text(const LogHistory& history, const RecoveryPlan& plan,
                          const PositionText& position,
                          const std::optional<LogSearch::Found>& found);
Json recovery_json(const LogHistory& history, const RecoveryPlan& plan,
                   const PositionText& position, const std::optional<LogSearch::Found>& found);

// `unreachable_target`: why, and the nearest instants that can be reached. `place` is where was
// looked (StoreReader::place()); it is named when there is nothing to begin from.
Error unreachable_error(const Unreachable& why, const LogTarget& target,
                        const PositionText& position, const std::string& place = {});
Json unreachable_json(const LogHistory& history, const Unreachable& why,
                      const PositionText& position, const std::string& place = {});
// `damaged`: why nothing leads to the end of an incremental backup that is there.
Error broken_chain_error(const Unreachable& why, const LogTarget& target,
                         const PositionText& position, const std::string& place);

}  // namespace asb
