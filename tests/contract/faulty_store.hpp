#pragma once
// Why this exists: full disks, I/O errors and short transfers at an exact call, for tests of
// whatever stands above a store. The decorators wrap any real store and pass everything else
// through.

#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/thread_annotations.hpp"
#include "store/store.hpp"

namespace asb::contract {

enum class FaultCall { create, append, commit, list, open, read_at };

enum class FaultKind {
    instead,    // the call fails before it does anything
    halfway,    // append and read_at do half of their bytes first; the others as `instead`
    afterwards  // the call is done in full, and then reported as failed, as when a reply is lost
};

// The `nth` call (1-based, over all objects) of its sort fails with `error`.
struct Fault {
    FaultCall call = FaultCall::append;
    std::size_t nth = 1;
    Error error = {};
    FaultKind kind = FaultKind::instead;
};

inline Error no_space() {
    return fail(Code::space, "cannot write: No space left on device");
}
inline Error io_error() {
    return fail(Code::store, "cannot write: Input/output error");
}
inline Error short_transfer() {
    return fail(Code::damaged, "ends too early");
}

// Which faults are to come, shared by the decorators of one test. Thread-safe.
class FaultScript {
  public:
    explicit FaultScript(std::vector<Fault> faults) : faults_(std::move(faults)) {}

    // Counts one call; the fault that it must have, or null.
    const Fault* next(FaultCall call) ASB_EXCLUDES(mutex_) {
        const UniqueLock lock(mutex_);
        const std::size_t number = ++calls_[call];
        for (const auto& fault : faults_)
            if (fault.call == call && fault.nth == number) return &fault;
        return nullptr;
    }
    std::size_t calls(FaultCall call) ASB_EXCLUDES(mutex_) {
        const UniqueLock lock(mutex_);
        return calls_[call];
    }

    // Runs `work` as the script wants it; `half` does the first half of its bytes.
    template <typename Work, typename Half>
    auto run(FaultCall call, Work work, Half half) -> decltype(work()) {
        const Fault* fault = next(call);
        if (fault == nullptr) return work();
        if (fault->kind == FaultKind::halfway) half();
        if (fault->kind == FaultKind::afterwards) static_cast<void>(work());
        return fault->error;
    }
    template <typename Work>
    auto run(FaultCall call, Work work) -> decltype(work()) {
        return run(call, std::move(work), [] {});
    }

  private:
    const std::vector<Fault> faults_;
    Mutex mutex_;
    std::map<FaultCall, std::size_t> calls_ ASB_GUARDED_BY(mutex_);
};

class FaultyWriter : public ObjectWriter {
  public:
    FaultyWriter(std::unique_ptr<ObjectWriter> real, std::shared_ptr<FaultScript> script)
        : real_(std::move(real)), script_(std::move(script)) {}

    Status append(Bytes bytes) override {
        return script_->run(
            FaultCall::append, [&] { return real_->append(bytes); },
            [&] { static_cast<void>(real_->append(bytes.first(bytes.size() / 2))); });
    }
    Status commit() override {
        return script_->run(FaultCall::commit, [&] { return real_->commit(); });
    }

  private:
    std::unique_ptr<ObjectWriter> real_;
    std::shared_ptr<FaultScript> script_;
};

class FaultyAppender : public StoreAppender {
  public:
    FaultyAppender(std::unique_ptr<StoreAppender> real, std::shared_ptr<FaultScript> script)
        : real_(std::move(real)), script_(std::move(script)) {}

    Result<std::unique_ptr<ObjectWriter>> create(const ObjectKey& key) override {
        return script_->run(FaultCall::create, [&]() -> Result<std::unique_ptr<ObjectWriter>> {
            ASB_TRY(auto writer, real_->create(key));
            return std::unique_ptr<ObjectWriter>(
                std::make_unique<FaultyWriter>(std::move(writer), script_));
        });
    }
    Result<std::optional<std::uint64_t>> free_space() override { return real_->free_space(); }

  private:
    std::unique_ptr<StoreAppender> real_;
    std::shared_ptr<FaultScript> script_;
};

class FaultyObject : public StoredObject {
  public:
    FaultyObject(std::unique_ptr<StoredObject> real, std::shared_ptr<FaultScript> script)
        : real_(std::move(real)), script_(std::move(script)) {}

    [[nodiscard]] std::uint64_t size() const override { return real_->size(); }
    Status read_at(std::uint64_t offset, MutableBytes out) override {
        return script_->run(
            FaultCall::read_at, [&] { return real_->read_at(offset, out); },
            [&] { static_cast<void>(real_->read_at(offset, out.first(out.size() / 2))); });
    }

  private:
    std::unique_ptr<StoredObject> real_;
    std::shared_ptr<FaultScript> script_;
};

class FaultyReader : public StoreReader {
  public:
    FaultyReader(std::unique_ptr<StoreReader> real, std::shared_ptr<FaultScript> script)
        : real_(std::move(real)), script_(std::move(script)) {}

    Result<std::vector<ObjectInfo>> list(std::string_view prefix) override {
        return script_->run(FaultCall::list, [&] { return real_->list(prefix); });
    }
    Result<std::unique_ptr<StoredObject>> open(const ObjectKey& key) override {
        return script_->run(FaultCall::open, [&]() -> Result<std::unique_ptr<StoredObject>> {
            ASB_TRY(auto object, real_->open(key));
            return std::unique_ptr<StoredObject>(
                std::make_unique<FaultyObject>(std::move(object), script_));
        });
    }
    [[nodiscard]] std::string place() const override { return real_->place(); }

  private:
    std::unique_ptr<StoreReader> real_;
    std::shared_ptr<FaultScript> script_;
};

}  // namespace asb::contract
