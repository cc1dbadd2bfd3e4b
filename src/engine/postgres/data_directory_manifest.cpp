#include "engine/postgres/data_directory_manifest.hpp"

#include <bit>

#include "base/json.hpp"
#include "base/text.hpp"

namespace asb::postgres {
namespace {

struct ListedFile {
    std::string path;
    std::string algorithm;
    std::string checksum;
    std::uint64_t size = 0;
};

// The manifest stores the four bytes of the CRC as they lie in the server's memory (little-endian
// on every machine that the product runs on), in hex.
std::string manifest_form(std::uint32_t crc) {
    std::uint32_t little = crc;
    if constexpr (std::endian::native == std::endian::big) little = __builtin_bswap32(crc);
    return to_hex(std::as_bytes(std::span(&little, 1)));
}

// Gathers one object of "Files" at a time and compares it when it ends.
class ManifestEvents final : public nlohmann::json_sax<Json> {
  public:
    explicit ManifestEvents(const ArrivedFiles& arrived) : arrived_(arrived) {}

    bool null() override { return true; }
    bool boolean(bool /*value*/) override { return true; }
    bool number_integer(number_integer_t /*value*/) override { return true; }
    bool number_float(number_float_t /*value*/, const string_t& /*text*/) override { return true; }
    bool binary(binary_t& /*value*/) override { return true; }
    bool number_unsigned(number_unsigned_t value) override {
        if (key_ == "Size") file_.size = value;
        return true;
    }
    bool string(string_t& value) override;
    bool key(string_t& name) override {
        key_ = name;
        if (depth_ == 1) in_files_ = name == "Files";
        return true;
    }
    bool start_object(std::size_t /*elements*/) override {
        ++depth_;
        file_ = {};
        return true;
    }
    bool end_object() override {
        --depth_;
        if (depth_ == 1 && in_files_) compare();
        return status_.ok();
    }
    bool start_array(std::size_t /*elements*/) override { return true; }
    bool end_array() override { return true; }
    bool parse_error(std::size_t position, const std::string& /*token*/,
                     const nlohmann::detail::exception& /*error*/) override {
        status_ = fail(Code::damaged, "backup_manifest is not readable at byte {}", position);
        return false;
    }

    Status take_status() {
        if (status_.ok() && files_ == 0)
            return fail(Code::damaged, "backup_manifest lists no file");
        return std::move(status_);
    }

  private:
    void compare();
    void set_encoded_path(const std::string& hex);

    const ArrivedFiles& arrived_;
    int depth_ = 0;
    bool in_files_ = false;
    std::string key_;
    ListedFile file_;
    std::uint64_t files_ = 0;
    Status status_;
};

void ManifestEvents::set_encoded_path(const std::string& hex) {
    const auto bytes = parse_hex(hex);
    if (bytes.ok()) file_.path = std::string(as_text(Bytes(*std::addressof(bytes.value()))));
}

bool ManifestEvents::string(string_t& value) {
    if (key_ == "Path")
        file_.path = std::move(value);
    else if (key_ == "Encoded-Path")
        set_encoded_path(value);
    else if (key_ == "Checksum-Algorithm")
        file_.algorithm = std::move(value);
    else if (key_ == "Checksum")
        file_.checksum = std::move(value);
    return true;
}

void ManifestEvents::compare() {
    ++files_;
    const auto found = arrived_.find(file_.path);
    const auto name = printable(file_.path);
    if (found == arrived_.end()) {
        status_ = fail(Code::damaged, "{} is missing from the backup", name);
    } else if (found->second.size != file_.size) {
        status_ = fail(Code::damaged, "{} has {} bytes, the server's manifest says {}", name,
                       found->second.size, file_.size);
    } else if (file_.algorithm == "CRC32C" && manifest_form(found->second.crc) != file_.checksum) {
        status_ =
            fail(Code::damaged, "{} does not have the checksum of the server's manifest", name);
    }
}

}  // namespace

Status check_against_manifest(std::string_view manifest, const ArrivedFiles& arrived) {
    ManifestEvents events(arrived);
    Json::sax_parse(manifest, &events);
    return events.take_status();
}

}  // namespace asb::postgres
