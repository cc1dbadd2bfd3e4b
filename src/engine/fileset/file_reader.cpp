#include "engine/fileset/file_reader.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "base/text.hpp"

namespace asb::fileset {
namespace {

bool same_time(const timespec& a, const timespec& b) {
    return a.tv_sec == b.tv_sec && a.tv_nsec == b.tv_nsec;
}

bool unchanged(const struct stat& a, const struct stat& b) {
    return a.st_size == b.st_size && same_time(a.st_mtim, b.st_mtim) &&
           same_time(a.st_ctim, b.st_ctim);
}

std::uint64_t size_of(const struct stat& info) {
    return static_cast<std::uint64_t>(info.st_size);
}

ReadOutcome grew(const struct stat& before, const struct stat& after, bool may_grow) {
    return {.note = fmt::format("grew from {} to {} bytes while it was being read; the first {} "
                                "are stored",
                                before.st_size, after.st_size, before.st_size),
            .is_whole = may_grow};
}

ReadOutcome changed() {
    return {.note = "changed while it was being read", .is_whole = false};
}

}  // namespace

FileReader::FileReader(SessionContext& context, const ReadHook& hook)
    : context_(context), hook_(hook), block_(kWholeReadBytesMax) {}

Result<ReadOutcome> FileReader::store(
    int fd, const std::string& path, EntryHeader header,
    const std::function<void(EntryHeader&, const struct stat&)>& fill, bool may_grow,
    EntrySink& sink, const ReadFrom& from) {
    const Source source{fd, path, may_grow, from};
    ReadOutcome outcome;
    ASB_TRY(auto before, measure(source));
    for (int reads = 1; size_of(before) <= from.offset + kWholeReadBytesMax; ++reads) {
        ASB_TRY(const auto read, read_whole(source, before));
        before = read.before;
        const bool is_full = from.offset + block_.size() == size_of(before);
        const bool only_grew = may_grow && read.after.st_size > before.st_size && is_full;
        const bool still = unchanged(before, read.after) && is_full;
        if (!still && !only_grew && reads < kReadsMax) {
            ASB_TRY(before, measure(source));
            continue;
        }
        ASB_TRY(outcome.was_cut, was_cut(source, before));
        if (outcome.was_cut) return outcome;
        if (!still) outcome = only_grew ? grew(before, read.after, true) : changed();
        fill(header, before);
        header.size = block_.size();
        ASB_CHECK(sink.begin(header));
        ASB_CHECK(sink.write(block_.view()));
        context_.progress.add(block_.size());
        ASB_CHECK(sink.end());
        outcome.bytes = header.size;
        return outcome;
    }
    ASB_TRY(outcome.was_cut, was_cut(source, before));
    if (outcome.was_cut) return outcome;
    fill(header, before);
    header.size = size_of(before) - from.offset;
    ASB_CHECK(sink.begin(header));
    ASB_TRY(outcome, stream(source, before, sink));
    ASB_CHECK(sink.end());
    outcome.bytes = header.size;
    return outcome;
}

Result<struct stat> FileReader::measure(const Source& source) {
    struct stat info {};
    if (fstat(source.fd, &info) != 0)
        return errno_error(errno, "cannot read", printable(source.path));
    if (hook_) hook_(ReadStep::measured, source.path);
    return info;
}

// Whether the file is no longer the one whose beginning is known.
Result<bool> FileReader::was_cut(const Source& source, const struct stat& info) {
    if (size_of(info) < source.from.offset) return true;
    if (!source.from.is_unchanged) return false;
    ASB_TRY(const bool unchanged, source.from.is_unchanged());
    return !unchanged;
}

Result<FileReader::WholeRead> FileReader::read_whole(const Source& source, struct stat before) {
    block_.clear();
    const auto from = source.from.offset;
    while (from + block_.size() < size_of(before)) {
        ASB_TRY(const auto count, read_block(source, from + block_.size(), size_of(before) - from));
        if (count == 0) break;
    }
    WholeRead read{.before = before};
    if (fstat(source.fd, &read.after) != 0)
        return errno_error(errno, "cannot read", printable(source.path));
    return read;
}

// Appends to block_ what a read at `offset` gives, block_ never holding more than `bytes_max`; 0 at
// the end.
Result<std::size_t> FileReader::read_block(const Source& source, std::uint64_t offset,
                                           std::uint64_t bytes_max) {
    ASB_CHECK(context_.stop.check());
    const auto room =
        static_cast<std::size_t>(std::min<std::uint64_t>(block_.room(), bytes_max - block_.size()));
    while (true) {
        const ssize_t count =
            pread(source.fd, block_.tail().data(), room, static_cast<off_t>(offset));
        if (count < 0 && errno == EINTR) continue;
        if (count < 0) return errno_error(errno, "cannot read", printable(source.path));
        block_.grow(static_cast<std::size_t>(count));
        return static_cast<std::size_t>(count);
    }
}

Result<ReadOutcome> FileReader::stream(const Source& source, const struct stat& before,
                                       EntrySink& sink) {
    const auto size = size_of(before);
    std::uint64_t offset = source.from.offset;
    while (offset < size) {
        block_.clear();
        ASB_TRY(const auto count, read_block(source, offset, size - offset));
        if (count == 0) break;
        ASB_CHECK(sink.write(block_.view()));
        context_.progress.add(count);
        offset += count;
        if (hook_) hook_(ReadStep::block_stored, source.path);
    }
    if (offset < size) {
        ASB_CHECK(store_zeros(size - offset, sink));
        return ReadOutcome{.note = fmt::format("shrank from {} to {} bytes while it was being "
                                               "read; the rest is stored as zeros",
                                               size, offset),
                           .is_whole = false};
    }
    struct stat after {};
    if (fstat(source.fd, &after) != 0)
        return errno_error(errno, "cannot read", printable(source.path));
    ASB_TRY(const bool cut, was_cut(source, after));
    if (cut) return changed();
    if (after.st_size > before.st_size) return grew(before, after, source.may_grow);
    return unchanged(before, after) ? ReadOutcome() : changed();
}

Status FileReader::store_zeros(std::uint64_t count, EntrySink& sink) {
    std::memset(block_.data(), 0, block_.capacity());
    block_.resize(block_.capacity());
    while (count != 0) {
        ASB_CHECK(context_.stop.check());
        const auto part = std::min<std::uint64_t>(count, block_.size());
        ASB_CHECK(sink.write(block_.view().first(static_cast<std::size_t>(part))));
        context_.progress.add(part);
        count -= part;
    }
    return {};
}

}  // namespace asb::fileset
