// The tar parser on any bytes, in one piece and in small ones: both must see the same entries, and
// what was accepted must come back from our own writer unchanged.

#include <algorithm>

#include "codec/digest.hpp"
#include "codec/tar.hpp"

namespace {

using namespace asb;

// A digest of all that the sink was told.
struct Recorder final : EntrySink {
    Sha256 seen;
    bool open = false;
    std::uint64_t left = 0;
    void text(std::string_view value) {
        seen.update(as_bytes(value));
        seen.update(as_bytes("|"));
    }
    Status begin(const EntryHeader& header) override {
        ASB_ASSERT(!open && header.mode <= 07777);
        ASB_ASSERT(header.size == 0 || header.type == EntryType::file);
        open = true;
        left = header.size;
        text(header.name);
        text(header.link_target);
        text(header.user_name);
        text(header.group_name);
        text(fmt::format("{} {} {} {} {} {} {}", static_cast<int>(header.type), header.size,
                         header.mode, header.uid, header.gid, header.mtime_seconds,
                         header.mtime_nanoseconds));
        [[maybe_unused]] const auto judged = safe_name(header.name);
        return {};
    }
    Status write(Bytes bytes) override {
        ASB_ASSERT(open && bytes.size() <= left);
        left -= bytes.size();
        seen.update(bytes);
        return {};
    }
    Status end() override {
        ASB_ASSERT(open && left == 0);
        open = false;
        return {};
    }
};

struct Memory final : ByteSink {
    std::string data;
    Status write(Bytes bytes) override {
        data += as_text(bytes);
        return {};
    }
    Status finish() override { return {}; }
};

// Hands on what an archive can hold.
struct Rewriter final : EntrySink {
    explicit Rewriter(TarWriter& tar_writer) : writer(tar_writer) {}
    TarWriter& writer;
    bool storable = true;
    bool skipped = false;
    Status begin(const EntryHeader& header) override {
        skipped = !writer.begin(header).ok();
        storable = storable && !skipped;
        return {};
    }
    Status write(Bytes bytes) override { return skipped ? Status{} : writer.write(bytes); }
    Status end() override { return skipped ? Status{} : writer.end(); }
};

Status parse(Bytes bytes, std::size_t piece_bytes, EntrySink& sink) {
    TarParser parser(sink);
    while (!bytes.empty()) {
        const auto piece = bytes.first(std::min(bytes.size(), piece_bytes));
        ASB_CHECK(parser.feed(piece));
        bytes = bytes.subspan(piece.size());
    }
    return parser.finish();
}

void check_rewritten(Bytes bytes, const Digest& expected) {
    Memory memory;
    TarWriter writer(memory);
    Rewriter rewriter(writer);
    ASB_ASSERT(parse(bytes, bytes.size(), rewriter).ok() && writer.finish().ok());
    if (!rewriter.storable) return;
    Recorder again;
    ASB_ASSERT(parse(as_bytes(memory.data), memory.data.size(), again).ok());
    ASB_ASSERT(again.seen.finish() == expected);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const Bytes bytes = std::as_bytes(std::span(data, size));
    Recorder whole, pieces;
    const bool accepted = parse(bytes, std::max<std::size_t>(size, 1), whole).ok();
    ASB_ASSERT(parse(bytes, 61, pieces).ok() == accepted);
    if (!accepted) return 0;
    const auto seen = whole.seen.finish();
    ASB_ASSERT(pieces.seen.finish() == seen);
    check_rewritten(bytes, seen);
    return 0;
}
