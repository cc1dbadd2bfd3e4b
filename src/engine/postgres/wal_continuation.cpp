#include "engine/postgres/wal_continuation.hpp"

#include <algorithm>

#include "base/text.hpp"
#include "codec/digest.hpp"
#include "engine/postgres/wal_trace.hpp"

namespace asb {
namespace {

// The server has what we ask for already.
constexpr std::chrono::seconds kNoWalMax{60};

std::string no_tail(const std::vector<LogTail>& tails, const ServerIdentity& server) {
    if (tails.empty())
        return "the repository holds no backup that an incremental one could go on from";
    return fmt::format("the backups in the repository are of the system {}, and this server is {}",
                       tails.front().identity, server.system_identifier);
}

Result<std::string> read_wal(WalStream& stream, const LogPoint& from, std::uint64_t count) {
    std::string bytes;
    ASB_CHECK(stream.start(from));
    while (bytes.size() < count) {
        ASB_TRY(const auto event, stream.next(after(kNoWalMax)));
        if (!event || event->change)
            return fail(Code::database, "the server sends no WAL at {}",
                        to_text(Lsn{stream.position().at}));
        bytes += as_text(event->wal);
    }
    bytes.resize(count);
    ASB_CHECK(stream.finish());
    return bytes;
}

// The bytes before the tail must be there, and be what they were: positions alone say nothing of a
// server that was restored and went on writing over the same ones.
Status prove_end(Connection& connection, const ServerIdentity& server,
                 WalContinuation& continuation) {
    const LogTail& tail = continuation.tail;
    ASB_TRY(const auto proof, parse_wal_proof(tail.tail));
    if (proof.from.value >= tail.end.at) return {};
    WalStream stream(connection, {}, continuation.joint);
    const auto bytes =
        read_wal(stream, {tail.end.line, proof.from.value}, tail.end.at - proof.from.value);
    if (!bytes.ok()) {
        if (!stream.gap()) return bytes.error();
        // A slot keeps what comes from the end on, and a full backup ends where a segment begins:
        // the one before it may be gone by right. Then there is nothing to compare.
        const bool same_segment = segment_start(proof.from, server.wal_segment_bytes) ==
                                  segment_start(Lsn{tail.end.at}, server.wal_segment_bytes);
        if (same_segment) continuation.gap = *stream.gap();
        return {};
    }
    if (to_hex(sha256(as_bytes(*bytes))) == proof.digest) return {};
    continuation.other_history = true;
    continuation.gap = fmt::format(
        "the server's WAL before {} is not what it was when {} was taken: it was "
        "restored from a copy",
        to_text(Lsn{tail.end.at}), tail.written_by);
    return {};
}

}  // namespace

Result<WalContinuation> continue_wal(Connection& connection, const ServerIdentity& server,
                                     const std::vector<LogTail>& tails) {
    WalContinuation continuation;
    const auto tail = std::ranges::find(tails, server.system_identifier, &LogTail::identity);
    if (tail == tails.end()) {
        continuation.gap = no_tail(tails, server);
        return continuation;
    }
    continuation.tail = *tail;
    ASB_TRY(continuation.joint, join_log(connection, server, tail->end, tail->branches));
    continuation.gap = continuation.joint.gap;
    continuation.other_history = continuation.joint.other_history;
    if (continuation.gap.empty()) ASB_CHECK(prove_end(connection, server, continuation));
    return continuation;
}

}  // namespace asb
