#include "engine/mongodb/import_archive.hpp"

#include <isa-l/crc64.h>

#include <algorithm>

#include "base/text.hpp"
#include "engine/mongodb/bson_frame.hpp"
#include "engine/mongodb/layout.hpp"

namespace asb::mongodb {
namespace {

constexpr std::string_view kVersion = "0.1";
constexpr std::string_view kTimeSeries = "timeseries";
constexpr std::string_view kView = "view";

bool is_terminator(Bytes block) {
    return block.size() == kArchiveWordBytes && read_u32(block.data()) == kArchiveTerminator;
}

std::string title(std::string_view database, std::string_view name) {
    return printable(database.empty() ? std::string(name) : fmt::format("{}.{}", database, name));
}

}  // namespace

std::uint64_t archive_crc(std::uint64_t crc, Bytes bytes) {
    return crc64_ecma_refl(crc, as_uchar(bytes.data()), bytes.size());
}

std::string ArchiveCollection::data_name() const {
    return type == kTimeSeries ? std::string(kBucketsPrefix) + name : name;
}

Error ArchiveParser::damaged(std::string_view what) const {
    return with_hint(fail(Code::damaged, "offset {} of the mongodump archive: {}", offset_, what),
                     "take the dump again, or fetch the file again if it was copied");
}

Result<std::size_t> ArchiveParser::length_of(Bytes begin) const {
    const auto word = read_u32(begin.data());
    if (state_ == State::magic || word == kArchiveTerminator) return kArchiveWordBytes;
    if (word < kBsonBytesMin || word > kDocumentBytesMax)
        return damaged(fmt::format("a document of {} bytes cannot be", word));
    return std::size_t{word};
}

// Takes from `bytes` what the block in partial_ lacks; passes the block on when it is whole.
Status ArchiveParser::fill(Bytes& bytes) {
    const auto append = [&](std::size_t wanted) {
        const auto count = std::min(wanted - partial_.size(), bytes.size());
        partial_.append(as_text(bytes.first(count)));
        bytes = bytes.subspan(count);
        return partial_.size() == wanted;
    };
    if (partial_.size() < kArchiveWordBytes && !append(kArchiveWordBytes)) return {};
    ASB_TRY(const auto length, length_of(as_bytes(partial_)));
    if (partial_.size() < length && !append(length)) return {};
    ASB_CHECK(take(as_bytes(partial_)));
    offset_ += length;
    partial_.clear();
    return {};
}

Status ArchiveParser::feed(Bytes bytes) {
    while (!bytes.empty()) {
        if (!partial_.empty() || bytes.size() < kArchiveWordBytes) {
            ASB_CHECK(fill(bytes));
            continue;
        }
        ASB_TRY(const auto length, length_of(bytes));
        if (bytes.size() < length) {
            ASB_CHECK(fill(bytes));
            continue;
        }
        ASB_CHECK(take(bytes.first(length)));
        offset_ += length;
        bytes = bytes.subspan(length);
    }
    return {};
}

Status ArchiveParser::take(Bytes block) {
    if (state_ == State::magic) return take_magic(block);
    const bool end = is_terminator(block);
    if (!end)
        if (const auto valid = validate_bson(block); !valid) return damaged(valid.error().fact);
    if (last_turn_ && !end) return damaged("documents follow the end of their collection");
    switch (state_) {
        case State::announcements:
            if (!end) return take_announcement(block);
            state_ = State::turn;
            return {};
        case State::documents:
            if (!end) return take_document(block);
            last_turn_ = false;
            state_ = State::turn;
            return {};
        default:
            if (end) return damaged("an end where a header should be");
            return state_ == State::header ? take_header(block) : take_turn(block);
    }
}

Status ArchiveParser::take_magic(Bytes block) {
    if (read_u32(block.data()) != kArchiveMagic)
        return damaged("it does not begin as mongodump's archives do");
    state_ = State::header;
    return {};
}

Status ArchiveParser::take_header(Bytes block) {
    const BsonView header(block);
    const auto version = header.text("version");
    if (version != kVersion)
        return with_hint(fail(Code::usage, "the mongodump archive has format version '{}'",
                              printable(std::string(version))),
                         fmt::format("this program reads version {}", kVersion));
    state_ = State::announcements;
    return handler_.versions(header.text("server_version"), header.text("tool_version"));
}

Status ArchiveParser::take_announcement(Bytes block) {
    const BsonView view(block);
    const ArchiveCollection collection{.database = std::string(view.text("db")),
                                       .name = std::string(view.text("collection")),
                                       .metadata = std::string(view.text("metadata")),
                                       .type = std::string(view.text("type"))};
    if (collection.name.empty()) return damaged("a collection without a name");
    if (streams_.size() == kArchiveCollectionsMax) return damaged("too many collections");
    const auto [place, is_new] =
        streams_.try_emplace({collection.database, collection.data_name()},
                             Stream{.must_come = collection.type != kView});
    if (!is_new)
        return damaged(fmt::format("{} comes twice", title(collection.database, collection.name)));
    return handler_.announced(collection);
}

Status ArchiveParser::take_turn(Bytes block) {
    const BsonView turn(block);
    current_ = {std::string(turn.text("db")), std::string(turn.text("collection"))};
    const auto found = streams_.find(current_);
    if (found == streams_.end())
        return damaged(fmt::format("{} was not announced", title(current_.first, current_.second)));
    stream_ = &found->second;
    if (stream_->complete)
        return damaged(
            fmt::format("{} goes on after its end", title(current_.first, current_.second)));
    state_ = State::documents;
    last_turn_ = turn.flag("EOF");
    return last_turn_ ? end_stream(turn) : Status{};
}

Status ArchiveParser::end_stream(BsonView turn) {
    const auto stated = turn.find("CRC");
    const auto crc = stated ? stated->as_integer() : std::nullopt;
    if (!crc || static_cast<std::uint64_t>(*crc) != stream_->crc)
        return damaged(
            fmt::format("the checksum of {} is wrong", title(current_.first, current_.second)));
    stream_->complete = true;
    return handler_.complete(current_.first, current_.second);
}

Status ArchiveParser::take_document(Bytes block) {
    stream_->crc = archive_crc(stream_->crc, block);
    return handler_.document(current_.first, current_.second, block);
}

Status ArchiveParser::finish() {
    if (state_ != State::turn || !partial_.empty()) return damaged("it is cut short");
    for (const auto& [name, stream] : streams_)
        if (stream.must_come && !stream.complete)
            return damaged(fmt::format("it ends before {} does", title(name.first, name.second)));
    return {};
}

}  // namespace asb::mongodb
