#include "engine/mongodb/oplog_parts.hpp"

namespace asb {

Result<std::optional<Bytes>> OplogFilter::take(Bytes bytes) {
    if (database_.empty()) return std::optional(bytes);
    bson_t entry;
    if (!bson_init_static(&entry, reinterpret_cast<const std::uint8_t*>(bytes.data()),
                          bytes.size()))
        return fail(Code::damaged, "an oplog entry's frame is broken");
    FittedEntry fitted = fit_oplog_entry(entry, database_);
    if (fitted.fit == EntryFit::drop) return std::optional<Bytes>();
    if (fitted.fit == EntryFit::keep) return std::optional(bytes);
    changed_ = std::move(fitted.changed);
    return std::optional(
        Bytes{reinterpret_cast<const std::byte*>(bson_get_data(changed_.get())), changed_->len});
}

OplogParts::OplogParts(std::string database, EntrySink& sink, Progress& progress,
                       PartNames::Name name)
    : filter_(std::move(database)),
      names_(std::move(name)),
      collector_(names_, [&sink, &progress](const DumpPart& part) -> Status {
          ASB_CHECK(push_entry(sink, part.entry, part.bytes.view()));
          progress.add(part.bytes.size());
          return {};
      }) {}

Result<bool> OplogParts::add(Bytes entry) {
    ASB_TRY(const auto kept, filter_.take(entry));
    if (!kept) return false;
    ASB_CHECK(collector_.add(*kept));
    return true;
}

}  // namespace asb
