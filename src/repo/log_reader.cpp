#include "repo/log_reader.hpp"

#include <algorithm>

#include "repo/repository.hpp"

namespace asb {
namespace {

// A row of 80 bytes a segment: 13 TB of WAL in one backup.
constexpr std::size_t kSmallEntryBytesMax = 64 * kMiB;

// Cuts the bytes at `start` to `range`; an empty piece is nothing.
Status hand_on(const LogRange& range, LogPoint start, Bytes bytes, const LogReader::Take& take) {
    if (start.at < range.start) {
        const auto before = std::min<std::uint64_t>(range.start - start.at, bytes.size());
        bytes = bytes.subspan(before);
        start.at += before;
    }
    const auto left = range.end - std::min(range.end, start.at);
    bytes = bytes.first(std::min<std::uint64_t>(left, bytes.size()));
    return bytes.empty() ? Status() : take(start, bytes);
}

// The chosen entries of an archive as log.
class LogEntrySink final : public EntrySink {
  public:
    LogEntrySink(const LogRange& range, const LogReader::PlaceEntry& place,
                 const LogReader::Take& take)
        : range_(range), place_(place), take_(take) {}
    Status begin(const EntryHeader& header) override {
        const auto place = place_(header.name);
        ASB_ASSERT(place.has_value());
        placed_ = *place != LogPoint{};
        at_ = placed_ ? *place : LogPoint{range_.line, range_.start};
        return {};
    }
    Status write(Bytes bytes) override {
        if (!placed_) return take_(at_, bytes);
        const auto start = at_;
        at_.at += bytes.size();
        return hand_on(range_, start, bytes, take_);
    }
    Status end() override { return {}; }

  private:
    const LogRange& range_;
    const LogReader::PlaceEntry& place_;
    const LogReader::Take& take_;
    LogPoint at_;
    bool placed_ = false;
};

bool is_within(const InnerEntry& entry, const std::optional<LogPoint>& place,
               const LogRange& range) {
    if (entry.type != EntryType::file || !place) return false;
    if (*place == LogPoint{}) return true;
    return place->line == range.line && place->at < range.end &&
           range.start < place->at + entry.size;
}

}  // namespace

Status LogReader::named(const SourceSpan& span, Status status) {
    if (status.ok()) return status;
    return status.error().within(span.backup.empty() ? span.object : span.backup);
}

Status LogReader::read(const SourceSpan& span, const Take& take) const {
    return named(span, span.backup.empty() ? read_object(span, take) : read_backup(span, take));
}

Result<OpenArchive> LogReader::open_archive_of(const SourceSpan& span) const {
    return open_archive_with(store_, span.backup, source_.keys_of(span.backup));
}

Result<LogReader::Opened> LogReader::open_backup(const SourceSpan& span) const {
    Opened opened;
    ASB_TRY(opened.archive, open_archive_of(span));
    ASB_TRY(opened.contents, read_contents(opened.archive, options_));
    std::vector<bool> chosen;
    chosen.reserve(opened.contents.entries.size());
    for (const auto& entry : opened.contents.entries)
        chosen.push_back(is_within(entry, place_(entry.name), span.range));
    ASB_TRY(opened.selection, select_entries(opened.archive, opened.contents, std::move(chosen)));
    return opened;
}

Status LogReader::push_backup(const SourceSpan& span, EntrySink& sink) const {
    ASB_TRY(const auto opened, open_backup(span));
    return read_selection(opened.archive, opened.contents, opened.selection, sink, options_);
}

Status LogReader::read_backup(const SourceSpan& span, const Take& take) const {
    LogEntrySink sink(span.range, place_, take);
    return push_backup(span, sink);
}

Result<std::optional<std::string>> LogReader::small_entry(const SourceSpan& span,
                                                          const std::string& name) const {
    if (span.backup.empty()) return std::optional<std::string>();
    const auto look = [&]() -> Result<std::optional<std::string>> {
        ASB_TRY(const auto archive, open_archive_of(span));
        return read_small_entry(archive, name, kSmallEntryBytesMax, options_);
    };
    auto found = look();
    if (found.ok()) return found;
    return found.error().within(span.backup);
}

Status LogReader::check(const SourceSpan& span) const {
    const auto look = [&]() -> Status {
        if (span.backup.empty()) {
            ASB_CHECK(open_object(span));
            return {};
        }
        ASB_TRY(const auto opened, open_backup(span));
        return check_pieces(opened.archive, opened.selection.pieces, options_);
    };
    return named(span, look());
}

Result<OpenedLogObject> LogReader::open_object(const SourceSpan& span) const {
    ASB_CHECK(options_.stop.check());
    ASB_TRY(const auto key, ObjectKey::parse(span.object));
    return open_log_object(store_, key, source_.log_key_or_null());
}

Status LogReader::read_object(const SourceSpan& span, const Take& take) const {
    ASB_TRY(const auto object, open_object(span));
    const LogPoint start{object.header.range.line, object.header.range.start};
    if (!byte_positions_) return take(start, as_bytes(object.plain));
    return hand_on(span.range, start, as_bytes(object.plain), take);
}

Status LogReader::push(const SourceSpan& span, std::string_view object_entry,
                       EntrySink& sink) const {
    if (!span.backup.empty()) return push_backup(span, sink);
    ASB_TRY(const auto object, open_object(span));
    ASB_CHECK(sink.begin({.name = std::string(object_entry), .size = object.plain.size()}));
    ASB_CHECK(sink.write(as_bytes(object.plain)));
    return sink.end();
}

}  // namespace asb
