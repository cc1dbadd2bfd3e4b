#include <isa-l/igzip_lib.h>

#include <algorithm>
#include <thread>

#include "codec/buffer_pool.hpp"
#include "codec/gzip.hpp"
#include "io/ordered_pool.hpp"

namespace asb {
namespace {

constexpr std::size_t kFlagsOffset = 3;  // RFC 1952 2.3
constexpr std::byte kReservedFlags{0xE0};

// ISA-L does not look at the bits that RFC 1952 2.3.1.2 wants refused.
bool has_reserved_flags(Bytes member) {
    return member.size() > kFlagsOffset && (member[kFlagsOffset] & kReservedFlags) != std::byte{0};
}

}  // namespace

Status inflate_member(Bytes member, Buffer& out) {
    out.clear();
    if (has_reserved_flags(member))
        return fail(Code::damaged, "a gzip member has unknown flags in its header");
    inflate_state state;
    isal_inflate_init(&state);
    state.crc_flag = ISAL_GZIP;
    // Not const in its interface, but only read.
    state.next_in = const_cast<unsigned char*>(as_uchar(member.data()));
    state.avail_in = static_cast<std::uint32_t>(member.size());
    state.next_out = as_uchar(out.data());
    state.avail_out = static_cast<std::uint32_t>(out.capacity());
    const int outcome = isal_inflate_stateless(&state);
    if (outcome != ISAL_DECOMP_OK)
        return fail(Code::damaged, "a gzip member does not decompress (ISA-L says {})", outcome);
    if (state.avail_in != 0)
        return fail(Code::damaged, "a gzip member is followed by {} bytes that are not its own",
                    state.avail_in);
    out.resize(state.total_out);
    return {};
}

// The feeder cuts what `source` gives into members; workers inflate; `next` takes in order. What
// goes wrong at the feeder travels through the pool as its last item, and so arrives in order too.
struct GzipMemberSource::State {
    struct Member {
        std::size_t number = 0;
        Result<Buffer> stored;
    };
    State(ByteSource& stored_bytes, std::vector<std::uint32_t> member_sizes, std::size_t threads)
        : source(stored_bytes),
          sizes(std::move(member_sizes)),
          pool(threads, threads + 1, [this](Member member) { return inflate(std::move(member)); }),
          feeder([this] { feed(); }) {}
    ~State() { pool.close(); }
    State(const State&) = delete;
    State& operator=(const State&) = delete;

    ByteSource& source;
    std::vector<std::uint32_t> sizes;
    BufferPool stored_blocks{kMemberStoredBytesMax};
    BufferPool plain_blocks{kMemberPlainBytes};
    Bytes in;  // the feeder's: of the source's last answer, not yet cut
    Buffer lent;
    std::optional<Error> failure;
    OrderedPool<Member, Result<Buffer>> pool;
    std::jthread feeder;  // last: starts when everything else is there, is joined first

    void feed();
    Result<Buffer> cut(std::size_t number);
    Status expect_end();
    Result<Buffer> inflate(Member member);
    Result<Bytes> take();
};

void GzipMemberSource::State::feed() {
    for (std::size_t number = 0; number < sizes.size(); ++number) {
        Member member{number, cut(number)};
        const bool whole = member.stored.ok();
        if (!pool.submit(std::move(member)) || !whole) return pool.finish();
    }
    if (auto ended = expect_end(); !ended.ok())
        pool.submit({sizes.size(), std::move(ended.error())});
    pool.finish();
}

Result<Buffer> GzipMemberSource::State::cut(std::size_t number) {
    const std::size_t size = sizes[number];
    if (size > kMemberStoredBytesMax)
        return fail(Code::damaged, "gzip member {} is said to be {} bytes long; {} is the most",
                    number + 1, size, kMemberStoredBytesMax);
    Buffer member = stored_blocks.take();
    while (member.size() < size) {
        if (in.empty()) {
            ASB_TRY(in, source.next());
        }
        if (in.empty())
            return fail(Code::damaged, "the gzip stream ends inside member {} of {}", number + 1,
                        sizes.size());
        const auto part = in.first(std::min(in.size(), size - member.size()));
        in = in.subspan(member.append(part));
    }
    return member;
}

Status GzipMemberSource::State::expect_end() {
    if (in.empty()) {
        ASB_TRY(in, source.next());
    }
    if (in.empty()) return {};
    return fail(Code::damaged, "the gzip stream goes on after its last member ({})", sizes.size());
}

Result<Buffer> GzipMemberSource::State::inflate(Member member) {
    ASB_TRY(Buffer stored, std::move(member.stored));
    Buffer plain = plain_blocks.take();
    const auto inflated = inflate_member(stored.view(), plain);
    stored_blocks.give(std::move(stored));
    if (!inflated.ok())
        return inflated.error().within(
            fmt::format("member {} of {}", member.number + 1, sizes.size()));
    if (plain.size() != kMemberPlainBytes && member.number + 1 != sizes.size())
        return fail(Code::damaged, "gzip member {} of {} holds {} bytes instead of {}",
                    member.number + 1, sizes.size(), plain.size(), kMemberPlainBytes);
    return plain;
}

Result<Bytes> GzipMemberSource::State::take() {
    plain_blocks.give(std::exchange(lent, Buffer()));
    while (auto plain = pool.take()) {
        ASB_TRY(lent, std::move(*plain));
        // Only the one member of an empty stream is empty; what follows it must still be looked at.
        if (!lent.empty()) return lent.view();
        plain_blocks.give(std::exchange(lent, Buffer()));
    }
    return Bytes{};
}

GzipMemberSource::GzipMemberSource(ByteSource& source, std::vector<std::uint32_t> member_sizes,
                                   std::size_t threads)
    : state_(std::make_unique<State>(source, std::move(member_sizes), threads)) {}

GzipMemberSource::~GzipMemberSource() = default;

Result<Bytes> GzipMemberSource::next() {
    if (state_->failure) return *state_->failure;
    auto bytes = state_->take();
    if (!bytes.ok()) state_->failure = bytes.error();
    return bytes;
}

}  // namespace asb
