#include "store/remote/seen_lease.hpp"

#include <algorithm>
#include <charconv>
#include <functional>

#include "store/remote/pages.hpp"

namespace asb::remote {
namespace {

constexpr std::size_t kGenerationDigits = 10;
// A line of a holder, with a host's name as long as Linux allows.
constexpr std::size_t kLeaseBytesMax = 4 * kKiB;

std::optional<std::uint64_t> parse_generation(std::string_view digits) {
    std::uint64_t value = 0;
    const auto* const end = digits.data() + digits.size();
    const auto [rest, error] = std::from_chars(digits.data(), end, value);
    if (digits.size() != kGenerationDigits || error != std::errc() || rest != end)
        return std::nullopt;
    return value;
}

// What its name says; nullopt when that is no lease's.
std::optional<SeenLease> parse_name(const std::string& name) {
    std::string_view text(name);
    if (!text.starts_with(kLeasePrefix)) return std::nullopt;
    text.remove_prefix(kLeasePrefix.size());
    const auto dot = text.rfind('.');
    if (dot == std::string_view::npos) return std::nullopt;
    const auto generation = parse_generation(text.substr(dot + 1));
    auto key = ObjectKey::parse(text.substr(0, dot));
    if (!generation || !key.ok()) return std::nullopt;
    return SeenLease{.name = name, .key = std::move(*key), .generation = *generation, .holder = {}};
}

std::string prefix_of(const ObjectKey& key) {
    return fmt::format("{}{}.", kLeasePrefix, key.text());
}

// Reads and judges it; false when it has gone since it was listed.
Result<bool> complete(ObjectClient& client, const LeaseTimes& times, Instant modified,
                      SeenLease& lease) {
    const auto text = client.get(lease.name, kLeaseBytesMax);
    if (!text.ok() && text.error().code == Code::not_found) return false;
    if (!text.ok() && text.error().code != Code::damaged) return text.error();
    if (text.ok()) lease.holder = parse_line(*text);
    const auto alive = lease.holder ? lives(*lease.holder) : std::nullopt;
    lease.live = alive ? *alive : client.store_time() - modified < times.stale_after;
    return true;
}

Result<std::vector<SeenLease>> see(ObjectClient& client, const LeaseTimes& times,
                                   const std::string& prefix,
                                   const std::function<bool(const SeenLease&)>& wanted) {
    struct Listed {
        SeenLease lease;
        Instant modified;
    };
    std::vector<Listed> listed;
    ASB_CHECK(visit_found(client, prefix, [&](const Found& found) -> Status {
        auto lease = parse_name(found.name);
        if (lease && wanted(*lease)) listed.push_back({std::move(*lease), found.modified});
        return {};
    }));
    std::vector<SeenLease> leases;
    leases.reserve(listed.size());
    for (auto& [lease, modified] : listed) {
        ASB_TRY(const bool there, complete(client, times, modified, lease));
        if (there) leases.push_back(std::move(lease));
    }
    std::sort(leases.begin(), leases.end(),
              [](const SeenLease& a, const SeenLease& b) { return a.name < b.name; });
    return leases;
}

}  // namespace

std::string lease_name(const ObjectKey& key, std::uint64_t generation) {
    return fmt::format("{}{}.{:0{}}", kLeasePrefix, key.text(), generation, kGenerationDigits);
}

Result<std::vector<SeenLease>> see_leases(ObjectClient& client, const LeaseTimes& times) {
    return see(client, times, std::string(kLeasePrefix), [](const SeenLease&) { return true; });
}

Result<std::vector<SeenLease>> see_leases_of(ObjectClient& client, const LeaseTimes& times,
                                             const ObjectKey& key) {
    return see(client, times, prefix_of(key),
               [&](const SeenLease& lease) { return lease.key == key; });
}

Result<std::vector<SeenLease>> see_other_leases_of(ObjectClient& client, const LeaseTimes& times,
                                                   const ObjectKey& key, std::uint64_t generation) {
    return see(client, times, prefix_of(key), [&](const SeenLease& lease) {
        return lease.key == key && lease.generation != generation;
    });
}

}  // namespace asb::remote
