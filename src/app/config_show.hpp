#pragma once
// Why this exists: `config show`: what the program will do, and which file or variable made it so.

#include "app/configuration.hpp"
#include "ops/context.hpp"

namespace asb {

Report show_configuration(const Configuration& configuration);

}  // namespace asb
