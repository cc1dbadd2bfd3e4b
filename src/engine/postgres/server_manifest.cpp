#include "engine/postgres/server_manifest.hpp"

#include <optional>

#include "base/json.hpp"
#include "base/text.hpp"
#include "codec/digest.hpp"

namespace asb {
namespace {

constexpr std::uint64_t kVersionMax = 2;

Error damaged(std::string_view why) {
    return fail(Code::damaged, "the server's backup_manifest is damaged: {}", why);
}

// Fills a ServerManifest while the JSON parser passes over the text: no tree is built. The shape is
// fixed: scalars at depth 1, and the two lists of flat objects at depth 3 (object, list, object).
class ManifestReader {
  public:
    ServerManifest manifest;
    std::string manifest_checksum;
    std::string error;

    // NOLINTBEGIN(readability-identifier-naming): the names are nlohmann's SAX interface.
    bool null() { return refuse("a null"); }
    bool boolean(bool /*value*/) { return refuse("a boolean"); }
    bool number_float(double /*value*/, const std::string& text) { return refuse(text); }
    bool binary(std::vector<std::uint8_t>& /*value*/) { return refuse("binary"); }
    bool number_integer(std::int64_t value) { return refuse(std::to_string(value)); }
    bool number_unsigned(std::uint64_t value) { return take_number(value); }
    bool string(std::string& value) { return take_text(value); }
    bool start_object(std::size_t /*count*/) { return open('{'); }
    bool start_array(std::size_t /*count*/) { return open('['); }
    bool end_array() { return close(); }
    bool end_object();
    bool key(std::string& name) {
        key_.swap(name);
        return true;
    }
    bool parse_error(std::size_t offset, const std::string& /*token*/,
                     const Json::exception& /*why*/) {
        error = fmt::format("not JSON at byte {}", offset);
        return false;
    }
    // NOLINTEND(readability-identifier-naming)

  private:
    bool refuse(std::string_view what) {
        error = fmt::format("unexpected {} at \"{}\"", printable(what), printable(key_));
        return false;
    }
    bool open(char kind);
    bool close() {
        depth_.pop_back();
        return true;
    }
    [[nodiscard]] bool in_file() const { return depth_.size() == 3 && list_ == "Files"; }
    [[nodiscard]] bool in_range() const { return depth_.size() == 3 && list_ == "WAL-Ranges"; }
    bool take_number(std::uint64_t value);
    bool take_text(std::string& value);
    bool take_file_text(std::string& value);
    bool take_lsn(std::string_view text, Lsn& out);
    bool take_identifier(std::string_view text);

    std::string depth_;  // the open brackets
    std::string list_;   // the key of the list that is open
    std::string key_;
    ServerManifest::File file_;
    bool file_has_size_ = false;
    ServerManifest::WalRange range_;
};

bool ManifestReader::open(char kind) {
    constexpr std::string_view kShape = "{[{";
    if (depth_.size() >= kShape.size() || kShape[depth_.size()] != kind) return refuse("nesting");
    if (kind == '[') {
        if (key_ != "Files" && key_ != "WAL-Ranges") return refuse("list");
        list_ = key_;
    }
    depth_.push_back(kind);
    file_ = {};
    file_has_size_ = false;
    range_ = {};
    return true;
}

bool ManifestReader::end_object() {
    if (in_file()) {
        if (file_.path.empty() || !file_has_size_) return refuse("file without path or size");
        manifest.files.push_back(std::move(file_));
    } else if (in_range()) {
        manifest.wal_ranges.push_back(range_);
    }
    return close();
}

bool ManifestReader::take_number(std::uint64_t value) {
    if (in_file() && key_ == "Size") {
        file_.size = value;
        file_has_size_ = true;
    } else if (in_range() && key_ == "Timeline" && value <= 0xffffffffU) {
        range_.timeline = static_cast<std::uint32_t>(value);
    } else if (depth_ == "{" && key_ == "PostgreSQL-Backup-Manifest-Version") {
        manifest.version = value;
    } else if (depth_ == "{" && key_ == "System-Identifier") {
        manifest.system_identifier = value;
    } else {
        return refuse(std::to_string(value));
    }
    return true;
}

bool ManifestReader::take_text(std::string& value) {
    if (in_file()) return take_file_text(value);
    if (in_range() && key_ == "Start-LSN") return take_lsn(value, range_.start);
    if (in_range() && key_ == "End-LSN") return take_lsn(value, range_.end);
    if (depth_ == "{" && key_ == "Manifest-Checksum") {
        manifest_checksum = std::move(value);
        return true;
    }
    if (depth_ == "{" && key_ == "System-Identifier") return take_identifier(value);
    return refuse("text");
}

bool ManifestReader::take_file_text(std::string& value) {
    if (key_ == "Path") {
        file_.path = std::move(value);
    } else if (key_ == "Encoded-Path") {
        auto path = parse_hex(value);
        if (!path.ok()) return refuse("encoding");
        file_.path = as_text(path.value());
    } else if (key_ == "Checksum-Algorithm") {
        file_.checksum_algorithm = std::move(value);
    } else if (key_ == "Checksum") {
        file_.checksum = std::move(value);
    } else if (key_ != "Last-Modified") {
        return refuse("text");
    }
    return true;
}

bool ManifestReader::take_lsn(std::string_view text, Lsn& out) {
    const auto lsn = parse_lsn(text);
    if (!lsn.ok()) return refuse(text);
    out = lsn.value();
    return true;
}

bool ManifestReader::take_identifier(std::string_view text) {
    const auto value = parse_u64(text);
    if (!value) return refuse(text);
    manifest.system_identifier = *value;
    return true;
}

// Everything before the last line, which holds the checksum of it: "...\n" + last line + "\n".
std::optional<std::string_view> checked_part(std::string_view text) {
    if (!text.ends_with('\n')) return std::nullopt;
    const std::size_t newline = text.find_last_of('\n', text.size() - 2);
    if (text.size() < 2 || newline == std::string_view::npos) return std::nullopt;
    return text.substr(0, newline + 1);
}

}  // namespace

Result<ServerManifest> parse_server_manifest(std::string_view text) {
    const auto checked = checked_part(text);
    if (!checked) return damaged("its last line is missing");
    ManifestReader reader;
    if (!Json::sax_parse(text.begin(), text.end(), &reader)) return damaged(reader.error);
    const auto digest = parse_digest(reader.manifest_checksum);
    if (!digest.ok() || digest.value() != sha256(as_bytes(*checked)))
        return damaged("its checksum does not match");
    if (reader.manifest.version == 0 || reader.manifest.version > kVersionMax)
        return damaged(fmt::format("unknown version {}", reader.manifest.version));
    return std::move(reader.manifest);
}

}  // namespace asb
