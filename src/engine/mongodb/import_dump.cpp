#include "engine/mongodb/import_dump.hpp"

#include <fcntl.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <set>
#include <span>

#include "base/text.hpp"
#include "codec/gzip.hpp"
#include "engine/mongodb/bson_frame.hpp"
#include "engine/mongodb/import_folder.hpp"
#include "engine/mongodb/import_parts.hpp"
#include "engine/mongodb/layout.hpp"
#include "io/file.hpp"

namespace asb::mongodb {
namespace {

constexpr std::size_t kReadBytes = 1 * kMiB;
// What a collection is, in JSON: its options and at most 64 indexes.
constexpr std::size_t kMetadataBytesMax = 64 * kMiB;
constexpr std::array<unsigned char, 2> kGzipMagic = {0x1f, 0x8b};
// As Go's gzip writer begins, with a time of 0: as BSON, a document which ends before its length.
constexpr std::array<unsigned char, 8> kGzipOfGo = {0x1f, 0x8b, 0x08, 0, 0, 0, 0, 0};

// A file from its beginning, counted as progress.
class FileSource final : public ByteSource {
  public:
    static Result<FileSource> open(const std::string& path, const SessionContext& context) {
        ASB_TRY(auto file, open_file(path, O_RDONLY | O_NONBLOCK));
        return FileSource(std::move(file), path, context);
    }
    Result<Bytes> next() override {
        ASB_CHECK(context_.stop.check());
        ssize_t count = 0;
        do count = ::read(file_.get(), buffer_.data(), kReadBytes);
        while (count < 0 && errno == EINTR);
        if (count < 0) return errno_error(errno, "cannot read", path_);
        context_.progress.add(static_cast<std::uint64_t>(count));
        return Bytes(buffer_.data(), static_cast<std::size_t>(count));
    }
    [[nodiscard]] Result<std::uint64_t> size() const {
        struct stat state {};
        if (fstat(file_.get(), &state) != 0) return errno_error(errno, "cannot look at", path_);
        return static_cast<std::uint64_t>(state.st_size);
    }
    // Reads nothing away.
    [[nodiscard]] bool begins_with(std::span<const unsigned char> bytes) const {
        std::array<unsigned char, 8> begin{};
        const auto count = ::pread(file_.get(), begin.data(), bytes.size(), 0);
        return count == static_cast<ssize_t>(bytes.size()) &&
               std::equal(bytes.begin(), bytes.end(), begin.begin());
    }

  private:
    FileSource(UniqueFd file, std::string path, const SessionContext& context)
        : file_(std::move(file)), path_(std::move(path)), context_(context), buffer_(kReadBytes) {}
    UniqueFd file_;
    std::string path_;
    SessionContext context_;
    Buffer buffer_;
};

// Calls `take` with everything that `source` gives.
template <typename Take>
Status drain(ByteSource& source, const Take& take) {
    while (true) {
        ASB_TRY(const auto bytes, source.next());
        if (bytes.empty()) return {};
        ASB_CHECK(take(bytes));
    }
}

// Calls `use` with the file's plain bytes to read.
template <typename Use>
auto with_plain(FileSource& file, const Use& use) {
    if (!file.begins_with(kGzipMagic)) return use(static_cast<ByteSource&>(file));
    GzipStreamSource plain(file);
    return use(static_cast<ByteSource&>(plain));
}

Status import_archive(FileSource& file, EntrySink& sink) {
    ArchiveEntries entries(sink);
    ArchiveParser parser(entries);
    ASB_CHECK(with_plain(file, [&](ByteSource& plain) {
        return drain(plain, [&](Bytes bytes) { return parser.feed(bytes); });
    }));
    return parser.finish();
}

// Only what an archive announces.
class Announcements final : public ArchiveHandler {
  public:
    Status versions(std::string_view server, std::string_view /*tool*/) override {
        version = server;
        return {};
    }
    Status announced(const ArchiveCollection& collection) override {
        if (!collection.database.empty()) databases.insert(collection.database);
        return {};
    }
    Status document(std::string_view /*database*/, std::string_view /*name*/,
                    Bytes /*bytes*/) override {
        return {};
    }
    Status complete(std::string_view /*database*/, std::string_view /*name*/) override {
        return {};
    }

    std::string version;
    std::set<std::string> databases;
};

Status read_announcements(FileSource& file, Announcements& announcements) {
    ArchiveParser parser(announcements);
    return with_plain(file, [&](ByteSource& plain) -> Status {
        while (!parser.knows_all()) {
            ASB_TRY(const auto bytes, plain.next());
            if (bytes.empty()) return parser.finish();
            ASB_CHECK(parser.feed(bytes));
        }
        return {};
    });
}

// A file whose size is known goes through as it is.
Status import_plain(const DumpFile& file, FileSource& source, EntrySink& sink) {
    ASB_TRY(const auto size, source.size());
    ASB_CHECK(sink.begin({.name = file.entry, .size = size}));
    std::uint64_t left = size;
    ASB_CHECK(drain(source, [&](Bytes bytes) -> Status {
        if (bytes.size() > left)
            return fail(Code::failed, "{} grew while it was read", printable(file.path));
        left -= bytes.size();
        return sink.write(bytes);
    }));
    if (left != 0) return fail(Code::failed, "{} shrank while it was read", printable(file.path));
    return sink.end();
}

Status import_small_gzip(const DumpFile& file, ByteSource& plain, EntrySink& sink) {
    std::string text;
    ASB_CHECK(drain(plain, [&](Bytes bytes) -> Status {
        if (text.size() + bytes.size() > kMetadataBytesMax)
            return fail(Code::damaged, "{} is too large for what it should hold",
                        printable(file.path));
        text += as_text(bytes);
        return {};
    }));
    return put_entry(sink, file.entry, as_bytes(text));
}

Status import_gzip(const DumpFile& file, FileSource& source, EntrySink& sink) {
    GzipStreamSource plain(source);
    const auto kind = parse_mongo_entry(file.entry)->kind;
    if (kind != MongoEntry::Kind::data && kind != MongoEntry::Kind::oplog)
        return import_small_gzip(file, plain, sink);
    DocumentParts parts(sink);
    BsonFramer framer(file.path, [&](Bytes document) { return parts.add(file.entry, document); });
    ASB_CHECK(drain(plain, [&](Bytes bytes) { return framer.feed(bytes); }));
    ASB_CHECK(framer.finish());
    return parts.complete(file.entry);
}

Status import_file(const DumpFile& file, EntrySink& sink, const SessionContext& context) {
    ASB_TRY(auto source, FileSource::open(file.path, context));
    // mongodump --gzip compresses oplog.bson, too, but does not say so in its name.
    return file.gzip || source.begins_with(kGzipOfGo) ? import_gzip(file, source, sink)
                                                      : import_plain(file, source, sink);
}

Result<bool> is_a_folder(const std::string& path) {
    struct stat state {};
    if (stat(path.c_str(), &state) != 0)
        return errno_error(errno, "cannot read the dump", path, Code::usage);
    return S_ISDIR(state.st_mode);
}

}  // namespace

Result<Json> mongodump_facts(const std::string& path, const SessionContext& context) {
    ASB_TRY(const auto is_folder, is_a_folder(path));
    Announcements found;
    if (is_folder) {
        ASB_TRY(const auto files, find_dump_files(path, context.log));
        for (const auto& file : files) {
            const auto database = parse_mongo_entry(file.entry)->database;
            if (!database.empty()) found.databases.insert(database);
        }
    } else {
        ASB_TRY(auto file, FileSource::open(path, context));
        ASB_CHECK(read_announcements(file, found));
    }
    Json facts = {{"scope", "deployment"}, {"databases", Json::array()}};
    for (const auto& database : found.databases) facts["databases"].push_back(printable(database));
    if (!found.version.empty()) facts["version"] = printable(found.version);
    return facts;
}

Status import_mongodump(const std::string& path, EntrySink& sink, const SessionContext& context) {
    ASB_TRY(const auto is_folder, is_a_folder(path));
    if (!is_folder) {
        ASB_TRY(auto file, FileSource::open(path, context));
        return import_archive(file, sink);
    }
    ASB_TRY(const auto files, find_dump_files(path, context.log));
    for (const auto& file : files) ASB_CHECK(import_file(file, sink, context));
    return {};
}

}  // namespace asb::mongodb
