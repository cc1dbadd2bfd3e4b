#pragma once
// Why this exists: tests of what S3 and Google Cloud Storage have in common need a store that can
// be made to fail at an exact request, to lose a reply, to lock an object and to turn its clock.
// It keeps what real ones keep: conditional writes, versions, sorted pages, parts that nobody sees
// before the last act.

#include <algorithm>
#include <functional>
#include <iterator>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "base/thread_annotations.hpp"
#include "store/remote/object_client.hpp"

namespace asb::remote::test {

enum class Call { list, look, read, get, put, begin, part, complete, abort, remove, abort_uploads };

enum class FaultKind {
    instead,     // not done, and reported as failed
    afterwards,  // done, and all the same reported as failed: no try got a reply
    reply_lost,  // done; the reply was lost, and the client asks again, as a driver's tries do
};

// The `nth` call (1-based, over all objects) of its sort.
struct Fault {
    Call call = Call::put;
    std::size_t nth = 1;
    FaultKind kind = FaultKind::instead;
    Error error = fail(Code::store, "the store answered 500");
};

// Thread-safe; the settings are made before it is used.
class MemoryClient : public ObjectClient, public std::enable_shared_from_this<MemoryClient> {
  public:
    struct Options {
        std::function<std::size_t(std::size_t number)> part_bytes = [](std::size_t) {
            return std::size_t{kMiB};
        };
        std::size_t parts_at_once = 4;
        std::size_t page_size = 3;
    };
    MemoryClient() : MemoryClient(Options()) {}
    explicit MemoryClient(Options options) : options_(std::move(options)) {}

    // --- what a test does to the store ---

    void fail_at(Fault fault) {
        const UniqueLock lock(mutex_);
        faults_.push_back(std::move(fault));
    }
    // Called at the begin of each call, without the lock; set before other threads use the store.
    void set_hook(std::function<void(Call, const std::string& name)> hook) {
        hook_ = std::move(hook);
    }
    // Removing it is refused from now on.
    void lock_object(const std::string& name) {
        const UniqueLock lock(mutex_);
        locked_.insert(name);
    }
    // As another program would: whatever is there. `age`: how long ago by the store's clock.
    void write_by_hand(const std::string& name, std::string_view text,
                       std::chrono::milliseconds age = {}) {
        const UniqueLock lock(mutex_);
        store(name, as_bytes(text), "");
        objects_[name].modified -= age;
    }
    void turn_clock(std::chrono::milliseconds by) {
        const UniqueLock lock(mutex_);
        ahead_ += by;
    }

    // --- what a test asks of it ---

    [[nodiscard]] std::vector<std::string> names() {
        const UniqueLock lock(mutex_);
        std::vector<std::string> names;
        for (const auto& [name, object] : objects_) names.push_back(name);
        return names;
    }
    [[nodiscard]] std::string text(const std::string& name) {
        const UniqueLock lock(mutex_);
        const auto found = objects_.find(name);
        return found == objects_.end() ? "<none>" : std::string(as_text(found->second.bytes));
    }
    [[nodiscard]] bool is_lease(const std::string& name) {
        const UniqueLock lock(mutex_);
        return objects_.at(name).kind == WriteOptions::Kind::lease;
    }
    [[nodiscard]] std::size_t calls(Call call) {
        const UniqueLock lock(mutex_);
        return calls_[call];
    }
    [[nodiscard]] std::size_t uploads() {
        const UniqueLock lock(mutex_);
        return uploads_.size();
    }
    // (number, size, is_last) of each part as it came in.
    struct PartSeen {
        std::size_t number = 0;
        std::size_t size = 0;
        bool is_last = false;
        friend auto operator<=>(const PartSeen&, const PartSeen&) = default;
    };
    [[nodiscard]] std::vector<PartSeen> parts_seen() {
        const UniqueLock lock(mutex_);
        auto parts = parts_seen_;
        std::sort(parts.begin(), parts.end());
        return parts;
    }
    // The most parts that were under way at once.
    [[nodiscard]] std::size_t parts_under_way_max() {
        const UniqueLock lock(mutex_);
        return under_way_max_;
    }

    // --- the store ---

    Result<Page> list(std::string_view prefix, const std::string& next) override {
        return run(Call::list, std::string(prefix), [&] { return page(prefix, next); });
    }
    Result<std::optional<Found>> look(const std::string& name) override {
        return run(Call::look, name, [&] { return look_now(name); });
    }
    Status read(const std::string& name, const std::string& version, std::uint64_t offset,
                MutableBytes out) override {
        return run(Call::read, name, [&] { return read_now(name, version, offset, out); });
    }
    Result<std::string> get(const std::string& name, std::size_t bytes_max) override {
        return run(Call::get, name, [&] { return get_now(name, bytes_max); });
    }
    Status put(const std::string& name, Bytes bytes, const WriteOptions& options) override {
        return run(Call::put, name, [&] { return write(name, bytes, options); });
    }
    Result<std::unique_ptr<PartUpload>> begin_upload(const std::string& name,
                                                     const WriteOptions& options) override {
        ASB_TRY(const auto id, run(Call::begin, name, [&] { return begin_now(name, options); }));
        return std::unique_ptr<PartUpload>(std::make_unique<Upload>(shared_from_this(), id, name));
    }
    [[nodiscard]] std::size_t part_bytes(std::size_t number) const override {
        return options_.part_bytes(number);
    }
    [[nodiscard]] std::size_t parts_at_once() const override { return options_.parts_at_once; }
    Result<std::vector<std::string>> remove(const std::vector<std::string>& names,
                                            bool /*despite_stop*/) override {
        return run(Call::remove, names.front(), [&] { return remove_now(names); });
    }
    Result<std::size_t> abort_uploads(Instant before) override {
        return run(Call::abort_uploads, "", [&] { return abort_before(before); });
    }
    [[nodiscard]] Instant store_time() const override {
        const UniqueLock lock(mutex_);
        return clock();
    }
    [[nodiscard]] std::string place() const override { return "memory://bucket/prefix"; }

  private:
    struct Object {
        std::vector<std::byte> bytes;
        Instant modified;
        std::string version;
        std::string mark;
        WriteOptions::Kind kind = WriteOptions::Kind::data;
    };
    struct Open {
        std::string name;
        WriteOptions options;
        Instant began;
        std::map<std::size_t, std::vector<std::byte>> parts;
    };

    class Upload : public PartUpload {
      public:
        Upload(std::shared_ptr<MemoryClient> client, std::uint64_t id, std::string name)
            : client_(std::move(client)), id_(id), name_(std::move(name)) {}
        ~Upload() override { client_->forget(id_); }
        Upload(const Upload&) = delete;
        Upload& operator=(const Upload&) = delete;

        Status put_part(std::size_t number, Bytes bytes, bool is_last) override {
            const UnderWay under_way(*client_);
            return client_->run(Call::part, name_,
                                [&] { return client_->keep_part(id_, number, bytes, is_last); });
        }
        Status complete(std::size_t parts, std::uint64_t size) override {
            return client_->run(Call::complete, name_,
                                [&] { return client_->complete_now(id_, last_, parts, size); });
        }
        void abort() override {
            static_cast<void>(client_->run(Call::abort, name_, [&]() -> Status {
                client_->uploads_.erase(id_);
                return {};
            }));
        }

      private:
        const std::shared_ptr<MemoryClient> client_;
        const std::uint64_t id_;
        const std::string name_;
        std::optional<Open> last_;  // for a second try of complete
    };
    friend class Upload;

    class UnderWay {
      public:
        explicit UnderWay(MemoryClient& client) : client_(client) {
            const UniqueLock lock(client_.mutex_);
            client_.under_way_max_ = std::max(client_.under_way_max_, ++client_.under_way_);
        }
        ~UnderWay() {
            const UniqueLock lock(client_.mutex_);
            --client_.under_way_;
        }
        UnderWay(const UnderWay&) = delete;
        UnderWay& operator=(const UnderWay&) = delete;

      private:
        MemoryClient& client_;
    };

    template <typename Work>
    auto run(Call call, const std::string& name, Work work) -> decltype(work()) {
        if (hook_) hook_(call, name);
        const UniqueLock lock(mutex_);
        const auto nth = ++calls_[call];
        const auto fault = std::find_if(faults_.begin(), faults_.end(), [&](const Fault& each) {
            return each.call == call && each.nth == nth;
        });
        if (fault == faults_.end()) return work();
        if (fault->kind == FaultKind::instead) return fault->error;
        static_cast<void>(work());
        if (fault->kind == FaultKind::afterwards) return fault->error;
        return work();
    }

    [[nodiscard]] Instant clock() const { return now() + ahead_; }

    void store(const std::string& name, Bytes bytes, const std::string& mark) {
        objects_[name] = {.bytes = {bytes.begin(), bytes.end()},
                          .modified = clock(),
                          .version = fmt::format("v{}", ++versions_),
                          .mark = mark};
    }
    [[nodiscard]] Found found(const std::string& name, const Object& object) const {
        return {.name = name,
                .size = object.bytes.size(),
                .modified = object.modified,
                .version = object.version};
    }

    Result<Page> page(std::string_view prefix, const std::string& next) {
        Page page;
        auto at = objects_.lower_bound(std::max(std::string(prefix), next));
        for (; at != objects_.end() && at->first.starts_with(prefix); ++at) {
            if (page.found.size() == options_.page_size) {
                page.next = at->first;
                break;
            }
            page.found.push_back(found(at->first, at->second));
        }
        return page;
    }
    Result<std::optional<Found>> look_now(const std::string& name) {
        const auto at = objects_.find(name);
        if (at == objects_.end()) return std::optional<Found>();
        auto seen = found(name, at->second);
        seen.mark = at->second.mark;
        return std::optional(std::move(seen));
    }
    Status read_now(const std::string& name, const std::string& version, std::uint64_t offset,
                    MutableBytes out) {
        const auto at = objects_.find(name);
        if (at == objects_.end() || (!version.empty() && version != at->second.version))
            return fail(Code::not_found, "no such version");
        const Bytes bytes(at->second.bytes);
        if (offset > bytes.size() || out.size() > bytes.size() - offset)
            return fail(Code::damaged, "the store answered 416");
        std::copy_n(bytes.begin() + static_cast<std::ptrdiff_t>(offset), out.size(), out.begin());
        return {};
    }
    Result<std::string> get_now(const std::string& name, std::size_t bytes_max) {
        const auto at = objects_.find(name);
        if (at == objects_.end()) return fail(Code::not_found, "no such object");
        if (at->second.bytes.size() > bytes_max) return fail(Code::damaged, "too large");
        return std::string(as_text(at->second.bytes));
    }
    Status write(const std::string& name, Bytes bytes, const WriteOptions& options) {
        const auto at = objects_.find(name);
        if (options.once && at != objects_.end()) {
            if (!options.mark.empty() && options.mark == at->second.mark) return {};
            return fail(Code::busy, "the store answered 412");
        }
        store(name, bytes, options.mark);
        objects_[name].kind = options.kind;
        return {};
    }
    Result<std::uint64_t> begin_now(const std::string& name, const WriteOptions& options) {
        const auto id = ++versions_;
        uploads_[id] = {.name = name, .options = options, .began = clock(), .parts = {}};
        return id;
    }
    Status keep_part(std::uint64_t id, std::size_t number, Bytes bytes, bool is_last) {
        const auto at = uploads_.find(id);
        if (at == uploads_.end()) return fail(Code::store, "no such upload");
        if (!is_last && bytes.size() != part_bytes(number))
            return fail(Code::store, "part {} has {} bytes", number, bytes.size());
        at->second.parts[number] = {bytes.begin(), bytes.end()};
        parts_seen_.push_back({.number = number, .size = bytes.size(), .is_last = is_last});
        return {};
    }
    Status complete_now(std::uint64_t id, std::optional<Open>& last, std::size_t parts,
                        std::uint64_t size) {
        const auto at = uploads_.find(id);
        if (at != uploads_.end()) last = std::move(at->second);
        if (!last) return fail(Code::store, "no such upload");
        uploads_.erase(id);
        std::vector<std::byte> bytes;
        for (std::size_t i = 0; i < parts; ++i) {
            if (!last->parts.contains(i)) return fail(Code::store, "part {} is missing", i);
            bytes.insert(bytes.end(), last->parts[i].begin(), last->parts[i].end());
        }
        if (bytes.size() != size) return fail(Code::damaged, "{} bytes", bytes.size());
        return write(last->name, bytes, last->options);
    }
    void forget(std::uint64_t id) {
        const UniqueLock lock(mutex_);
        uploads_.erase(id);
    }
    Result<std::vector<std::string>> remove_now(const std::vector<std::string>& names) {
        std::vector<std::string> kept;
        for (const auto& name : names) {
            if (locked_.contains(name) && objects_.contains(name))
                kept.push_back(name);
            else
                objects_.erase(name);
        }
        return kept;
    }
    Result<std::size_t> abort_before(Instant before) {
        return std::erase_if(uploads_,
                             [&](const auto& open) { return open.second.began < before; });
    }

    const Options options_;
    std::function<void(Call, const std::string&)> hook_;
    // Not annotated: what runs inside `run` is a lambda, which clang's analysis does not follow.
    mutable Mutex mutex_;
    std::map<std::string, Object> objects_;
    std::map<std::uint64_t, Open> uploads_;
    std::set<std::string> locked_;
    std::vector<Fault> faults_;
    std::map<Call, std::size_t> calls_;
    std::vector<PartSeen> parts_seen_;
    std::size_t under_way_ = 0;
    std::size_t under_way_max_ = 0;
    std::uint64_t versions_ = 0;
    std::chrono::milliseconds ahead_{0};
};

// "0:100", "1:20 last", for expectations.
inline std::vector<std::string> parts_text(const std::vector<MemoryClient::PartSeen>& parts) {
    std::vector<std::string> texts;
    texts.reserve(parts.size());
    for (const auto& part : parts)
        texts.push_back(
            fmt::format("{}:{}{}", part.number, part.size, part.is_last ? " last" : ""));
    return texts;
}

}  // namespace asb::remote::test
