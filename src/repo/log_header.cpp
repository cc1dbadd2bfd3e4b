#include <fmt/format.h>

#include "repo/log_json.hpp"
#include "repo/log_object.hpp"

namespace asb {
namespace {

constexpr std::size_t kMembersMax = kLogPlainBytesMax / kMemberPlainBytes;

Error not_valid(std::string_view what, std::string_view problem) {
    return with_hint(fail(Code::damaged, "{} is damaged: {}", what, problem),
                     "use another copy of this object; without it, the log has a gap there");
}

Status check_encryption(LogFields& fields, const Json& document, std::string_view what,
                        LogObjectHeader& header) {
    const bool authenticated = fields.boolean("authenticated");
    if (authenticated != document.contains("encryption") ||
        authenticated != document.contains("mac"))
        fields.bad("authenticated");
    ASB_CHECK(fields.status());
    if (!authenticated) return {};
    static_cast<void>(fields.hex<32>("mac"));
    const Json object = fields.object("encryption");
    ASB_CHECK(fields.status());
    Fields encryption(object, what);
    if (encryption.text("cipher") != "aes-256-cbc") encryption.bad("cipher");
    if (encryption.text("kdf") != "pbkdf2-hmac-sha256") encryption.bad("kdf");
    if (encryption.number("iterations") != kLogObjectIterations) encryption.bad("iterations");
    header.salt = encryption.hex<kSaltBytes>("salt");
    return encryption.status();
}

Status parse_members(LogFields& fields, LogObjectHeader& header) {
    const Json members = fields.array("members");
    if (members.size() > kMembersMax || members.empty() == header.compressed) fields.bad("members");
    ASB_CHECK(fields.status());
    for (const auto& member : members) {
        if (!member.is_number_unsigned() || member.get<std::uint64_t>() > kMemberStoredBytesMax) {
            fields.bad("members");
            break;
        }
        header.members.push_back(member.get<std::uint32_t>());
    }
    return fields.status();
}

Status parse_body(LogFields& fields, LogObjectHeader& header) {
    const auto compression = fields.text("compression");
    if (compression != "gzip" && compression != "none") fields.bad("compression");
    header.compressed = compression == "gzip";
    header.plain_bytes = fields.number("plain_bytes");
    header.body_length = fields.number("body_length");
    if (header.plain_bytes > kLogPlainBytesMax) fields.bad("plain_bytes");
    if (header.body_length > kLogStoredBytesMax) fields.bad("body_length");
    header.body_digest = fields.hex<32>("body_sha256");
    return parse_members(fields, header);
}

}  // namespace

Result<ReadLogHeader> parse_log_header(std::string_view line, std::string_view what) {
    if (line.size() + 1 > kLogHeaderBytesMax) return not_valid(what, "its header is too long");
    ASB_TRY(auto document, parse_json(line, what));
    if (!document.is_object() || canonical(document) != line)
        return not_valid(what, "its header is not in canonical form");
    ReadLogHeader read{.header = {}, .document = std::move(document), .bytes = line.size() + 1};
    LogObjectHeader& header = read.header;
    LogFields fields(read.document, what);
    if (fields.number("version") != kLogObjectVersion) fields.bad("version");
    if (fields.text("type") != "log") fields.bad("type");
    header.log_id = fields.text("log");
    header.engine = fields.text("engine");
    header.identity = fields.text("identity");
    header.range = {
        .line = fields.line("line"), .start = fields.point("start"), .end = fields.point("end")};
    if (header.range.end < header.range.start) fields.bad("end");
    header.times = {.commits = fields.number("commits"),
                    .newest_commit = fields.time("newest_commit_us"),
                    .covered_until = fields.time("covered_until_us")};
    header.last_record = fields.point("last_record");
    header.tail = fields.object("tail");
    ASB_CHECK(parse_list(fields, "branches", what, parse_branch, header.branches));
    if (header.branches.size() > kLogHeaderBranchesMax) fields.bad("branches");
    ASB_CHECK(parse_body(fields, header));
    ASB_CHECK(check_encryption(fields, read.document, what, header));
    ASB_CHECK(fields.status());
    return read;
}

}  // namespace asb
