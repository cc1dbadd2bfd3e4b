#include <isa-l/igzip_lib.h>

#include <algorithm>
#include <thread>

#include "codec/buffer_pool.hpp"
#include "codec/first_error.hpp"
#include "codec/gzip.hpp"
#include "io/ordered_pool.hpp"

namespace asb {
namespace {

constexpr std::array<std::uint32_t, 4> kLevelBufferBytes = {
    ISAL_DEF_LVL0_DEFAULT, ISAL_DEF_LVL1_DEFAULT, ISAL_DEF_LVL2_DEFAULT, ISAL_DEF_LVL3_DEFAULT};

// ISA-L's state for one level; about 400 KiB, so each worker thread keeps its own and reuses it.
class Deflater {
  public:
    explicit Deflater(int level)
        : level_(static_cast<std::uint32_t>(level)), level_buffer_(kLevelBufferBytes.at(level_)) {}

    [[nodiscard]] std::uint32_t level() const { return level_; }

    // One gzip member of `plain` into the empty `out`. What does not shrink is stored, so that a
    // capacity of kMemberStoredBytesMax always suffices.
    void deflate(Bytes plain, Buffer& out) {
        isal_deflate_stateless_init(&stream_);
        stream_.level = level_;
        stream_.level_buf = as_uchar(level_buffer_.data());
        stream_.level_buf_size = static_cast<std::uint32_t>(level_buffer_.capacity());
        stream_.gzip_flag = IGZIP_GZIP;
        stream_.end_of_stream = 1;
        stream_.flush = NO_FLUSH;
        // Not const in its interface, but only read.
        stream_.next_in = const_cast<unsigned char*>(as_uchar(plain.data()));
        stream_.avail_in = static_cast<std::uint32_t>(plain.size());
        stream_.next_out = as_uchar(out.data());
        stream_.avail_out = static_cast<std::uint32_t>(out.capacity());
        ASB_ASSERT(isal_deflate_stateless(&stream_) == COMP_OK && stream_.avail_in == 0);
        out.resize(stream_.total_out);
    }

  private:
    std::uint32_t level_;
    Buffer level_buffer_;
    isal_zstream stream_;
};

Deflater& deflater_of_this_thread(int level) {
    thread_local std::unique_ptr<Deflater> deflater;
    if (!deflater || deflater->level() != static_cast<std::uint32_t>(level))
        deflater = std::make_unique<Deflater>(level);
    // The analyzer ends a thread_local's life with the function; it ends with the thread.
    return *deflater;  // NOLINT(clang-analyzer-cplusplus.NewDelete)
}

}  // namespace

// The caller fills a block; workers compress; the emitter passes members on in order.
struct GzipMemberSink::State {
    State(ByteSink& next_sink, Options chosen)
        : next(next_sink),
          options(chosen),
          pool(options.threads, options.threads + 1,
               [this](Buffer plain) { return compress(std::move(plain)); }),
          emitter([this] { emit(); }) {}
    ~State() { pool.close(); }
    State(const State&) = delete;
    State& operator=(const State&) = delete;

    ByteSink& next;
    Options options;
    BufferPool plain_blocks{kMemberPlainBytes};
    BufferPool stored_blocks{kMemberStoredBytesMax};
    FirstError failure;
    std::vector<std::uint32_t> sizes;  // the emitter's until it has ended
    Buffer filling;
    bool begun = false;  // whether any member was submitted
    OrderedPool<Buffer, Buffer> pool;
    std::jthread emitter;  // last: starts when everything else is there, is joined first

    Buffer compress(Buffer plain);
    void emit();
    Status submit();
};

Buffer GzipMemberSink::State::compress(Buffer plain) {
    Buffer member = stored_blocks.take();
    deflater_of_this_thread(options.level).deflate(plain.view(), member);
    plain_blocks.give(std::move(plain));
    return member;
}

void GzipMemberSink::State::emit() {
    while (auto member = pool.take()) {
        if (auto written = next.write(member->view()); !written.ok()) {
            failure.set(std::move(written.error()));
            pool.close();
            return;
        }
        sizes.push_back(static_cast<std::uint32_t>(member->size()));
        stored_blocks.give(std::move(*member));
    }
}

Status GzipMemberSink::State::submit() {
    begun = true;
    if (!pool.submit(std::exchange(filling, Buffer()))) return failure.check();
    return {};
}

GzipMemberSink::GzipMemberSink(ByteSink& next, Options options)
    : state_(std::make_unique<State>(next, options)) {}

GzipMemberSink::~GzipMemberSink() = default;

Status GzipMemberSink::write(Bytes bytes) {
    ASB_CHECK(state_->failure.check());
    while (!bytes.empty()) {
        if (state_->filling.capacity() == 0) state_->filling = state_->plain_blocks.take();
        bytes = bytes.subspan(state_->filling.append(bytes));
        if (state_->filling.room() == 0) ASB_CHECK(state_->submit());
    }
    return {};
}

Status GzipMemberSink::finish() {
    // No bytes at all still make one (empty) member: an empty file is no gzip stream.
    if (!state_->filling.empty() || !state_->begun) ASB_CHECK(state_->submit());
    state_->pool.finish();
    state_->emitter.join();
    ASB_CHECK(state_->failure.check());
    return state_->next.finish();
}

const std::vector<std::uint32_t>& GzipMemberSink::member_sizes() const {
    return state_->sizes;
}

}  // namespace asb
