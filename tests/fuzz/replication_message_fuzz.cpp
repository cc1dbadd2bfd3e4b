// Any bytes as a CopyData message: of a base backup, of a WAL stream, and through the intake that
// takes archives apart. Each byte 0xff in the input ends a message.

#include "engine/postgres/archive_intake.hpp"
#include "engine/postgres/wal_segments.hpp"

namespace {

using namespace asb;

// Takes what it is told as long as it is told in order.
struct StrictSink final : EntrySink {
    bool open = false;
    std::uint64_t left = 0;
    Status begin(const EntryHeader& header) override {
        ASB_ASSERT(!open && safe_name(header.name).ok());
        ASB_ASSERT(header.name.starts_with("postgresql/"));
        open = true;
        left = header.size;
        return {};
    }
    Status write(Bytes bytes) override {
        ASB_ASSERT(open && bytes.size() <= left);
        left -= bytes.size();
        return {};
    }
    Status end() override {
        ASB_ASSERT(open && left == 0);
        open = false;
        return {};
    }
};

// A view that a message gives out must lie within the message.
void expect_within(Bytes part, Bytes whole) {
    ASB_ASSERT(part.empty() || (part.data() >= whole.data() &&
                                part.data() + part.size() <= whole.data() + whole.size()));
}

void take_backup_messages(const std::vector<Bytes>& messages) {
    StrictSink sink;
    Progress progress;
    ArchiveIntake intake(sink, progress);
    for (const Bytes message : messages) {
        const auto parsed = parse_backup_message(message);
        if (!parsed.ok()) return;
        if (const auto* data = std::get_if<ArchiveData>(&parsed.value()))
            expect_within(data->bytes, message);
        if (!intake.take(parsed.value()).ok()) return;
    }
    [[maybe_unused]] const auto finished = intake.finish();
}

void take_wal_messages(const std::vector<Bytes>& messages) {
    constexpr std::uint64_t kSegment = 64;  // not a real size, so that a few bytes cross a boundary
    StrictSink sink;
    WalSegments segments(
        sink,
        {.timeline = 1, .start = Lsn{0}, .end = Lsn{kSegment * 2 + 7}, .segment_bytes = kSegment},
        [](std::string name, std::uint64_t size) {
            return EntryHeader{.name = std::move(name), .size = size};
        });
    for (const Bytes message : messages) {
        const auto parsed = parse_replication_message(message);
        if (!parsed.ok()) return;
        if (const auto* wal = std::get_if<WalData>(&parsed.value())) {
            expect_within(wal->bytes, message);
            if (!segments.take(*wal).ok()) return;
        }
    }
    if (segments.complete()) ASB_ASSERT(segments.finish().ok());
}

std::vector<Bytes> cut(Bytes input) {
    std::vector<Bytes> messages;
    std::size_t begin = 0;
    for (std::size_t i = 0; i <= input.size(); ++i) {
        if (i < input.size() && input[i] != std::byte{0xff}) continue;
        messages.push_back(input.subspan(begin, i - begin));
        begin = i + 1;
    }
    return messages;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::vector<Bytes> messages = cut(std::as_bytes(std::span(data, size)));
    take_backup_messages(messages);
    take_wal_messages(messages);
    return 0;
}
