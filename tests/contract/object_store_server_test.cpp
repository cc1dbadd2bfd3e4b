// The servers that the drivers are judged by must be there, and their buckets fresh.

#include "contract/object_store_server.hpp"

#include <gmock/gmock.h>

#include <cstdlib>
#include <stdexcept>

#include "net/http.hpp"

namespace asb::contract {
namespace {

using testing::HasSubstr;
using testing::ThrowsMessage;

HttpReply get(const std::string& url) {
    HttpClient client({}, StopToken());
    HttpRequest request;
    request.url = url;
    auto reply = client.send(request);
    EXPECT_TRUE(reply.ok()) << to_text(reply.error());
    return reply.ok() ? std::move(*reply) : HttpReply();
}

TEST(ObjectStoreServer, MinioHasTheBucketAndAsksForASignature) {
    const auto bucket = minio().new_bucket();
    EXPECT_NE(bucket, minio().new_bucket());
    const auto reply = get(minio().endpoint() + "/" + bucket + "/");
    EXPECT_EQ(reply.status, 403);
    EXPECT_THAT(reply.body, HasSubstr("<BucketName>" + bucket + "</BucketName>"));
}

TEST(ObjectStoreServer, MotoHasTheBucket) {
    const auto bucket = moto().new_bucket();
    EXPECT_NE(bucket, moto().new_bucket());
    EXPECT_EQ(get(moto().endpoint() + "/" + bucket).status, 200);
    EXPECT_EQ(get(moto().endpoint() + "/another").status, 404);
}

TEST(ObjectStoreServer, FakeGcsHasTheBucket) {
    const auto bucket = fake_gcs().new_bucket();
    EXPECT_NE(bucket, fake_gcs().new_bucket());
    EXPECT_EQ(get(fake_gcs().endpoint() + "/storage/v1/b/" + bucket + "/o").status, 200);
    EXPECT_EQ(get(fake_gcs().endpoint() + "/storage/v1/b/another/o").status, 404);
}

TEST(ObjectStoreServer, AMissingProgramIsAnException) {
    ASSERT_EQ(setenv("ASB_MINIO", "/nowhere/minio", 1), 0);  // NOLINT(concurrency-mt-unsafe)
    EXPECT_THAT([] { const ObjectStoreServer server(ObjectStoreServer::Kind::minio); },
                ThrowsMessage<std::runtime_error>(
                    "no MinIO at '/nowhere/minio'\nhint: ./dev test sets ASB_MINIO"));
}

}  // namespace
}  // namespace asb::contract
