#pragma once
// Why this exists: what Google Cloud Storage does with a resumable upload that broke off, with a
// lost reply or with old generations, no emulator does; here a few hundred objects' worth of it, as
// Google documents it, behind a real socket, with faults where a test wants them.

#include <atomic>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace asb::gcs {

struct TestRequest {
    std::string method;
    std::string target;                          // as it was sent
    std::map<std::string, std::string> headers;  // names in lower case
    std::string body;

    [[nodiscard]] bool is(const std::string& wanted_method, const std::string& part) const {
        return method == wanted_method && target.find(part) != std::string::npos;
    }
    [[nodiscard]] std::string header(const std::string& name) const {
        const auto found = headers.find(name);
        return found == headers.end() ? std::string() : found->second;
    }
    // The value of a parameter of the query, decoded.
    [[nodiscard]] std::string parameter(const std::string& name) const;
};

struct TestReply {
    int status = 200;
    std::vector<std::pair<std::string, std::string>> headers = {};
    std::string body = {};
    bool hangs_up = false;  // it breaks off after the first byte of its body
};

struct TestObject {
    std::string bytes;
    std::uint64_t generation = 0;
    std::string mark = {};
    std::string created = "2024-01-15T02:00:00Z";
    std::string deleted = {};  // empty: the live one
};

// One bucket, "backups". Each request is answered by `before` when that gives a reply, else by the
// service, and then passes through `after`. All under one lock.
class TestService {
  public:
    TestService();
    ~TestService();
    TestService(const TestService&) = delete;
    TestService& operator=(const TestService&) = delete;

    [[nodiscard]] std::string endpoint() const {
        return "http://127.0.0.1:" + std::to_string(port_);
    }
    // Every request so far, as "PUT bytes 0-9/*" for chunks, else "GET /storage/…" without query.
    std::vector<std::string> log();

    std::function<std::optional<TestReply>(TestRequest&)> before;
    std::function<void(const TestRequest&, TestReply&)> after;
    std::multimap<std::string, TestObject> objects;  // by name: all generations
    bool has_versions = false;
    std::vector<std::string> permissions;

  private:
    struct Session {
        std::string name;
        std::string mark;
        bool once = false;
        std::string bytes = {};
        bool is_done = false;
    };
    void accept_all();
    void serve(int fd);
    TestReply answer(TestRequest& request);
    TestReply handle(const TestRequest& request);
    TestReply handle_upload(const TestRequest& request);
    TestReply handle_session(const TestRequest& request);
    TestReply handle_object(const TestRequest& request, const std::string& name);
    TestReply list(const TestRequest& request);
    TestReply media(const TestRequest& request, const TestObject& object);
    TestReply make_object(const std::string& name, std::string bytes, const std::string& mark,
                          bool once);
    TestObject* live(const std::string& name);

    int listener_ = -1;
    int port_ = 0;
    std::mutex mutex_;
    std::vector<std::string> log_;
    std::map<std::string, Session> sessions_;
    std::uint64_t next_generation_ = 1000;
    std::vector<int> connections_;
    std::vector<std::jthread> threads_;
    std::jthread acceptor_;
};

}  // namespace asb::gcs
