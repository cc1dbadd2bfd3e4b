#pragma once
// Why this exists: what the tests of this room share: ends of a byte path in memory, bytes that can
// be made again from a seed, a folder that goes away, and stock tools to compare with.

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/wait.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <random>
#include <string>
#include <vector>

#include "codec/tar.hpp"
#include "io/byte_stream.hpp"

namespace asb::test {

using Data = std::vector<std::byte>;

inline Data data_of(std::string_view text) {
    const auto bytes = as_bytes(text);
    return {bytes.begin(), bytes.end()};
}

// Does not compress.
inline Data random_data(std::size_t size, std::uint64_t seed = 1) {
    std::mt19937_64 generator(seed);
    Data data((size + 7) / 8 * 8);
    for (std::size_t i = 0; i < data.size(); i += 8) {
        const std::uint64_t value = generator();
        std::memcpy(data.data() + i, &value, sizeof value);
    }
    data.resize(size);
    return data;
}

// Compresses like database pages do: runs of zeros, repeated words, some noise.
inline Data page_like_data(std::size_t size, std::uint64_t seed = 1) {
    Data data = random_data(size, seed);
    for (std::size_t i = 0; i < size; ++i)
        if (i % 64 >= 16) data[i] = static_cast<std::byte>(i % 64 < 40 ? 'a' + i % 7 : 0);
    return data;
}

// Keeps all that is written.
struct MemorySink final : ByteSink {
    Data data;
    std::vector<std::size_t> writes;
    bool finished = false;
    Status write(Bytes bytes) override {
        data.insert(data.end(), bytes.begin(), bytes.end());
        writes.push_back(bytes.size());
        return {};
    }
    Status finish() override {
        finished = true;
        return {};
    }
};

// Takes `good_writes` writes, then fails each one with "the disk is full".
struct FailingSink final : ByteSink {
    explicit FailingSink(std::size_t writes) : good_writes(writes) {}
    std::size_t good_writes;
    Status write(Bytes) override {
        if (good_writes == 0) return fail(Code::space, "the disk is full");
        --good_writes;
        return {};
    }
    Status finish() override { return {}; }
};

// Gives `data` in spans of at most `span_bytes`.
struct MemorySource final : ByteSource {
    MemorySource(Bytes data, std::size_t span_bytes) : rest(data), span_bytes_max(span_bytes) {}
    Bytes rest;
    std::size_t span_bytes_max;
    Result<Bytes> next() override {
        const auto span = rest.first(std::min(rest.size(), span_bytes_max));
        rest = rest.subspan(span.size());
        return span;
    }
};

// Fails once `data` is used up.
struct FailingSource final : ByteSource {
    explicit FailingSource(Bytes data) : rest(data) {}
    Bytes rest;
    Result<Bytes> next() override {
        if (rest.empty()) return fail(Code::store, "the connection was lost");
        return std::exchange(rest, Bytes{});
    }
};

// All that `source` gives, or its error; asks once more at the end, which must again be empty.
inline Result<Data> read_all(ByteSource& source) {
    Data data;
    while (true) {
        ASB_TRY(const auto bytes, source.next());
        if (bytes.empty()) break;
        data.insert(data.end(), bytes.begin(), bytes.end());
    }
    ASB_TRY(const auto after, source.next());
    EXPECT_TRUE(after.empty());
    return data;
}

inline Status write_in_pieces(ByteSink& sink, Bytes data, std::size_t piece_bytes) {
    while (!data.empty()) {
        const auto piece = data.first(std::min(data.size(), piece_bytes));
        ASB_CHECK(sink.write(piece));
        data = data.subspan(piece.size());
    }
    return sink.finish();
}

struct StoredEntry {
    EntryHeader header;
    std::string data;
};

// Keeps all entries; checks the order of the calls.
struct EntryList final : EntrySink {
    std::vector<StoredEntry> entries;
    bool open = false;
    Status begin(const EntryHeader& header) override {
        EXPECT_FALSE(open);
        open = true;
        entries.push_back({header, ""});
        return {};
    }
    Status write(Bytes bytes) override {
        EXPECT_TRUE(open);
        entries.back().data += as_text(bytes);
        return {};
    }
    Status end() override {
        EXPECT_TRUE(open);
        open = false;
        EXPECT_EQ(entries.back().data.size(), entries.back().header.size);
        return {};
    }
};

// A folder of its own for one test, removed with all that is in it.
class TempFolder {
  public:
    TempFolder() {
        const char* base = std::getenv("TMPDIR");
        path_ = std::string(base != nullptr ? base : "/tmp") + "/asb-codec-XXXXXX";
        EXPECT_NE(mkdtemp(path_.data()), nullptr);
    }
    ~TempFolder() { std::filesystem::remove_all(path_); }
    TempFolder(const TempFolder&) = delete;
    TempFolder& operator=(const TempFolder&) = delete;
    [[nodiscard]] std::string operator/(std::string_view name) const {
        return path_ + "/" + std::string(name);
    }
    [[nodiscard]] const std::string& path() const { return path_; }

  private:
    std::string path_;
};

inline void write_file(const std::string& path, Bytes data) {
    std::ofstream file(path, std::ios::binary);
    file << as_text(data);
    ASSERT_TRUE(file.good());
}

// What a stock tool prints, run by the shell in the C locale; the test fails when the tool does.
inline std::string run_tool(const std::string& command) {
    std::string output;
    FILE* pipe = popen(("export LC_ALL=C; " + command).c_str(), "r");  // NOLINT(cert-env33-c)
    if (pipe == nullptr) {
        ADD_FAILURE() << "cannot run " << command;
        return output;
    }
    char block[65536];
    while (const auto count = fread(block, 1, sizeof block, pipe)) output.append(block, count);
    const int status = pclose(pipe);
    EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << command;
    return output;
}

MATCHER_P2(FailsWith, code, text, "") {
    if (arg.ok()) {
        *result_listener << "it succeeded";
        return false;
    }
    *result_listener << code_name(arg.error().code) << ": " << arg.error().fact;
    return arg.error().code == code && arg.error().fact.find(text) != std::string::npos;
}
MATCHER(Succeeds, "") {
    if (arg.ok()) return true;
    *result_listener << arg.error().fact;
    return false;
}

}  // namespace asb::test
