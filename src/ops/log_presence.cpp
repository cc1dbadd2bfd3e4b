#include "ops/log_presence.hpp"

#include "repo/names.hpp"

namespace asb {
namespace {

Status check_present(StoreReader& store, const ObjectKey& key) {
    const auto opened = store.open(key);
    if (opened) return {};
    return with_hint(
        fail(Code::store, "the repository {} is away: {}", store.place(), opened.error().fact),
        "mount it again or move it back: the stream goes on by itself");
}

}  // namespace

Status check_log_present(StoreReader& store, std::string_view log_id) {
    return check_present(store, log_record_key(log_id));
}

Status check_backup_present(StoreReader& store, std::string_view backup) {
    return check_present(store, manifest_key(backup));
}

Status check_kept(StoreReader& store, std::string_view log_id, const ObjectKey& object) {
    auto present = check_log_present(store, log_id);
    if (present.ok()) present = check_present(store, object);
    if (present.ok()) return {};
    return with_hint(present.error().within("what was put is not confirmed"),
                     "mount it again or move it back, then start the stream again: it goes on from "
                     "what is kept");
}

}  // namespace asb
