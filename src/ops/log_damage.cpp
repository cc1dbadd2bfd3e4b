#include "ops/log_damage.hpp"

#include "base/text.hpp"
#include "ops/opened.hpp"
#include "repo/log_object.hpp"
#include "repo/log_record.hpp"

namespace asb {
namespace {

bool is_of_the_store(const Error& error) {
    return error.code == Code::store || error.code == Code::interrupted;
}

Result<std::vector<DamagedLogObject>> objects_of(StoreReader& store, const std::string& log) {
    std::vector<DamagedLogObject> objects;
    ASB_CHECK(visit_log(store, log, [&](std::string_view key, const LogName& name) {
        if (name.kind == LogName::Kind::object)
            objects.push_back({.log = log,
                               .range = name.object.range,
                               .key = ObjectKey::known(std::string(key)),
                               .problem = {}});
    }));
    return objects;
}

}  // namespace

Result<ExaminedLogs> examine_logs(const OpsContext& context, StoreReader& store,
                                  const std::set<std::string>& logs) {
    const auto provider = reading_key(context);
    ExaminedLogs examined;
    for (const auto& log : logs) {
        const auto record = open_log_record(store, log, provider.get());
        if (!record && is_of_the_store(record.error())) return record.error();
        if (!record) {
            examined.unread.push_back(
                fmt::format("the log {} is not examined: {}", log, record.error().fact));
            continue;
        }
        ASB_TRY(auto objects, objects_of(store, log));
        for (auto& object : objects) {
            ASB_CHECK(context.stop.check());
            const auto opened = open_log_object(store, object.key, record->key_or_null());
            if (!opened && is_of_the_store(opened.error())) return opened.error();
            if (opened) {
                examined.good[log].add(object.range);
            } else if (opened.error().code != Code::not_found) {
                object.problem = opened.error().fact;
                examined.damaged.push_back(std::move(object));
            }
        }
    }
    return examined;
}

}  // namespace asb
