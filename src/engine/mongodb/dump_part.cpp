#include "engine/mongodb/dump_part.hpp"

#include <algorithm>
#include <chrono>

namespace asb {

Status PartCollector::add(Bytes document) {
    if (part_.data() != nullptr && part_.room() < document.size()) {
        numbered_ = true;
        ASB_CHECK(flush(names_.next()));
    }
    if (part_.data() == nullptr) ASB_CHECK(begin_part(std::max(kPartBytes, document.size())));
    part_.append(document);
    ++documents_;
    bytes_ += document.size();
    // Not held while the next one is waited for: beside other readers' it would be too much memory.
    if (document.size() < kPartBytes) return {};
    numbered_ = true;
    return flush(names_.next());
}

Status PartCollector::begin_part(std::size_t bytes) {
    if (budget_ != nullptr) {
        auto lease = budget_->take(bytes);
        if (!lease) return fail(Code::interrupted, "the copy was given up");
        lease_ = std::move(*lease);
    }
    part_ = Buffer(bytes);
    return {};
}

Status PartCollector::finish() {
    if (numbered_ && part_.empty() && documents_ > 0) return {};
    return flush(numbered_ ? names_.next() : names_.whole());
}

Status PartCollector::flush(std::string entry) {
    DumpPart part{.lease = std::move(lease_), .entry = std::move(entry), .bytes = std::move(part_)};
    part_ = Buffer();
    return put_(std::move(part));
}

Status push_entry(EntrySink& sink, std::string name, Bytes bytes) {
    const auto time = std::chrono::system_clock::now().time_since_epoch();
    ASB_CHECK(sink.begin(
        {.name = std::move(name),
         .type = EntryType::file,
         .size = bytes.size(),
         .mode = 0600,
         .mtime_seconds = std::chrono::duration_cast<std::chrono::seconds>(time).count()}));
    if (!bytes.empty()) ASB_CHECK(sink.write(bytes));
    return sink.end();
}

}  // namespace asb
