#include <zlib.h>

#include "codec/gzip.hpp"

namespace asb {
namespace {

constexpr std::size_t kOutBytes = 256 * kKiB;
constexpr int kGzipWindowBits = 15 + 16;  // zlib.h: the largest window, gzip framing only

Error damaged_stream(std::string_view what) {
    return fail(Code::damaged, "the gzip stream is damaged: {}", what);
}

}  // namespace

struct GzipStreamSource::State {
    explicit State(ByteSource& stored_bytes) : source(stored_bytes) {
        ASB_ASSERT(inflateInit2(&stream, kGzipWindowBits) == Z_OK);
    }
    ~State() { inflateEnd(&stream); }
    State(const State&) = delete;
    State& operator=(const State&) = delete;

    ByteSource& source;
    z_stream stream{};
    Buffer out{kOutBytes};
    Bytes in;                   // of the source's last answer, not yet given to zlib
    bool inside_member = true;  // an empty input is no gzip stream
    bool more_inside = false;   // zlib may hold output that did not fit into `out`
    bool ended = false;

    Status refill();
    Status inflate_some();
};

// Gives zlib more input when it has none; sets `ended` at a clean end of the source.
Status GzipStreamSource::State::refill() {
    if (stream.avail_in != 0 || more_inside) return {};
    if (in.empty()) {
        ASB_TRY(in, source.next());
    }
    if (in.empty()) {
        if (inside_member) return damaged_stream("it ends inside a member");
        ended = true;
        return {};
    }
    const auto piece = in.first(in.size() < kGiB ? in.size() : kGiB);     // zlib counts in an uInt
    stream.next_in = const_cast<unsigned char*>(as_uchar(piece.data()));  // only read
    stream.avail_in = static_cast<uInt>(piece.size());
    in = in.subspan(piece.size());
    return {};
}

Status GzipStreamSource::State::inflate_some() {
    if (!inside_member) ASB_ASSERT(inflateReset(&stream) == Z_OK);
    stream.next_out = as_uchar(out.data());
    stream.avail_out = static_cast<uInt>(out.capacity());
    const int outcome = inflate(&stream, Z_NO_FLUSH);
    const bool nothing_to_do = outcome == Z_BUF_ERROR && stream.avail_in == 0;
    if (outcome != Z_OK && outcome != Z_STREAM_END && !nothing_to_do)
        return damaged_stream(stream.msg != nullptr ? stream.msg : "no message");
    inside_member = outcome != Z_STREAM_END;
    more_inside = inside_member && stream.avail_out == 0;
    out.resize(out.capacity() - stream.avail_out);
    return {};
}

GzipStreamSource::GzipStreamSource(ByteSource& source) : state_(std::make_unique<State>(source)) {}

GzipStreamSource::~GzipStreamSource() = default;

Result<Bytes> GzipStreamSource::next() {
    while (!state_->ended) {
        ASB_CHECK(state_->refill());
        if (state_->ended) break;
        ASB_CHECK(state_->inflate_some());
        if (!state_->out.empty()) return state_->out.view();
    }
    return Bytes{};
}

}  // namespace asb
