#include "ops/removal.hpp"

#include <algorithm>
#include <set>

#include "base/fail_point.hpp"
#include "base/host.hpp"
#include "base/text.hpp"
#include "io/file.hpp"
#include "ops/retention_settings.hpp"
#include "repo/log_names.hpp"
#include "repo/log_record.hpp"
#include "repo/names.hpp"
#include "repo/retention_rules.hpp"

namespace asb {
namespace {

constexpr std::size_t kBatch = 1000;  // what S3 takes in one request

// A log may be used for so long before anything but its record shows that it is: no plan knew its
// first backup yet.
bool is_young(const LogRecord& record) {
    return record.created_at > days_before(now(), kLogDaysMin);
}

class Removal {
  public:
    Removal(const OpsContext& context, const Stores& stores, const RetentionLook& look,
            const RetentionPolicy& policy, Instant now)
        : context_(context), stores_(stores), look_(look), policy_(policy), now_(now) {}

    Result<Removed> run(const RetentionPlan& plan) {
        ASB_CHECK(write_records(plan));
        ASB_CHECK(remove_backups(plan));
        if (removed_.retained.empty()) return remove_logs(plan);
        // What those need of the log is known only now.
        auto holds = look_.holds;
        for (const auto* names : {&removed_.retained, &removed_.needed})
            for (const auto& name : *names) holds.emplace_back().backup = name;
        return remove_logs(plan_retention(look_.history, look_.catalog, policy_, holds, now_));
    }

  private:
    Status write_records(const RetentionPlan& plan) {
        std::vector<RemovedBackup> backups;
        for (const auto number : plan.removal_order)
            backups.push_back(removed_backup(look_.catalog.entries[number]));
        const RemovalCause cause{
            .at = now(), .by = host_name(), .policy = retention_text(context_.settings)};
        for (const auto& record : make_removal_records(backups, look_.removals, cause))
            ASB_CHECK(put_removal_record(*stores_.appender, record));
        return {};
    }

    // What a backup goes on from comes after it, and stays with it when the store does not let it
    // go.
    Status remove_backups(const RetentionPlan& plan) {
        const RetentionCatalog backups(look_.catalog);
        std::set<std::size_t> needed;
        for (const auto number : plan.removal_order) {
            const auto& name = look_.catalog.entries[number].name;
            const bool stays = needed.contains(number);
            if (stays) removed_.needed.push_back(name);
            ASB_TRY(const bool gone, stays ? Result<bool>(false) : remove_backup(name));
            if (!gone) needed.insert(backups.parent_of(number));
        }
        return {};
    }

    // The manifest first: with it the backup ends to exist, whatever happens to the rest. False
    // when the store retains it.
    Result<bool> remove_backup(const std::string& name) {
        ASB_CHECK(context_.stop.check());
        ASB_TRY(const auto objects, stores_.reader->list(name + "."));
        std::vector<ObjectKey> rest;
        for (const auto& object : objects)
            if (!object.key.text().ends_with(kManifestSuffix)) rest.push_back(object.key);
        if (const int error = fail_point("expire.manifest"))
            return errno_error(error, "cannot remove", name, Code::store);
        ASB_TRY(const auto kept, stores_.eraser->erase_all({manifest_key(name)}));
        if (!kept.empty()) {
            removed_.retained.push_back(name);
            return false;
        }
        ++removed_.backups;
        context_.log.info("{} is removed from {}", name, stores_.reader->place());
        if (const int error = fail_point("expire.body"))
            return errno_error(error, "cannot remove", name, Code::store);
        ASB_CHECK(erase(rest));
        return true;
    }

    Result<Removed> remove_logs(const RetentionPlan& plan) {
        for (const auto& objects : plan.objects) ASB_CHECK(remove_log(objects));
        return std::move(removed_);
    }

    Status remove_log(const RemovedObjects& objects) {
        const auto retained_before = removed_.retained.size();
        std::vector<ObjectKey> keys;
        keys.reserve(objects.spans.size());
        for (std::size_t i = 0; i < objects.spans.size(); ++i)
            keys.push_back(key_of(look_.history, objects, i));
        for (std::size_t i = 0; i < keys.size(); i += kBatch) {
            ASB_CHECK(context_.stop.check());
            if (const int error = fail_point("expire.log"))
                return errno_error(error, "cannot remove", keys[i].text(), Code::store);
            const auto end = std::min(i + kBatch, keys.size());
            ASB_CHECK(erase({keys.begin() + static_cast<std::ptrdiff_t>(i),
                             keys.begin() + static_cast<std::ptrdiff_t>(end)}));
        }
        const auto retained = removed_.retained.size() - retained_before;
        removed_.log_objects += keys.size() - retained;
        if (!objects.is_whole_log || retained != 0) return {};
        return remove_rest_of_log(look_.history.logs[objects.log].id);
    }

    // Its record, with the key that nothing needs any more, and the histories of its lines; but not
    // while there is an object, which may have come since.
    Status remove_rest_of_log(const std::string& id) {
        ASB_TRY(const auto rest, stores_.reader->list(fmt::format("{}{}/", kLogPrefix, id)));
        std::vector<ObjectKey> keys;
        keys.reserve(rest.size());
        for (const auto& object : rest) {
            const auto name = parse_log_name(object.key.text());
            if (name && name->kind == LogName::Kind::object) return {};
            keys.push_back(object.key);
        }
        const auto record = stores_.reader->get(log_record_key(id), kLogRecordBytesMax);
        if (record) {
            const auto parsed = parse_log_record(*record, id);
            if (parsed && is_young(*parsed)) return {};
        } else if (record.error().code != Code::not_found) {
            return record.error();
        }
        return erase(keys);
    }

    Status erase(const std::vector<ObjectKey>& keys) {
        ASB_TRY(const auto kept, stores_.eraser->erase_all(keys));
        for (const auto& key : kept) removed_.retained.push_back(key.text());
        return {};
    }

    const OpsContext& context_;
    const Stores& stores_;
    const RetentionLook& look_;
    const RetentionPolicy& policy_;
    const Instant now_;
    Removed removed_;
};

}  // namespace

Status put_removal_record(StoreAppender& store, const PendingRecord& record) {
    if (const int error = fail_point("expire.record"))
        return errno_error(error, "cannot write", record.key.text(), Code::store);
    return store.put(record.key, as_bytes(record.text));
}

Result<Removed> remove_planned(const OpsContext& context, const Stores& stores,
                               const RetentionLook& look, const RetentionPolicy& policy,
                               const RetentionPlan& plan, Instant now) {
    return Removal(context, stores, look, policy, now).run(plan);
}

}  // namespace asb
