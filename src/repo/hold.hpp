#pragma once
// Why this exists: a hold keeps a backup whatever the policy says, because somebody needs it: a
// court, an auditor, an engineer in the middle of something. Manifests never change, so a hold is
// an object of its own, `holds/<backup>.<id>.json`; it is lifted by removing it.
//
// Whatever cannot be read counts as a hold: a damaged document must never be what lets a backup go.

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.hpp"
#include "store/store.hpp"

namespace asb {

inline constexpr std::string_view kHoldPrefix = "holds/";
inline constexpr int kHoldVersion = 1;
inline constexpr std::size_t kHoldBytesMax = 16 * kKiB;  // both texts, each byte as six
// Of reason and of owner: a reference to a case and a name, not the case itself.
inline constexpr std::size_t kHoldTextBytesMax = 1024;

struct Hold {
    std::string id;      // 32 lower-case hex digits, random
    std::string backup;  // its name
    std::string reason;  // UTF-8
    std::string owner;   // UTF-8
    Instant created_at{};
    std::optional<Instant> expires_at;  // absent: until it is lifted
    // What is wrong with its document; empty: nothing. Then only `backup` is known.
    std::string problem;

    // At `expires_at` it has ended; one whose document cannot be read never ends.
    [[nodiscard]] bool is_in_force(Instant now) const {
        return !problem.empty() || !expires_at || now < *expires_at;
    }
};

// A new one with a random id. `usage` when the name is no backup's, reason or owner are empty, too
// long or no text, or it would end before it begins.
Result<Hold> make_hold(std::string backup, std::string reason, std::string owner, Instant now,
                       std::optional<Instant> expires_at);

ObjectKey hold_key(const Hold& hold);
// Canonical JSON and a newline; the hold is one that make_hold or parse_hold gave.
std::string to_text(const Hold& hold);
// Shape, version, canonical form and bounds; `damaged` otherwise. `what` names it in the error.
Result<Hold> parse_hold(std::string_view text, std::string_view what);

// All holds, by name. A document that cannot be read, or that is not what its name says, gives a
// hold with a `problem`; one that is lifted meanwhile is passed over. `damaged` when a name below
// holds/ does not say which backup it is about: then nothing may go.
Result<std::vector<Hold>> load_holds(StoreReader& store);

}  // namespace asb
