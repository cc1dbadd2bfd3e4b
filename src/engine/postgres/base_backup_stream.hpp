#pragma once
// Why this exists: BASE_BACKUP as the server speaks it, and nothing of what becomes of the bytes:
// another source of pages (reading files directly) can take its place without touching the rest.

#include <optional>
#include <vector>

#include "engine/postgres/connection.hpp"
#include "engine/postgres/messages.hpp"

namespace asb {

struct Tablespace {
    std::string oid;
    std::string path;  // on the server
};

// Where in the log something lies.
struct LogPosition {
    std::uint32_t timeline = 0;
    Lsn lsn;
};

// start, next until nullopt, finish; once. Borrows the connection, a replication connection.
class BaseBackupStream {
  public:
    explicit BaseBackupStream(Connection& connection) : connection_(connection) {}

    // Asks for the backup and reads what precedes the data; returns where the backup begins. The
    // server makes a checkpoint first.
    Result<LogPosition> start();
    [[nodiscard]] const std::vector<Tablespace>& tablespaces() const { return tablespaces_; }
    [[nodiscard]] std::uint64_t estimated_bytes() const { return estimated_bytes_; }
    // The next message, its views valid until the next call; nullopt after the last.
    Result<std::optional<BackupMessage>> next();
    // Where the backup ends, once CommandComplete and ReadyForQuery have come: only then is it one.
    // `damaged`, naming files, when the server found pages whose checksum is wrong.
    Result<LogPosition> finish();

  private:
    Error explain(Error error);
    Status read_tablespaces();
    Connection& connection_;
    std::vector<Tablespace> tablespaces_;
    std::uint64_t estimated_bytes_ = 0;
};

}  // namespace asb
