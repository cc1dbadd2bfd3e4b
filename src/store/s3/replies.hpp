#pragma once
// Why this exists: what S3 answers is XML; here each document that we ask for becomes a struct, and
// anything else (a proxy's HTML page, half a document) an error that says so. The shapes are those
// of the Amazon S3 API reference; other servers leave out what they do not have.
//
// Every parser takes the whole body, whose length HttpRequest::reply_bytes_max bounds already.

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.hpp"
#include "base/result.hpp"
#include "base/secret.hpp"

namespace asb::s3 {

// <Error>. All empty where the document is none.
struct ErrorReply {
    std::string code;  // "NoSuchBucket"
    std::string message;
    std::string region;      // of the bucket, where the request went to a wrong one
    std::string endpoint;    // where the bucket is, likewise
    std::string request_id;  // what Amazon's support asks for
};
// nullopt when `body` is not S3's <Error>, nor <ErrorResponse> as STS wraps it.
std::optional<ErrorReply> parse_error(std::string_view body);

struct ListedObject {
    std::string key;
    std::uint64_t size = 0;
    Instant modified;
    std::string etag;  // with its quotes
};
// ListObjectsV2, asked with encoding-type=url.
struct ObjectPage {
    std::vector<ListedObject> objects;
    std::string next_token;  // empty: the last page
};
Result<ObjectPage> parse_objects(std::string_view body);

struct ListedVersion {
    std::string key;
    std::string version_id;
    bool is_marker = false;  // a delete marker: from here on the object is gone
    std::uint64_t size = 0;
    Instant modified;
};
// ListObjectVersions, asked with encoding-type=url: as it came, newest first of each key.
struct VersionPage {
    std::vector<ListedVersion> versions;
    std::string next_key;  // both empty: the last page
    std::string next_version;
};
Result<VersionPage> parse_versions(std::string_view body);

struct ListedUpload {
    std::string key;
    std::string upload_id;
    Instant initiated;
};
// ListMultipartUploads, asked with encoding-type=url.
struct UploadPage {
    std::vector<ListedUpload> uploads;
    std::string next_key;  // both empty: the last page
    std::string next_upload;
};
Result<UploadPage> parse_uploads(std::string_view body);

// InitiateMultipartUpload: the upload's id.
Result<std::string> parse_upload_id(std::string_view body);

// CompleteMultipartUpload is answered with 200 before it is done, so the body alone tells.
Status parse_completed(std::string_view body);

// DeleteObjects: those that are still there.
struct Undeleted {
    std::string key;
    std::string version_id;
    std::string code;
    std::string message;
};
Result<std::vector<Undeleted>> parse_deleted(std::string_view body);

// GetBucketVersioning: whether there may be versions (Enabled, or Suspended: old ones may be left).
Result<bool> parse_versioning(std::string_view body);
// GetObjectLockConfiguration.
Result<bool> parse_lock_enabled(std::string_view body);

// STS AssumeRoleWithWebIdentity.
struct AssumedRole {
    std::string access_key_id;
    Secret secret_access_key;
    Secret session_token;
    Instant expires;
};
Result<AssumedRole> parse_assumed_role(std::string_view body);

}  // namespace asb::s3
