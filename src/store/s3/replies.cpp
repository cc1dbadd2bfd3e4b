#include "store/s3/replies.hpp"

#include <pugixml.hpp>

#include <algorithm>
#include <string_view>

#include "base/text.hpp"
#include "store/remote/rfc3339.hpp"

namespace asb::s3 {
namespace {

// Amazon's largest page has 1000 entries ("ListObjectsV2", MaxKeys); a server that sends more is
// not believed.
constexpr std::size_t kEntriesMax = 10'000;
constexpr std::size_t kShownBytesMax = 60;

Error not_s3(std::string_view body, std::string_view expected) {
    return with_hint(
        fail(Code::store, "the answer is not S3's: {} was expected, but it begins with '{}'",
             expected, printable(trim(body.substr(0, kShownBytesMax)))),
        "look at S3_ENDPOINT_URL, and at proxies or log-in pages between here and there");
}

Error bad_value(std::string_view element, std::string_view value) {
    return fail(Code::store, "the answer is not S3's: <{}> is '{}'", element,
                printable(value.substr(0, kShownBytesMax)));
}

// A parsed document; `root` is empty when there is none of the name that was expected.
struct Document {
    pugi::xml_document tree;
    pugi::xml_node root;
};

void parse(Document& document, std::string_view body, const char* root) {
    if (document.tree.load_buffer(body.data(), body.size()))
        document.root = document.tree.child(root);
}

std::string text_of(const pugi::xml_node& node, const char* name) {
    return node.child_value(name);
}

int hex_value(char c) {
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    return -1;
}

// encoding-type=url: %XX, and '+' for a space.
std::string decode_key(std::string_view text) {
    std::string key;
    key.reserve(text.size());
    for (std::size_t i = 0; i < text.size(); ++i) {
        const bool is_escape = text[i] == '%' && i + 2 < text.size() &&
                               hex_value(text[i + 1]) >= 0 && hex_value(text[i + 2]) >= 0;
        if (is_escape) {
            key += static_cast<char>(hex_value(text[i + 1]) * 16 + hex_value(text[i + 2]));
            i += 2;
        } else {
            key += text[i] == '+' ? ' ' : text[i];
        }
    }
    return key;
}

// Keys are encoded only when the server says that it did as it was asked.
class KeyReader {
  public:
    explicit KeyReader(const pugi::xml_node& root)
        : is_encoded_(text_of(root, "EncodingType") == "url") {}
    [[nodiscard]] std::string read(const pugi::xml_node& node, const char* name) const {
        return is_encoded_ ? decode_key(node.child_value(name)) : text_of(node, name);
    }

  private:
    bool is_encoded_;
};

Result<Instant> time_of(const pugi::xml_node& node, const char* name) {
    const auto time = remote::parse_rfc3339(node.child_value(name));
    if (!time) return bad_value(name, node.child_value(name));
    return *time;
}

Result<std::uint64_t> size_of(const pugi::xml_node& node) {
    const auto size = parse_u64(node.child_value("Size"));
    if (!size) return bad_value("Size", node.child_value("Size"));
    return *size;
}

bool is_truncated(const pugi::xml_node& root) {
    return std::string_view(root.child_value("IsTruncated")) == "true";
}

Result<ListedObject> parse_object(const pugi::xml_node& node, const KeyReader& keys) {
    ListedObject object;
    object.key = keys.read(node, "Key");
    ASB_TRY(object.size, size_of(node));
    ASB_TRY(object.modified, time_of(node, "LastModified"));
    object.etag = text_of(node, "ETag");
    return object;
}

Result<ListedVersion> parse_version(const pugi::xml_node& node, const KeyReader& keys) {
    ListedVersion version;
    version.key = keys.read(node, "Key");
    version.version_id = text_of(node, "VersionId");
    version.is_marker = std::string_view(node.name()) == "DeleteMarker";
    if (!version.is_marker) {
        ASB_TRY(version.size, size_of(node));
    }
    ASB_TRY(version.modified, time_of(node, "LastModified"));
    return version;
}

Result<ListedUpload> parse_upload(const pugi::xml_node& node, const KeyReader& keys) {
    ListedUpload upload;
    upload.key = keys.read(node, "Key");
    upload.upload_id = text_of(node, "UploadId");
    ASB_TRY(upload.initiated, time_of(node, "Initiated"));
    return upload;
}

Status too_many(std::size_t count) {
    if (count < kEntriesMax) return {};
    return fail(Code::store, "the answer is not S3's: a page of more than {} entries", kEntriesMax);
}

// An error for a body that is neither the document nor, after all, an <Error>.
Error refusal_or_not_s3(std::string_view body, std::string_view expected) {
    const auto error = parse_error(body);
    if (!error) return not_s3(body, expected);
    return fail(Code::store, "{}: {}", printable(error->code), printable(error->message));
}

}  // namespace

std::optional<ErrorReply> parse_error(std::string_view body) {
    Document document;
    parse(document, body, "Error");
    if (!document.root) document.root = document.tree.child("ErrorResponse").child("Error");
    if (!document.root) return std::nullopt;
    ErrorReply error;
    error.code = text_of(document.root, "Code");
    error.message = text_of(document.root, "Message");
    error.region = text_of(document.root, "Region");
    error.endpoint = text_of(document.root, "Endpoint");
    error.request_id = text_of(document.root, "RequestId");
    if (error.request_id.empty())
        error.request_id = text_of(document.tree.child("ErrorResponse"), "RequestId");
    return error;
}

Result<ObjectPage> parse_objects(std::string_view body) {
    Document document;
    parse(document, body, "ListBucketResult");
    if (!document.root) return refusal_or_not_s3(body, "a list of objects");
    const KeyReader keys(document.root);
    ObjectPage page;
    for (const auto& node : document.root.children("Contents")) {
        ASB_CHECK(too_many(page.objects.size()));
        ASB_TRY(auto object, parse_object(node, keys));
        page.objects.push_back(std::move(object));
    }
    if (!is_truncated(document.root)) return page;
    page.next_token = text_of(document.root, "NextContinuationToken");
    if (page.next_token.empty()) return bad_value("NextContinuationToken", "");
    return page;
}

Result<VersionPage> parse_versions(std::string_view body) {
    Document document;
    parse(document, body, "ListVersionsResult");
    if (!document.root) return refusal_or_not_s3(body, "a list of versions");
    const KeyReader keys(document.root);
    VersionPage page;
    for (const auto& node : document.root.children()) {
        const std::string_view name = node.name();
        if (name != "Version" && name != "DeleteMarker") continue;
        ASB_CHECK(too_many(page.versions.size()));
        ASB_TRY(auto version, parse_version(node, keys));
        page.versions.push_back(std::move(version));
    }
    if (!is_truncated(document.root)) return page;
    page.next_key = keys.read(document.root, "NextKeyMarker");
    page.next_version = text_of(document.root, "NextVersionIdMarker");
    if (page.next_key.empty()) return bad_value("NextKeyMarker", "");
    return page;
}

Result<UploadPage> parse_uploads(std::string_view body) {
    Document document;
    parse(document, body, "ListMultipartUploadsResult");
    if (!document.root) return refusal_or_not_s3(body, "a list of uploads");
    const KeyReader keys(document.root);
    UploadPage page;
    for (const auto& node : document.root.children("Upload")) {
        ASB_CHECK(too_many(page.uploads.size()));
        ASB_TRY(auto upload, parse_upload(node, keys));
        page.uploads.push_back(std::move(upload));
    }
    if (!is_truncated(document.root)) return page;
    page.next_key = keys.read(document.root, "NextKeyMarker");
    page.next_upload = text_of(document.root, "NextUploadIdMarker");
    if (page.next_key.empty()) return bad_value("NextKeyMarker", "");
    return page;
}

Result<std::string> parse_upload_id(std::string_view body) {
    Document document;
    parse(document, body, "InitiateMultipartUploadResult");
    if (!document.root) return refusal_or_not_s3(body, "the id of an upload");
    std::string id = text_of(document.root, "UploadId");
    if (id.empty()) return bad_value("UploadId", "");
    return id;
}

Status parse_completed(std::string_view body) {
    Document document;
    parse(document, body, "CompleteMultipartUploadResult");
    if (!document.root) return refusal_or_not_s3(body, "the end of an upload");
    return {};
}

Result<std::vector<Undeleted>> parse_deleted(std::string_view body) {
    Document document;
    parse(document, body, "DeleteResult");
    if (!document.root) return refusal_or_not_s3(body, "what was deleted");
    std::vector<Undeleted> kept;
    for (const auto& node : document.root.children("Error")) {
        ASB_CHECK(too_many(kept.size()));
        kept.push_back({.key = text_of(node, "Key"),
                        .version_id = text_of(node, "VersionId"),
                        .code = text_of(node, "Code"),
                        .message = text_of(node, "Message")});
    }
    return kept;
}

Result<bool> parse_versioning(std::string_view body) {
    Document document;
    parse(document, body, "VersioningConfiguration");
    // As moto, after the name of the operation, has it.
    if (!document.root) document.root = document.tree.child("GetBucketVersioningResponse");
    if (!document.root) return refusal_or_not_s3(body, "the bucket's versioning");
    return !text_of(document.root, "Status").empty();
}

Result<bool> parse_lock_enabled(std::string_view body) {
    Document document;
    parse(document, body, "ObjectLockConfiguration");
    if (!document.root) return refusal_or_not_s3(body, "the bucket's object lock");
    return text_of(document.root, "ObjectLockEnabled") == "Enabled";
}

Result<AssumedRole> parse_assumed_role(std::string_view body) {
    Document document;
    parse(document, body, "AssumeRoleWithWebIdentityResponse");
    const auto node = document.root.child("AssumeRoleWithWebIdentityResult").child("Credentials");
    if (!node) return refusal_or_not_s3(body, "temporary credentials");
    AssumedRole role;
    role.access_key_id = text_of(node, "AccessKeyId");
    role.secret_access_key = Secret(text_of(node, "SecretAccessKey"));
    role.session_token = Secret(text_of(node, "SessionToken"));
    ASB_TRY(role.expires, time_of(node, "Expiration"));
    if (role.access_key_id.empty() || role.secret_access_key.empty())
        return bad_value("Credentials", "without a key");
    return role;
}

}  // namespace asb::s3
