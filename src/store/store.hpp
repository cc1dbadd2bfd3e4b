#pragma once
// Why this exists: what the repository needs of a place that keeps objects, with rights as types:
// restore, verify, list and every dry run hold a StoreReader only, a backup a StoreAppender
// besides, and only expire and the sweep of unpublished leftovers a StoreEraser. Names are
// write-once.

#include <compare>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/bytes.hpp"
#include "base/clock.hpp"
#include "base/log.hpp"
#include "base/result.hpp"
#include "base/settings.hpp"
#include "base/stop.hpp"

namespace asb {

// The name of an object: relative, '/' between parts, [A-Za-z0-9._-] in a part, no part "." or ".."
// or beginning with '.'.
class ObjectKey {
  public:
    static Result<ObjectKey> parse(std::string_view text);
    // For names made by the program itself; a bad one ends the process.
    static ObjectKey known(std::string text);
    // Whether parse would take it; makes no copy.
    [[nodiscard]] static bool is_valid(std::string_view text);
    [[nodiscard]] const std::string& text() const { return text_; }
    friend auto operator<=>(const ObjectKey&, const ObjectKey&) = default;

  private:
    explicit ObjectKey(std::string text) : text_(std::move(text)) {}
    std::string text_;
};

struct ObjectInfo {
    ObjectKey key;
    std::uint64_t size = 0;
    Instant modified;
};

// An open stored object. read_at may be called from several threads.
class StoredObject {
  public:
    virtual ~StoredObject() = default;
    [[nodiscard]] virtual std::uint64_t size() const = 0;
    // Exactly out.size() bytes; past the end is `damaged`.
    virtual Status read_at(std::uint64_t offset, MutableBytes out) = 0;
    // What the store itself says of the bytes, without reading them: "sha256:<hex>", or
    // "sha256-parts:<hex>-<n>", the SHA-256 of the SHA-256 of each of n parts; empty: nothing that
    // could be compared.
    [[nodiscard]] virtual std::string checksum() const { return {}; }
};

// Thread-safe.
class StoreReader {
  public:
    virtual ~StoreReader() = default;
    // Published objects whose key begins with `prefix`, sorted by key. A store that does not exist
    // yet is empty.
    virtual Result<std::vector<ObjectInfo>> list(std::string_view prefix) = 0;
    // The keys of the same objects in any order, each borrowed for its call: for a million of them,
    // where their sizes and a copy of every name would cost more than the work. Ends with the first
    // error that `visit` returns. Here: made from list().
    virtual Status visit_names(std::string_view prefix,
                               const std::function<Status(std::string_view key)>& visit);
    // `not_found` when there is no such published object.
    virtual Result<std::unique_ptr<StoredObject>> open(const ObjectKey& key) = 0;
    // Where this is, for people and logs; never a credential. A local store gives its folder's
    // path.
    [[nodiscard]] virtual std::string place() const = 0;

    // The whole of a small object; larger than `bytes_max` is `damaged`. Here: open and read_at.
    virtual Result<std::string> get(const ObjectKey& key, std::size_t bytes_max);
};

// One object being written. Destroyed without a successful commit, it leaves nothing behind.
class ObjectWriter {
  public:
    virtual ~ObjectWriter() = default;
    virtual Status append(Bytes bytes) = 0;
    // Makes everything appended durable and visible under the key, in one act. `busy` when the name
    // is taken by then.
    virtual Status commit() = 0;
};

class StoreAppender {
  public:
    virtual ~StoreAppender() = default;
    // Reserves the name for this writer until commit or destruction: `busy` when an object of that
    // name exists or another live writer holds it. Makes the store (its folder) when it is missing.
    virtual Result<std::unique_ptr<ObjectWriter>> create(const ObjectKey& key) = 0;
    // Bytes that still fit, or nullopt where the store has no such limit.
    virtual Result<std::optional<std::uint64_t>> free_space() = 0;

    // A small object at once; `busy` when the name is taken. Here: create, append and commit.
    virtual Status put(const ObjectKey& key, Bytes bytes);
};

class StoreEraser {
  public:
    virtual ~StoreEraser() = default;
    // Durable when it returns, which is little more work for many than for one. A missing object is
    // success; after an error some may be gone. Gives the keys whose objects the store keeps all
    // the same, because of a lock, a hold or a retention policy of its own.
    virtual Result<std::vector<ObjectKey>> erase_all(const std::vector<ObjectKey>& keys) = 0;
    // Removes what writers that no longer live left unfinished; returns how many. Never touches a
    // live writer's.
    virtual Result<std::size_t> sweep_abandoned() = 0;
    // Keys that a live writer holds at this moment.
    virtual Result<std::vector<ObjectKey>> being_written() = 0;
};

// What a store is opened with; borrowed while anything lives that was opened with it.
struct StoreContext {
    const Settings& settings;  // with the driver's own options at least
    Log& log;                  // for what is done all the same
    StopToken stop;            // ends waits and transfers, with `interrupted`
};

// A driver: one folder, one constant of this type, one line in app/drivers.cpp. `location` is a
// folder for "file", else a URL of that scheme. Each right is opened alone.
struct StoreDriver {
    std::string_view scheme;
    std::string_view summary;
    std::span<const Option> options;
    // Where the settings want a repository; empty: nowhere.
    std::string (*configured)(const Settings& settings);
    Result<std::unique_ptr<StoreReader>> (*open_reader)(const std::string& location,
                                                        const StoreContext& context);
    Result<std::unique_ptr<StoreAppender>> (*open_appender)(const std::string& location,
                                                            const StoreContext& context);
    Result<std::unique_ptr<StoreEraser>> (*open_eraser)(const std::string& location,
                                                        const StoreContext& context);
    // Whether a backup could be written there, found out without writing: the bytes that still fit,
    // or nullopt where the store has no such limit; an error as the first write would give it.
    Result<std::optional<std::uint64_t>> (*check_writable)(const std::string& location,
                                                           const StoreContext& context);
    // What an operator should know before there is no room any more, as one line; empty: nothing.
    // Null: a store without bounds.
    std::string (*room_warning)(const std::string& location, const Settings& settings) = nullptr;
};

}  // namespace asb
