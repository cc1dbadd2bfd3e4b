// A hold, a record of removal and a remembered head of any bytes: what is accepted is within its
// bounds, and for a hold exactly what would be written.

#include "repo/hold.hpp"
#include "repo/manifest_history.hpp"
#include "repo/removal_record.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace asb;
    const std::string_view text(reinterpret_cast<const char*>(data), size);
    const auto hold = parse_hold(text, "the hold");
    if (hold) {
        ASB_ASSERT(to_text(*hold) == text);
        ASB_ASSERT(hold->reason.size() <= kHoldTextBytesMax);
        ASB_ASSERT(ObjectKey::is_valid(hold_key(*hold).text()));
    } else {
        ASB_ASSERT(hold.error().code == Code::damaged);
    }
    const auto record = parse_removal_record(text, "removed/record.json");
    if (record) {
        ASB_ASSERT(record->backups.size() <= kRemovalsMax);
        ASB_ASSERT(record->previous.size() <= kRemovalHeadsMax);
    } else {
        ASB_ASSERT(record.error().code == Code::damaged);
    }
    const auto head = parse_head(text, "the head");
    ASB_ASSERT(head || head.error().code == Code::damaged);
    if (head) ASB_ASSERT(to_text(*head) == text);
    return 0;
}
