#include "io/file_filler.hpp"

#include <optional>
#include <thread>
#include <vector>

#include "base/bounded_queue.hpp"

namespace asb {
namespace {

constexpr std::size_t kBlockBytes = 4 * kMiB;
constexpr std::size_t kBlocks = 2;

// What is aligned goes first, so that only the tail goes through the cache.
Status append_block(DirectFile& file, Bytes block) {
    const auto whole = block.size() - block.size() % kDirectAlignment;
    if (whole != 0) ASB_CHECK(file.append(block.first(whole)));
    return whole == block.size() ? Status() : file.append(block.subspan(whole));
}

}  // namespace

struct FileFiller::State {
    BoundedQueue<Buffer> full{kBlocks};
    BoundedQueue<Buffer> free{kBlocks};
    std::optional<DirectFile> file;  // the thread's while one of the blocks is with it
    Buffer block;                    // being filled
    Mutex mutex;
    Status failed ASB_GUARDED_BY(mutex);
    std::jthread thread;

    State() {
        for (std::size_t i = 0; i < kBlocks; ++i) free.push(Buffer(kBlockBytes));
        block = take_free();
        thread = std::jthread([this] { run(); });
    }
    State(const State&) = delete;
    State& operator=(const State&) = delete;
    ~State() { full.close(); }

    Buffer take_free() {
        auto taken = free.pop();
        ASB_ASSERT(taken.has_value());
        return *std::move(taken);
    }
    void run() {
        while (auto next = full.pop()) {
            auto written = failure().ok() ? append_block(*file, next->view()) : Status();
            if (!written.ok()) {
                const UniqueLock lock(mutex);
                failed = std::move(written);
            }
            next->clear();
            free.push(*std::move(next));
        }
    }
    Status failure() {
        const UniqueLock lock(mutex);
        return failed;
    }
    Status hand_over() {
        full.push(std::move(block));
        block = take_free();
        return failure();
    }
    // Until the thread has nothing: then all blocks but the one being filled are free.
    Status drain() {
        std::vector<Buffer> idle;
        while (idle.size() < kBlocks - 1) idle.push_back(take_free());
        for (auto& buffer : idle) free.push(std::move(buffer));
        return failure();
    }
};

FileFiller::FileFiller() : state_(std::make_unique<State>()) {}
FileFiller::~FileFiller() = default;
FileFiller::FileFiller(FileFiller&&) noexcept = default;
FileFiller& FileFiller::operator=(FileFiller&&) noexcept = default;

void FileFiller::begin(UniqueFd file, std::string path) {
    state_->file.emplace(std::move(file), std::move(path));
}

Status FileFiller::write(Bytes bytes) {
    while (!bytes.empty()) {
        bytes = bytes.subspan(state_->block.append(bytes));
        if (state_->block.room() == 0) ASB_CHECK(state_->hand_over());
    }
    return {};
}

Status FileFiller::end() {
    ASB_CHECK(state_->drain());
    auto written = append_block(*state_->file, state_->block.view());
    state_->block.clear();
    state_->file.reset();
    return written;
}

}  // namespace asb
