#pragma once
// Why this exists: the way back: segments fetched in parallel and checked before they are
// decrypted, members inflated in parallel, entries handed on, and at the end the inner manifest
// compared with what arrived.

#include <memory>
#include <optional>

#include "base/progress.hpp"
#include "base/stop.hpp"
#include "codec/kdf.hpp"
#include "codec/tar.hpp"
#include "repo/body_index.hpp"
#include "repo/manifest.hpp"
#include "store/store.hpp"

namespace asb {

// An archive whose manifest and index have been read and, when it is encrypted, authenticated.
struct OpenArchive {
    ReadManifest read;
    BodyIndex index;
    std::optional<BodyKeys> keys;
    std::unique_ptr<StoredObject> body;
};

struct ReadOptions {
    std::size_t threads = 2;
    Progress* progress = nullptr;  // counts plain bytes
    StopToken stop;
};

// Pushes every entry but the inner manifest into `sink`, to the last byte of the body. Only after
// success is the archive proved: a sink must not make anything visible before. `damaged` names what
// does not match, and where.
Status read_archive(const OpenArchive& archive, EntrySink& sink, const ReadOptions& options);

// A stored body without its manifest: nothing authenticates it. Reads any `openssl enc` / gzip /
// tar combination, whatever wrote it; when there is an inner manifest it is compared. `passphrase`
// and `iterations`: of the body, when it is encrypted.
struct BareArchive {
    std::unique_ptr<StoredObject> body;
    Secret passphrase;
};
struct BareReport {
    bool has_inner_manifest = false;
    std::uint32_t iterations = 0;  // that opened it; 0 when not encrypted
};
Result<BareReport> read_bare_archive(const BareArchive& archive, EntrySink& sink,
                                     const ReadOptions& options);

}  // namespace asb
