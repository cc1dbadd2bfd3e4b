#include "engine/mongodb/oplog_before.hpp"

#include "base/text.hpp"
#include "engine/mongodb/dump_oplog_rules.hpp"
#include "engine/mongodb/layout.hpp"
#include "engine/mongodb/oplog_continuation.hpp"

namespace asb {

OplogBefore::OplogBefore(MongoConnection& connection, const LogTail& tail, std::string database,
                         EntrySink& sink, Progress& progress, Log& log)
    : connection_(connection),
      written_by_(tail.written_by),
      database_(std::move(database)),
      log_(log),
      parts_(database_, sink, progress, oplog_before_entry),
      start_(optime_of(tail.end.at)) {
    const auto parsed = parse_oplog_tail(tail.tail);
    if (parsed.ok())
        ledger_ = OplogLedger(*parsed);
    else
        (void)give_up(parsed.error());
}

Status OplogBefore::give_up(const Error& why) {
    if (why.code == Code::interrupted) return why;
    broken_ = true;
    log_.info("instants between {} and this backup cannot be reached: {}", printable(written_by_),
              why.fact);
    return {};
}

Status OplogBefore::copy_to(const OpTime& end) {
    if (broken_ || end <= ledger_.tail().optime) return {};
    OplogContinuation continuation(connection_, ledger_.tail(), end);
    for (;;) {
        const auto entry = continuation.next();
        if (!entry.ok()) return give_up(entry.error());
        if (!*entry) return {};
        const auto& [bytes, mark] = **entry;
        const auto fits = check_oplog_entry(bytes, database_, OplogRule::after_it);
        if (!fits.ok()) return give_up(fits.error());
        ledger_.read(bytes, mark);
        ASB_TRY(const bool kept, parts_.add(bytes));
        if (kept) ledger_.keep(mark);
    }
}

Status OplogBefore::finish() {
    return broken_ || parts_.entries() == 0 ? Status() : parts_.finish();
}

bool OplogBefore::reaches(const OpTime& optime) const {
    return !broken_ && optime <= ledger_.tail().optime;
}

}  // namespace asb
