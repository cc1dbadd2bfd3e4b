#pragma once
// Why this exists: libpq's objects are freed by exactly one owner each.

#include <libpq-fe.h>

#include <memory>

namespace asb {

struct PgConnDeleter {
    void operator()(PGconn* connection) const { PQfinish(connection); }
};
struct PgResultDeleter {
    void operator()(PGresult* result) const { PQclear(result); }
};
struct PgMemoryDeleter {
    void operator()(void* memory) const { PQfreemem(memory); }
};
struct PgConninfoDeleter {
    void operator()(PQconninfoOption* options) const { PQconninfoFree(options); }
};

using PgConn = std::unique_ptr<PGconn, PgConnDeleter>;
using PgResult = std::unique_ptr<PGresult, PgResultDeleter>;
using PgText = std::unique_ptr<char, PgMemoryDeleter>;
using PgConninfo = std::unique_ptr<PQconninfoOption, PgConninfoDeleter>;

}  // namespace asb
