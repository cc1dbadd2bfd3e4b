#include "engine/postgres/wal_receiver.hpp"

#include <algorithm>

#include "base/text.hpp"
#include "engine/postgres/rehoming_sink.hpp"
#include "engine/postgres/timeline_history.hpp"
#include "engine/postgres/wal_trace.hpp"

namespace asb {
namespace {

// The server has all of it already when we ask; keepalives alone do not count as progress.
constexpr std::chrono::seconds kNoWalMax{60};

Error timeline_changed(std::uint32_t timeline) {
    return with_hint(fail(Code::database,
                          "the server left timeline {} while its WAL was copied: "
                          "it was promoted, or follows another primary",
                          timeline),
                     "nothing was published; run the backup again");
}

Error unexpected_answer() {
    return fail(Code::database, "the server's answer to START_REPLICATION is not as documented");
}

Status send_status(Connection& connection, Lsn received) {
    const auto message = status_update(received, received, now());
    return connection.write_copy(message, after(kNoWalMax));
}

// The server ended the stream before we did: an error, or the end of its timeline.
Status explain_early_end(Connection& connection, std::uint32_t timeline) {
    ASB_CHECK(connection.finish_copy(after(kNoWalMax)));
    for (;;) {
        ASB_TRY(const PgResult result, connection.next_result(after(kNoWalMax)));
        if (result == nullptr) return timeline_changed(timeline);
    }
}

// CopyDone both ways, what was still under way dropped, then ReadyForQuery.
Status end_stream(Connection& connection) {
    const Deadline deadline = after(kNoWalMax);
    ASB_CHECK(connection.finish_copy(deadline));
    for (;;) {
        ASB_TRY(const auto message, connection.read_copy(deadline));
        if (!message) break;
    }
    for (;;) {
        ASB_TRY(const PgResult result, connection.next_result(deadline));
        if (result == nullptr) return {};
    }
}

Status start_stream(Connection& connection, const std::string& slot,
                    const WalSegments::Range& range) {
    ASB_CHECK(connection.send(fmt::format("START_REPLICATION SLOT {} PHYSICAL {} TIMELINE {}",
                                          connection.quoted_identifier(slot), to_text(range.start),
                                          range.timeline)));
    ASB_TRY(const PgResult begin, connection.next_result(after(kNoWalMax)));
    if (begin != nullptr && PQresultStatus(begin.get()) == PGRES_COPY_BOTH) return {};
    // A timeline that ended here already is answered with a result set instead of a stream.
    if (begin != nullptr && PQresultStatus(begin.get()) == PGRES_TUPLES_OK)
        return timeline_changed(range.timeline);
    return unexpected_answer();
}

}  // namespace

Status receive_wal(Connection& connection, const std::string& slot, const WalSegments::Range& range,
                   EntrySink& sink, const WalSegments::MakeHeader& make_header, WalTrace& trace,
                   Progress& progress, CommitTime& server_time) {
    ASB_CHECK(start_stream(connection, slot, range));
    WalSegments segments(sink, range, make_header);
    Deadline deadline = after(kNoWalMax);
    while (!segments.complete()) {
        ASB_TRY(const auto message, connection.read_copy(deadline));
        if (!message) return explain_early_end(connection, range.timeline);
        ASB_TRY(const ReplicationMessage parsed, parse_replication_message(*message));
        if (const auto* wal = std::get_if<WalData>(&parsed)) {
            ASB_CHECK(segments.take(*wal));
            const auto left = range.end.value - std::min(range.end.value, wal->start.value);
            ASB_CHECK(
                trace.feed(wal->bytes.first(std::min<std::uint64_t>(left, wal->bytes.size()))));
            server_time = wal->server_time;
            progress.add(wal->bytes.size());
            deadline = after(kNoWalMax);
        } else if (std::get<Keepalive>(parsed).reply_requested) {
            ASB_CHECK(send_status(connection, segments.position()));
        }
    }
    ASB_CHECK(segments.finish());
    return end_stream(connection);
}

Result<std::string> receive_timeline_history(Connection& connection, std::uint32_t timeline,
                                             EntrySink& sink,
                                             const WalSegments::MakeHeader& make_header) {
    ASB_TRY(auto history, read_timeline_history(connection, timeline));
    const Bytes content = as_bytes(history);
    const std::string name = fmt::format("{}/{}", kWalFolder, history_file_name(timeline));
    ASB_CHECK(sink.begin(make_header(name, content.size())));
    ASB_CHECK(sink.write(content));
    ASB_CHECK(sink.end());
    return history;
}

}  // namespace asb
