#include "engine/postgres/only_toc.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <filesystem>
#include <optional>

#include "base/text.hpp"
#include "io/file.hpp"

namespace asb::postgres {
namespace {

constexpr std::string_view kMagic = "PGDMP";
constexpr int kMinorMin = 14;          // 12
constexpr int kMinorCompression = 15;  // 16: an algorithm in place of a level
constexpr int kMinorMax = 16;          // 17 and 18: the kind of relation
constexpr int kCustomFormat = 1;
constexpr int kIntBytesMax = 8;
// A definition (a function's body) may be large, an entry's name not.
constexpr std::uint64_t kTextBytesMax = 256 * kMiB;
constexpr std::size_t kTextKept = 64 * kKiB;
constexpr std::size_t kDefinitionKept = 32;
constexpr int kEntriesMax = 50'000'000;  // of about 100 bytes each in memory

// Reads the primitive items. After the first failure everything reads as 0 and empty.
class TocReader {
  public:
    TocReader(UniqueFd fd, std::string path) : fd_(std::move(fd)), path_(std::move(path)) {}

    int byte() {
        if (at_ == filled_ && !refill()) return 0;
        ++offset_;
        return static_cast<int>(static_cast<unsigned char>(block_[at_++]));
    }

    // A sign byte, then `int_bytes_` bytes, the least one first.
    long long number() {
        const int sign = byte();
        unsigned long long value = 0;
        for (int i = 0; i < int_bytes_; ++i)
            value |= static_cast<unsigned long long>(byte()) << (8 * i);
        const auto bounded = static_cast<long long>(value & 0x7FFFFFFFU);
        if (bounded != static_cast<long long>(value)) fail_with("a number that is none");
        return sign != 0 ? -bounded : bounded;
    }

    // A length, -1 for no text at all, then the bytes; at most `kept` of them are.
    std::optional<std::string> text(std::size_t kept = kTextKept) {
        const auto length = number();
        if (length < 0) return std::nullopt;
        if (static_cast<std::uint64_t>(length) > kTextBytesMax)
            fail_with("a text that is too long");
        std::string value;
        for (long long i = 0; i < length && !error_; ++i) {
            const char c = static_cast<char>(byte());
            if (value.size() < kept) value.push_back(c);
        }
        return value;
    }

    void skip(int bytes) {
        for (int i = 0; i < bytes; ++i) byte();
    }
    void fail_with(std::string_view why) {
        if (!error_)
            error_ = fail(Code::damaged, "the dump {} holds {} at byte {}", path_, why, offset_);
    }
    void set_int_bytes(int count) { int_bytes_ = std::clamp(count, 0, kIntBytesMax); }
    [[nodiscard]] const std::optional<Error>& error() const { return error_; }

  private:
    bool refill() {
        if (error_) return false;
        ssize_t count = 0;
        do count = read(fd_.get(), block_.data(), block_.size());
        while (count < 0 && errno == EINTR);
        at_ = 0;
        filled_ = count > 0 ? static_cast<std::size_t>(count) : 0;
        if (count <= 0) fail_with("an end in its table of contents");
        return count > 0;
    }

    UniqueFd fd_;
    std::string path_;
    std::array<char, 64 * kKiB> block_{};
    std::size_t at_ = 0;
    std::size_t filled_ = 0;
    std::uint64_t offset_ = 0;
    int int_bytes_ = 4;
    std::optional<Error> error_;
};

struct Head {
    int minor = 0;
    int offset_bytes = 0;
    bool custom = false;
};

Result<Head> read_head(TocReader& reader, const std::string& path) {
    for (const char c : kMagic)
        if (reader.byte() != c) reader.fail_with("no dump of pg_dump");
    const int major = reader.byte();
    Head head;
    head.minor = reader.byte();
    reader.byte();  // revision
    if (reader.error()) return *reader.error();
    if (major != 1 || head.minor < kMinorMin || head.minor > kMinorMax)
        return with_hint(fail(Code::database,
                              "the dump {} is of archive version {}.{}; parts can "
                              "be taken out of 1.{} to 1.{}",
                              path, major, head.minor, kMinorMin, kMinorMax),
                         "restore the whole database under another name and copy from there");
    reader.set_int_bytes(reader.byte());
    head.offset_bytes = reader.byte();
    head.custom = reader.byte() == kCustomFormat;
    if (head.minor >= kMinorCompression)
        reader.byte();
    else
        reader.number();
    constexpr int kDateItems = 7;
    for (int i = 0; i < kDateItems; ++i) reader.number();
    constexpr int kNames = 3;  // of the database, versions of server and pg_dump
    for (int i = 0; i < kNames; ++i) reader.text();
    return head;
}

std::vector<int> read_dependencies(TocReader& reader) {
    std::vector<int> ids;
    while (!reader.error()) {
        const auto id = reader.text();
        if (!id) break;
        ids.push_back(static_cast<int>(parse_u64(*id).value_or(0)));
    }
    return ids;
}

TocEntry read_entry(TocReader& reader, const Head& head) {
    TocEntry entry;
    entry.id = static_cast<int>(reader.number());
    reader.number();  // whether there is data
    reader.text();    // oid of the catalogue
    reader.text();    // oid of the object
    entry.tag = reader.text().value_or("");
    entry.kind = reader.text().value_or("");
    reader.number();  // section
    entry.definition_start = reader.text(kDefinitionKept).value_or("");
    reader.text(0);  // DROP
    reader.text(0);  // COPY
    entry.schema = reader.text().value_or("");
    reader.text();  // tablespace
    reader.text();  // access method
    if (head.minor >= kMinorMax) reader.number();
    reader.text();  // owner
    reader.text();  // with oids
    entry.depends = read_dependencies(reader);
    if (head.custom)
        reader.skip(1 + head.offset_bytes);
    else
        reader.text();  // file
    return entry;
}

}  // namespace

Result<std::vector<TocEntry>> read_toc(const std::string& path) {
    std::error_code error;
    const bool folder = std::filesystem::is_directory(path, error);
    const auto file = folder ? path + "/toc.dat" : path;
    ASB_TRY(auto fd, open_file(file, O_RDONLY));
    TocReader reader(std::move(fd), file);
    ASB_TRY(const auto head, read_head(reader, file));
    const auto count = reader.number();
    if (count < 0 || count > kEntriesMax) reader.fail_with("an impossible number of entries");
    std::vector<TocEntry> entries;
    for (long long i = 0; i < count && !reader.error(); ++i)
        entries.push_back(read_entry(reader, head));
    if (reader.error()) return *reader.error();
    return entries;
}

}  // namespace asb::postgres
