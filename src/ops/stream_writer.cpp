#include "ops/stream_writer.hpp"

#include <algorithm>

#include "base/fail_point.hpp"
#include "io/file.hpp"
#include "repo/line_history.hpp"

namespace asb {
namespace {

std::uint32_t today() {
    return day_of(std::chrono::time_point_cast<std::chrono::microseconds>(now()));
}

WrittenObject written(const SealedLogObject& object, std::uint64_t plain_bytes) {
    return {.span = span_of(object.name),
            .plain_bytes = plain_bytes,
            .stored_bytes = object.stored_bytes()};
}

}  // namespace

void extend(LogObjectHeader& header, const LogRange& range, const LogTimes& times,
            std::uint64_t last_record, const Json& tail) {
    header.range.end = range.end;
    if (times.commits != 0)
        header.times.newest_commit =
            header.times.commits == 0 ? times.newest_commit
                                      : std::max(header.times.newest_commit, times.newest_commit);
    header.times.commits += times.commits;
    header.times.covered_until = std::max(header.times.covered_until, times.covered_until);
    if (last_record != 0) header.last_record = last_record;
    header.tail = tail;
}

Status StreamWriter::add(const LogChunk& chunk) {
    if (!open_) {
        began_ = std::chrono::steady_clock::now();
        open_ = std::make_unique<Open>(log_.compressed);
        LogObjectHeader& header = open_->header;
        header.log_id = log_.log_id;
        header.engine = log_.engine;
        header.identity = log_.identity;
        header.branches = log_.branches;
        header.range = {
            .line = chunk.range.line, .start = chunk.range.start, .end = chunk.range.start};
    }
    const LogRange& so_far = open_->header.range;
    ASB_ASSERT(so_far.line == chunk.range.line && so_far.end == chunk.range.start);
    extend(open_->header, chunk.range, chunk.times, chunk.last_record, chunk.tail);
    return open_->body.write(chunk.bytes);
}

Status StreamWriter::seal() {
    ASB_TRY(auto body, open_->body.finish());
    sealed_header_ = std::move(open_->header);
    sealed_header_.plain_bytes = body.plain_bytes;
    open_.reset();
    ASB_TRY(sealed_, seal_log_object(sealed_header_, std::move(body), log_.key_or_null(), today()));
    return {};
}

Result<WrittenObject> StreamWriter::put() {
    ASB_ASSERT(!empty());
    if (!sealed_) ASB_CHECK(seal());
    ASB_CHECK(put_log_object(store_, *sealed_));
    const auto object = written(*sealed_, sealed_header_.plain_bytes);
    sealed_.reset();
    published_ = std::move(sealed_header_);
    return object;
}

Status StreamWriter::change_line(const LogLineChange& change) {
    ASB_ASSERT(empty());
    auto branches = log_.branches;
    branches.push_back(change.branch);
    const auto key = log_history_key(log_.log_id, change.branch.line);
    if (const int error = fail_point("log.history"))
        return errno_error(error, "cannot write", key.text(), Code::store);
    const auto text = to_text(LineHistory{.branches = branches, .text = change.history});
    auto put = store_.put(key, as_bytes(text));
    // Written before a crash that came before the first object of the new line.
    if (!put.ok() && put.error().code != Code::busy) return put;
    log_.branches = std::move(branches);
    return {};
}

}  // namespace asb
