#pragma once
// Why this exists: S3 and Google Cloud Storage differ in words and signatures, not in what a
// repository needs of them. A driver implements this narrow interface, one request (or a retried
// one) a call; reading, writing in parts, leases and sweeping are written once, above it.

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.hpp"
#include "base/clock.hpp"
#include "base/result.hpp"
#include "codec/digest.hpp"

namespace asb::remote {

// An object as a listing or a look shows it. `name` is below the location's prefix.
struct Found {
    std::string name;
    std::uint64_t size = 0;
    Instant modified;
    // Names exactly these bytes to the store (S3: version id, else ETag; GCS: generation).
    std::string version = {};
    // What the store itself says of the bytes, as the driver writes it ("sha256:<hex>",
    // "sha256-parts:<hex>-<n>", "crc32c:<hex>"); empty when it says nothing. Of a look only.
    std::string checksum = {};
    // The writer's mark of WriteOptions::mark. Of a look only.
    std::string mark = {};
};

struct Page {
    std::vector<Found> found;  // by name, as bytes compare
    std::string next;          // for the next page; empty: this was the last
};

struct WriteOptions {
    // `busy` when an object of that name is there (unless it has this very mark: then the write has
    // been done already, by a try whose reply was lost). false: replaces what is there.
    bool once = true;
    // Random, the same for all tries of one write; kept with the object.
    std::string mark = {};
    // Data is what the settings want it to be: storage class, encryption, lock. Leases are small,
    // live for minutes and must be removable: no storage class, no lock.
    enum class Kind { data, lease } kind = Kind::data;
};

// One object written in parts, invisible until `complete`. put_part is thread-safe.
class PartUpload {
  public:
    // Abandoned when neither completed nor aborted before; ignores errors.
    virtual ~PartUpload() = default;
    // Part `number` counts from 0; all parts but the last have the size that
    // ObjectClient::part_bytes says.
    virtual Status put_part(std::size_t number, Bytes bytes, bool is_last) = 0;
    // After all parts. Makes the object visible in one act; what `once` and the mark say as for a
    // small write. Looks at the result: `damaged` when the store's size or checksum differs.
    virtual Status complete(std::size_t parts, std::uint64_t size) = 0;
    // The store forgets the parts. Works although a stop was requested.
    virtual void abort() = 0;
};

// Every call retries what may be retried, within its own deadlines; what it returns is final.
// Errors: `not_found`, `busy` (taken), `refused` (locked: retention or a hold), `store` (with a
// hint: denied, no such bucket, wrong region, unreachable), `space` (full), `damaged` (a checksum
// or a length is wrong), `interrupted`. They name the bucket and what the store answered, with its
// request id; never a credential. Thread-safe.
class ObjectClient {
  public:
    virtual ~ObjectClient() = default;
    // Objects whose name begins with `prefix`, from the page named by `next` on ("": the first).
    virtual Result<Page> list(std::string_view prefix, const std::string& next) = 0;
    // nullopt: there is none.
    virtual Result<std::optional<Found>> look(const std::string& name) = 0;
    // Exactly out.size() bytes from `offset` on, of exactly `version` ("": whichever is there now).
    virtual Status read(const std::string& name, const std::string& version, std::uint64_t offset,
                        MutableBytes out) = 0;
    // The whole object in one request; `damaged` when it is larger than `bytes_max`.
    virtual Result<std::string> get(const std::string& name, std::size_t bytes_max) = 0;
    // In one request, or as good as: visible whole, or not at all.
    virtual Status put(const std::string& name, Bytes bytes, const WriteOptions& options) = 0;
    virtual Result<std::unique_ptr<PartUpload>> begin_upload(const std::string& name,
                                                             const WriteOptions& options) = 0;
    // How large part `number` (from 0) of an upload is, and how many may be under way at once.
    [[nodiscard]] virtual std::size_t part_bytes(std::size_t number) const = 0;
    [[nodiscard]] virtual std::size_t parts_at_once() const = 0;
    // Removes each, with all its versions where the store keeps versions. A missing one is success.
    // The names that the store refuses to remove because of a lock, a hold or a retention policy.
    // `despite_stop`: tidying up, with a short deadline.
    virtual Result<std::vector<std::string>> remove(const std::vector<std::string>& names,
                                                    bool despite_stop) = 0;
    // Forgets the parts of uploads that began before `before`; how many uploads. 0 where the store
    // does so by itself.
    virtual Result<std::size_t> abort_uploads(Instant before) = 0;
    // The store's own clock, as its last reply told it; `now()` before there was one.
    [[nodiscard]] virtual Instant store_time() const = 0;
    // "s3://bucket/prefix"
    [[nodiscard]] virtual std::string place() const = 0;
};

}  // namespace asb::remote
