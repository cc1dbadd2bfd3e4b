#pragma once
// Why this exists: tests of the client have a service of their own, and make its faults happen.

#include <gtest/gtest.h>

#include <chrono>
#include <memory>
#include <optional>
#include <string>

#include "store/gcs/client.hpp"
#include "store/gcs/fake_service.hpp"

namespace asb::gcs {

class ClientTest : public testing::Test {
  protected:
    ClientOptions options(const std::string& location = "gs://backups/auth") {
        ClientOptions made;
        made.location = *parse_location(location);
        made.service.endpoint = service_.endpoint();
        made.service.credentials = credentials_;
        made.service.retry = {.tries_max = 4,
                              .wait_first = std::chrono::milliseconds(1),
                              .wait_max = std::chrono::milliseconds(2)};
        return made;
    }
    std::shared_ptr<remote::ObjectClient> client() { return make_client(options(), StopToken()); }

    // The request whose method and target or range have this in them is answered so, once.
    void fail_once(const std::string& method, const std::string& part, TestReply reply) {
        service_.before = [=,
                           used = false](TestRequest& request) mutable -> std::optional<TestReply> {
            const bool is_it = request.is(method, part) ||
                               (request.method == method &&
                                request.header("content-range").find(part) != std::string::npos);
            if (used || !is_it) return std::nullopt;
            used = true;
            return reply;
        };
    }

    // The request is carried out, but its reply does not arrive; once.
    void lose_reply(const std::string& method, const std::string& part) {
        service_.after = [=, used = false](const TestRequest& request, TestReply& reply) mutable {
            const bool is_it = request.is(method, part) ||
                               (request.method == method &&
                                request.header("content-range").find(part) != std::string::npos);
            if (used || !is_it) return;
            used = true;
            reply.hangs_up = true;
        };
    }

    std::string stored(const std::string& name) {
        const auto found = service_.objects.find("auth/" + name);
        return found == service_.objects.end() ? "<none>" : found->second.bytes;
    }

    TestService service_;
    Credentials credentials_ = Anonymous{};
};

}  // namespace asb::gcs
