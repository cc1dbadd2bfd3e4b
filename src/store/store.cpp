#include "store/store.hpp"

#include <algorithm>

#include "base/text.hpp"

namespace asb {
namespace {

// What S3 allows a key to have (Amazon S3 user guide, "Naming Amazon S3 objects"); GCS allows the
// same.
constexpr std::size_t kKeyBytesMax = 1024;
// NAME_MAX of Linux is 255; a store may put up to 15 bytes around a name while it is being written.
constexpr std::size_t kKeyPartBytesMax = 240;
// Our layout needs three; the bound keeps a walk through folders from going arbitrarily deep.
constexpr std::size_t kKeyPartsMax = 16;

bool is_key_character(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
           c == '_' || c == '-';
}

// Why `part` may not stand in a key, or empty when it may.
std::string_view problem_of_part(std::string_view part) {
    if (part.empty()) return "it has an empty part";
    if (part.front() == '.') return "a part of it begins with '.'";
    if (part.size() > kKeyPartBytesMax) return "a part of it is longer than 240 bytes";
    if (!std::all_of(part.begin(), part.end(), is_key_character))
        return "it has a character outside A-Z a-z 0-9 . _ -";
    return {};
}

std::string_view problem_of_key(std::string_view text) {
    if (text.empty()) return "it is empty";
    if (text.size() > kKeyBytesMax) return "it is longer than 1024 bytes";
    std::size_t parts = 0;
    for (std::size_t begin = 0; begin <= text.size(); ++parts) {
        const std::size_t end = std::min(text.find('/', begin), text.size());
        const auto problem = problem_of_part(text.substr(begin, end - begin));
        if (!problem.empty()) return problem;
        begin = end + 1;
    }
    return parts > kKeyPartsMax ? "it has more than 16 parts" : "";
}

}  // namespace

Result<ObjectKey> ObjectKey::parse(std::string_view text) {
    const auto problem = problem_of_key(text);
    if (problem.empty()) return ObjectKey(std::string(text));
    constexpr std::size_t kShownBytesMax = 80;
    return with_hint(fail(Code::usage, "'{}' is not a name an object can have: {}",
                          printable(text.substr(0, kShownBytesMax)), problem),
                     "names are relative, as in auth-service-backup-20240115_020000.tar.gz.enc");
}

ObjectKey ObjectKey::known(std::string text) {
    ASB_ASSERT(problem_of_key(text).empty());
    return ObjectKey(std::move(text));
}

bool ObjectKey::is_valid(std::string_view text) {
    return problem_of_key(text).empty();
}

Status StoreReader::visit_names(std::string_view prefix,
                                const std::function<Status(std::string_view key)>& visit) {
    ASB_TRY(const auto objects, list(prefix));
    for (const auto& object : objects) ASB_CHECK(visit(object.key.text()));
    return {};
}

Result<std::string> StoreReader::get(const ObjectKey& key, std::size_t bytes_max) {
    ASB_TRY(const auto object, open(key));
    if (object->size() > bytes_max)
        return fail(Code::damaged, "{} in {} has {} bytes, more than the {} it may have",
                    key.text(), place(), object->size(), bytes_max);
    std::string text(static_cast<std::size_t>(object->size()), '\0');
    ASB_CHECK(object->read_at(0, std::as_writable_bytes(std::span(text.data(), text.size()))));
    return text;
}

Status StoreAppender::put(const ObjectKey& key, Bytes bytes) {
    ASB_TRY(const auto writer, create(key));
    if (!bytes.empty()) ASB_CHECK(writer->append(bytes));
    return writer->commit();
}

}  // namespace asb
