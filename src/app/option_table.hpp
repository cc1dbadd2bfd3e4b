#pragma once
// Why this exists: all settings of the program in one list: its own, each driver's, and those of
// the product's page that a later version will obey, so that nobody sets one and believes that it
// works.

#include <vector>

#include "base/settings.hpp"
#include "ops/drivers.hpp"

namespace asb {

// Rows of the program itself and of every driver, in the order of the configuration reference.
std::vector<const Option*> all_options(const Drivers& drivers);

// A name that the product has but this version does not yet obey.
struct LaterSetting {
    enum class Weight {
        warn,   // a run does what was asked for, only without this
        quiet,  // says nothing by itself: another setting turns the feature on
    };
    std::string_view name;
    Weight weight = Weight::warn;
    std::string_view what;  // "notifications"
};
std::span<const LaterSetting> later_settings();

// docs/configuration.md: every option, its default and meaning.
std::string configuration_reference(const Drivers& drivers);

}  // namespace asb
