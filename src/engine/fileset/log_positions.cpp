#include "engine/fileset/log_positions.hpp"

#include <fmt/format.h>

#include "base/json.hpp"
#include "base/text.hpp"

namespace asb::fileset {
namespace {

constexpr std::uint64_t kVersion = 1;
constexpr std::size_t kOffsetDigits = 20;  // of the largest 64-bit number
constexpr std::string_view kLogsPrefix = kAreas[kLogArea].prefix;
// What a row takes besides its names; a byte of a name takes 6 at most ("\u0007").
constexpr std::size_t kRowBytesMax = 512;
constexpr std::size_t kNameByteMax = 6;

std::int64_t nanoseconds(const timespec& time) {
    constexpr std::int64_t kSecond = 1'000'000'000;
    return time.tv_sec * kSecond + time.tv_nsec;
}

// As in the inner manifest: a name that is not UTF-8 is written as hex, under another key.
void put_name(Json& row, const std::string& key, const std::string& name) {
    if (is_utf8(name))
        row[key] = name;
    else
        row[key + "_hex"] = to_hex(as_bytes(name));
}

Json to_json(const LogPosition& position) {
    Json row = Json::object();
    put_name(row, "name", position.name);
    if (!position.link.empty()) {
        put_name(row, "link", position.link);
        return row;
    }
    row["device"] = position.device;
    row["inode"] = position.inode;
    row["size"] = position.size;
    row["modified"] = position.modified;
    row["changed"] = position.changed;
    if (position.mark) row["mark"] = to_hex(*position.mark);
    if (position.offset == 0) return row;
    row["offset"] = position.offset;
    row["piece"] = position.has_piece;
    put_name(row, "from", position.from);
    return row;
}

// Reads one row; the first field that is not what it should be is remembered.
class Row {
  public:
    explicit Row(const Json& row) : row_(row) {}

    [[nodiscard]] bool has(const std::string& key) const {
        return row_.is_object() && row_.contains(key);
    }
    [[nodiscard]] bool has_name(const std::string& key) const {
        return has(key) || has(key + "_hex");
    }
    std::string name(const std::string& key) {
        auto found = text(has(key) ? key : key + "_hex");
        if (has(key)) return found;
        const auto bytes = parse_hex(found);
        if (bytes.ok()) return std::string(as_text(bytes.value()));
        good_ = false;
        return {};
    }
    std::string text(const std::string& key) { return get<std::string>(key, &Json::is_string); }
    std::uint64_t number(const std::string& key) {
        return get<std::uint64_t>(key, &Json::is_number_unsigned);
    }
    std::int64_t time(const std::string& key) {
        return get<std::int64_t>(key, &Json::is_number_integer);
    }
    bool flag(const std::string& key) { return get<bool>(key, &Json::is_boolean); }
    Digest digest(const std::string& key) {
        const auto parsed = parse_digest(text(key));
        good_ = good_ && parsed.ok();
        return parsed.ok() ? parsed.value() : Digest{};
    }
    [[nodiscard]] bool good() const { return good_; }

  private:
    template <typename T>
    T get(const std::string& key, bool (Json::*is_kind)() const noexcept) {
        if (has(key) && (row_[key].*is_kind)()) return row_[key].get<T>();
        good_ = false;
        return T{};
    }
    const Json& row_;
    bool good_ = true;
};

bool is_log(const std::string& name) {
    return name.starts_with(kLogsPrefix) && safe_name(name).ok();
}

std::optional<LogPosition> parse_row(const Json& json) {
    Row row(json);
    LogPosition position;
    position.name = row.name("name");
    if (row.has_name("link")) {
        position.link = row.name("link");
        if (!row.good() || !is_log(position.name) || !is_log(position.link)) return std::nullopt;
        return position;
    }
    position.device = row.number("device");
    position.inode = row.number("inode");
    position.size = row.number("size");
    position.modified = row.time("modified");
    position.changed = row.time("changed");
    if (row.has("mark")) position.mark = row.digest("mark");
    if (row.has("offset")) {
        position.offset = row.number("offset");
        position.has_piece = row.flag("piece");
        position.from = row.name("from");
    }
    const bool fits =
        position.offset == 0 || (is_log(position.from) && position.offset <= position.size &&
                                 (position.has_piece || position.offset == position.size));
    if (!row.good() || !is_log(position.name) || !fits) return std::nullopt;
    return position;
}

}  // namespace

std::string piece_name(std::string_view log, std::uint64_t offset) {
    return fmt::format("{}{}/{:0{}}", kPiecesPrefix, log.substr(kLogsPrefix.size()), offset,
                       kOffsetDigits);
}

std::optional<PieceName> parse_piece_name(std::string_view entry) {
    if (!entry.starts_with(kPiecesPrefix)) return std::nullopt;
    entry.remove_prefix(kPiecesPrefix.size());
    const auto slash = entry.rfind('/');
    if (slash == std::string_view::npos || entry.size() - slash - 1 != kOffsetDigits)
        return std::nullopt;
    auto digits = entry.substr(slash + 1);
    while (digits.size() > 1 && digits.front() == '0') digits.remove_prefix(1);
    const auto offset = parse_u64(digits);
    if (!offset || slash == 0) return std::nullopt;
    return PieceName{.log = fmt::format("{}{}", kLogsPrefix, entry.substr(0, slash)),
                     .offset = *offset};
}

bool PositionsText::has_room(std::size_t name_bytes) const {
    return rows_.size() + kRowBytesMax + kNameByteMax * name_bytes <= kPositionsBytesMax;
}

void PositionsText::add(const LogPosition& position) {
    if (!has_room(position.name.size() + position.link.size() + position.from.size())) return;
    if (!rows_.empty()) rows_ += ',';
    rows_ += canonical(to_json(position));
}

std::string PositionsText::text() const {
    return fmt::format("{{\"files\":[{}],\"version\":{}}}", rows_, kVersion);
}

Result<std::vector<LogPosition>> parse_positions(std::string_view text) {
    if (text.size() > kPositionsBytesMax + kRowBytesMax)
        return fail(Code::damaged, "{} has {} bytes, more than any has", kPositionsName,
                    text.size());
    ASB_TRY(const auto document, parse_json(text, kPositionsName));
    Row top(document);
    if (top.number("version") != kVersion || !top.has("files") || !document["files"].is_array())
        return fail(Code::damaged, "{} is not one of version {}", kPositionsName, kVersion);
    std::vector<LogPosition> positions;
    positions.reserve(document["files"].size());
    PositionsText written;
    for (const auto& json : document["files"]) {
        auto position = parse_row(json);
        if (!position)
            return fail(Code::damaged, "row {} of {} is not what it should be", positions.size(),
                        kPositionsName);
        written.add(*position);
        positions.push_back(std::move(*position));
    }
    // A key that nobody reads, or a number that does not fit, says something that we would not
    // know.
    if (written.text() != text)
        return fail(Code::damaged, "{} is not as it was written", kPositionsName);
    return positions;
}

KnownLogs::KnownLogs(std::vector<LogPosition> positions) : positions_(std::move(positions)) {
    for (const auto& position : positions_) {
        if (!position.mark || position.size == 0) continue;
        by_file_.try_emplace({position.device, position.inode}, &position);
        by_name_.try_emplace(position.name, &position);
    }
}

const LogPosition* KnownLogs::find(const std::string& name, const struct stat& info) const {
    const LogPosition* known = nullptr;
    if (const auto file = by_file_.find({info.st_dev, info.st_ino}); file != by_file_.end())
        known = file->second;
    // A restart may number devices anew.
    if (const auto same = by_name_.find(name);
        known == nullptr && same != by_name_.end() && same->second->inode == info.st_ino)
        known = same->second;
    if (known == nullptr) return nullptr;
    const auto size = static_cast<std::uint64_t>(info.st_size);
    // Whoever appends to a log makes it larger; the same size written at another time is not more
    // of it.
    if (size < known->size || (size == known->size && nanoseconds(info.st_mtim) != known->modified))
        return nullptr;
    return known;
}

LogPosition position_of(const std::string& name, const struct stat& info) {
    LogPosition position;
    position.name = name;
    position.device = info.st_dev;
    position.inode = info.st_ino;
    position.size = static_cast<std::uint64_t>(info.st_size);
    position.modified = nanoseconds(info.st_mtim);
    position.changed = nanoseconds(info.st_ctim);
    return position;
}

bool is_untouched(const LogPosition& known, const std::string& name, const struct stat& info) {
    const auto current = position_of(name, info);
    return known.name == current.name && known.device == current.device &&
           known.inode == current.inode && known.size == current.size &&
           known.modified == current.modified && known.changed == current.changed;
}

}  // namespace asb::fileset
