#include "ops/stream_slot.hpp"

#include <fmt/format.h>

#include "repo/log_tail.hpp"

namespace asb {

Result<Report> drop_stream_slot(const OpsContext& context, Engine& engine, StoreReader& store) {
    ASB_TRY(const auto catalog, load_catalog(store, job_count(context.settings)));
    SessionContext session{context.log, context.progress, context.stop};
    ASB_TRY(session.tails, log_tails(store, catalog, engine.name()));
    ASB_TRY(const auto dropped, engine.release_log(std::move(session)));
    Report report;
    report.document["dropped"] = dropped;
    for (const auto& name : dropped)
        report.text += fmt::format("dropped the replication slot {}\n", name);
    if (dropped.empty()) report.text = "the server has no slot of ours\n";
    return report;
}

}  // namespace asb
