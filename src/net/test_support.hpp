#pragma once
// Why this exists: what the tests of this room ask of every exchange.

#include <gtest/gtest.h>

#include <chrono>
#include <functional>
#include <string>

#include "net/http.hpp"

namespace asb::test {

inline std::chrono::milliseconds time_of(const std::function<void()>& work) {
    const auto start = std::chrono::steady_clock::now();
    work();
    return std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::steady_clock::now() -
                                                                 start);
}

inline Result<HttpReply> get(HttpClient& client, const std::string& url) {
    return client.send({.url = url});
}

inline Error error_of(const Result<HttpReply>& reply) {
    EXPECT_FALSE(reply.ok()) << "status " << reply->status;
    return reply.ok() ? Error{} : reply.error();
}

}  // namespace asb::test
