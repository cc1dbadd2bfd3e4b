#include "contract/object_store_server.hpp"

#include <fmt/format.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <stdexcept>
#include <thread>

#include "io/file.hpp"
#include "net/http.hpp"

namespace asb::contract {
namespace {

using Kind = ObjectStoreServer::Kind;

constexpr std::chrono::seconds kStartTimeout{60};
constexpr std::chrono::seconds kStopTimeout{10};

// How a kind is called, named in the environment, and asked whether it is ready.
struct Words {
    const char* name;
    const char* variable;
    const char* ready;
    int answer;  // once it is ready
};

Words words_of(Kind kind) {
    switch (kind) {
        case Kind::minio:
            // Its health page says yes before it answers requests: a page that asks for a
            // signature.
            return {"MinIO", "ASB_MINIO", "/", 403};
        case Kind::moto:
            return {"moto", "ASB_MOTO", "/moto-api/", 200};
        case Kind::fake_gcs:
            break;
    }
    return {"fake-gcs-server", "ASB_FAKE_GCS", "/storage/v1/b?project=test", 200};
}

std::string environment(const char* name) {
    const char* value = std::getenv(name);  // NOLINT(concurrency-mt-unsafe): nobody calls setenv
    return value == nullptr ? std::string() : std::string(value);
}

std::string program_of(Kind kind) {
    const Words words = words_of(kind);
    std::string path = environment(words.variable);
    if (::access(path.c_str(), X_OK) != 0)
        throw std::runtime_error(fmt::format("no {} at '{}'\nhint: ./dev test sets {}", words.name,
                                             path, words.variable));
    return path;
}

int free_port() {
    const UniqueFd socket(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    auto* generic = reinterpret_cast<sockaddr*>(&address);
    if (::bind(socket.get(), generic, size) != 0 ||
        ::getsockname(socket.get(), generic, &size) != 0)
        throw std::runtime_error("no free port");
    return ntohs(address.sin_port);
}

}  // namespace

ObjectStoreServer::Folder::Folder() {
    const std::string base = environment("TMPDIR");
    path = fmt::format("{}/asb-objects-XXXXXX", base.empty() ? "/tmp" : base);
    if (::mkdtemp(path.data()) == nullptr) throw std::runtime_error("cannot make " + path);
}

ObjectStoreServer::Folder::~Folder() {
    std::error_code ignored;
    std::filesystem::remove_all(path, ignored);
}

ObjectStoreServer::ObjectStoreServer(Kind kind) : kind_(kind) {
    const std::string program = program_of(kind);
    const int port = free_port();
    endpoint_ = fmt::format("http://127.0.0.1:{}", port);
    std::filesystem::create_directory(folder_.path + "/data");
    Command start = command(port);
    start.arguments.insert(start.arguments.begin(), program);
    auto started = ChildProcess::start(start, folder_.path + "/server.log");
    if (!started.ok()) throw std::runtime_error(to_text(started.error()));
    process_ = std::move(*started);
    wait_until_ready();
}

ObjectStoreServer::~ObjectStoreServer() {
    process_->signal(SIGKILL);  // nothing here is worth an orderly end
    process_->wait(after(kStopTimeout));
}

Command ObjectStoreServer::command(int port) const {
    const std::string number = std::to_string(port);
    switch (kind_) {
        case Kind::minio:
            return {.arguments = {"server", "--quiet", "--address", "127.0.0.1:" + number,
                                  folder_.path + "/data"},
                    .environment = {{"MINIO_ROOT_USER", access_key()},
                                    {"MINIO_ROOT_PASSWORD", secret_key()},
                                    {"MINIO_BROWSER", "off"},
                                    // For server-side encryption: base64 of 32 bytes.
                                    {"MINIO_KMS_SECRET_KEY",
                                     "tests:MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="},
                                    {"HOME", folder_.path}}};
        case Kind::moto:
            return {.arguments = {"-H", "127.0.0.1", "-p", number}};
        case Kind::fake_gcs:
            break;
    }
    return {.arguments = {"-scheme", "http", "-host", "127.0.0.1", "-port", number, "-backend",
                          "memory", "-log-level", "warn"}};
}

int ObjectStoreServer::ask(const std::string& method, const std::string& target,
                           const std::string& body) const {
    HttpClient client({}, StopToken());
    HttpRequest request;
    request.method = method;
    request.url = endpoint_ + target;
    request.body = as_bytes(body);
    if (!body.empty()) request.headers.add("Content-Type", "application/json");
    const auto reply = client.send(request);
    return reply.ok() ? reply->status : 0;
}

void ObjectStoreServer::wait_until_ready() {
    const Deadline deadline = after(kStartTimeout);
    while (ask("GET", words_of(kind_).ready) != words_of(kind_).answer) {
        if (process_->poll_exit() || std::chrono::steady_clock::now() > deadline)
            throw std::runtime_error(
                fmt::format("{} did not start\n{}", words_of(kind_).name, log()));
        std::this_thread::sleep_for(std::chrono::milliseconds(20));
    }
}

std::string ObjectStoreServer::new_bucket() {
    std::string name = fmt::format("contract-{}", ++buckets_);
    int status = 200;
    if (kind_ == Kind::minio)
        // Its buckets are the folders of its drive, and to make one so needs no signature.
        std::filesystem::create_directory(fmt::format("{}/data/{}", folder_.path, name));
    else if (kind_ == Kind::moto)
        status = ask("PUT", "/" + name);
    else
        status = ask("POST", "/storage/v1/b?project=test", fmt::format(R"({{"name":"{}"}})", name));
    if (status != 200)
        throw std::runtime_error(
            fmt::format("{} made no bucket: {}", words_of(kind_).name, status));
    return name;
}

std::string ObjectStoreServer::log() const {
    auto text = read_file(folder_.path + "/server.log", 16 * kMiB);
    return text.ok() ? std::move(*text) : to_text(text.error());
}

ObjectStoreServer& minio() {
    static ObjectStoreServer server(Kind::minio);
    return server;
}

ObjectStoreServer& moto() {
    static ObjectStoreServer server(Kind::moto);
    return server;
}

ObjectStoreServer& fake_gcs() {
    static ObjectStoreServer server(Kind::fake_gcs);
    return server;
}

}  // namespace asb::contract
