#include "engine/fileset/log_copy.hpp"

namespace asb::fileset {
namespace {

// Whether the open file still holds what is known of it.
Result<bool> holds(int fd, const LogPosition& known, const std::string& path) {
    ASB_TRY(const auto mark, LogMark::of_file(fd, known.size, path));
    return mark.digest() == *known.mark;
}

}  // namespace

const LogPosition* LogCopy::known(const Found& found, const struct stat& info) const {
    if (!known_) return nullptr;
    const auto* known = known_->find(found.name, info);
    if (known == nullptr || !positions_.has_room(found.name.size() + known->name.size()))
        return nullptr;
    return safe_name(piece_name(found.name, known->size)).ok() ? known : nullptr;
}

std::uint64_t LogCopy::expected_bytes(const Found& found) const {
    const auto size = static_cast<std::uint64_t>(found.info.st_size);
    const auto* before = known(found, found.info);
    return before == nullptr ? size : size - before->size;
}

Result<ReadOutcome> LogCopy::store(const Found& found, int fd, const struct stat& info,
                                   const Fill& fill, EntrySink& sink) {
    const auto* before = known(found, info);
    if (before != nullptr && is_untouched(*before, found.name, info)) {
        // A file system's clock ticks so slowly that a log may be written anew within one tick.
        ASB_TRY(const bool rests, holds(fd, *before, found.path));
        if (rests) {
            keep(*before);
            return ReadOutcome{};
        }
    }
    if (before != nullptr) {
        ASB_TRY(auto outcome, store_piece(found, fd, *before, fill, sink));
        if (!outcome.was_cut) return outcome;
    }
    return store_whole(found, fd, fill, sink);
}

void LogCopy::keep(const LogPosition& known) {
    auto position = known;
    position.offset = known.size;
    position.from = known.name;
    position.has_piece = false;
    positions_.add(position);
    whole_bytes_ += position.size;
}

Result<ReadOutcome> LogCopy::store_piece(const Found& found, int fd, const LogPosition& known,
                                         const Fill& fill, EntrySink& sink) {
    Taking taking;
    taking.position.offset = known.size;
    taking.position.from = known.name;
    taking.position.has_piece = true;
    taking.from.offset = known.size;
    taking.from.is_unchanged = [&] { return holds(fd, known, found.path); };
    ASB_TRY(taking.mark, LogMark::of_file(fd, known.size, found.path));
    EntryHeader header;
    header.name = piece_name(found.name, known.size);
    return take(found, fd, std::move(header), taking, fill, sink);
}

Result<ReadOutcome> LogCopy::store_whole(const Found& found, int fd, const Fill& fill,
                                         EntrySink& sink) {
    Taking taking;
    EntryHeader header;
    header.name = found.name;
    return take(found, fd, std::move(header), taking, fill, sink);
}

Result<ReadOutcome> LogCopy::take(const Found& found, int fd, EntryHeader header, Taking& taking,
                                  const Fill& fill, EntrySink& sink) {
    auto position = taking.position;
    const auto fill_both = [&](EntryHeader& filled, const struct stat& info) {
        fill(filled, info);
        position = position_of(found.name, info);
    };
    MarkingSink marking(sink, taking.mark);
    ASB_TRY(auto outcome, reader_.store(fd, found.path, std::move(header), fill_both, true, marking,
                                        taking.from));
    if (outcome.was_cut) return outcome;
    position.size = taking.position.offset + outcome.bytes;
    position.offset = taking.position.offset;
    position.from = taking.position.from;
    position.has_piece = taking.position.has_piece;
    if (outcome.is_whole) position.mark = taking.mark.digest();
    positions_.add(position);
    whole_bytes_ += position.size;
    return outcome;
}

bool LogCopy::add_link(const std::string& name, const std::string& first) {
    if (!is_incremental() || !positions_.has_room(name.size() + first.size())) return false;
    LogPosition position;
    position.name = name;
    position.link = first;
    positions_.add(position);
    return true;
}

Status LogCopy::finish(EntryHeader header, EntrySink& sink) {
    if (positions_.empty() && !is_incremental()) return {};
    const auto text = positions_.text();
    header.name = kPositionsName;
    header.size = text.size();
    ASB_CHECK(sink.begin(header));
    ASB_CHECK(sink.write(as_bytes(text)));
    return sink.end();
}

}  // namespace asb::fileset
