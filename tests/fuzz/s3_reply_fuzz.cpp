// A reply of any bytes, taken for each document that S3 is asked for: what is understood is whole,
// what is not is `store`.

#include <string_view>

#include "store/s3/credentials/profile.hpp"
#include "store/s3/replies.hpp"

namespace {

using namespace asb;

template <typename T>
void check(const Result<T>& result, Code refusal = Code::store) {
    ASB_ASSERT(result.ok() || (result.error().code == refusal && !result.error().fact.empty()));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view body(reinterpret_cast<const char*>(data), size);
    static_cast<void>(s3::parse_error(body));
    check(s3::parse_objects(body));
    check(s3::parse_versions(body));
    check(s3::parse_uploads(body));
    check(s3::parse_upload_id(body));
    check(s3::parse_completed(body));
    check(s3::parse_deleted(body));
    check(s3::parse_versioning(body));
    check(s3::parse_lock_enabled(body));
    check(s3::parse_assumed_role(body));
    check(s3::parse_profiles(body, s3::ProfileFile::configuration, "config"), Code::usage);
    return 0;
}
