// A part of the test program, so named that the library does not get it: see fake_service.hpp.

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cctype>

#include "base/bytes.hpp"
#include "base/json.hpp"
#include "base/text.hpp"
#include "codec/digest.hpp"
#include "store/gcs/encoding.hpp"
#include "store/gcs/fake_service.hpp"

namespace asb::gcs {
namespace {

std::string decoded(std::string_view text) {
    std::string plain;
    for (std::size_t i = 0; i < text.size(); ++i) {
        if (text[i] != '%') {
            plain += text[i];
            continue;
        }
        plain += static_cast<char>(std::stoi(std::string(text.substr(i + 1, 2)), nullptr, 16));
        i += 2;
    }
    return plain;
}

std::string lower(std::string text) {
    std::transform(text.begin(), text.end(), text.begin(),
                   [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
    return text;
}

bool receive_more(int fd, std::string& data) {
    std::array<char, 65536> buffer{};
    const auto count = recv(fd, buffer.data(), buffer.size(), 0);
    if (count <= 0) return false;
    data.append(buffer.data(), static_cast<std::size_t>(count));
    return true;
}

void send_all(int fd, std::string_view data) {
    while (!data.empty()) {
        const auto count = ::send(fd, data.data(), data.size(), MSG_NOSIGNAL);
        if (count <= 0) return;
        data.remove_prefix(static_cast<std::size_t>(count));
    }
}

TestRequest parse_head(const std::string& head) {
    TestRequest request;
    const auto lines = split(head, '\n');
    const auto words = split(trim(lines.front()), ' ');
    request.method = words.at(0);
    request.target = words.at(1);
    for (std::size_t i = 1; i < lines.size(); ++i) {
        const auto colon = lines[i].find(':');
        if (colon == std::string::npos) continue;
        request.headers[lower(lines[i].substr(0, colon))] =
            std::string(trim(std::string_view(lines[i]).substr(colon + 1)));
    }
    return request;
}

// One request out of `data` and what follows on `fd`; nullopt at the end.
std::optional<TestRequest> receive(int fd, std::string& data) {
    auto end = data.find("\r\n\r\n");
    for (; end == std::string::npos; end = data.find("\r\n\r\n"))
        if (!receive_more(fd, data)) return std::nullopt;
    auto request = parse_head(data.substr(0, end));
    data.erase(0, end + 4);
    if (!request.header("expect").empty()) send_all(fd, "HTTP/1.1 100 Continue\r\n\r\n");
    const auto length = request.header("content-length");
    const std::size_t size = length.empty() ? 0 : std::stoul(length);
    while (data.size() < size)
        if (!receive_more(fd, data)) return std::nullopt;
    request.body = data.substr(0, size);
    data.erase(0, size);
    return request;
}

TestReply failure(int status, const std::string& reason, const std::string& message) {
    const Json body{{"error",
                     {{"code", status},
                      {"message", message},
                      {"errors", Json::array({{{"reason", reason}}})}}}};
    return {.status = status, .body = body.dump()};
}

Json resource(const std::string& name, const TestObject& object) {
    Json json{{"name", name},
              {"size", std::to_string(object.bytes.size())},
              {"generation", std::to_string(object.generation)},
              {"timeCreated", object.created},
              {"crc32c", crc_to_base64(crc32c(0, as_bytes(object.bytes)))}};
    if (!object.deleted.empty()) json["timeDeleted"] = object.deleted;
    if (!object.mark.empty()) json["metadata"] = {{"asb-mark", object.mark}};
    return json;
}

std::string path_of(const TestRequest& request) {
    return request.target.substr(0, request.target.find('?'));
}

std::string mark_in(const Json& metadata) {
    return metadata.contains("metadata") ? metadata.at("metadata").value("asb-mark", "") : "";
}

}  // namespace

std::string TestRequest::parameter(const std::string& name) const {
    const auto question = target.find('?');
    if (question == std::string::npos) return {};
    for (const auto& pair : split(std::string_view(target).substr(question + 1), '&'))
        if (pair.substr(0, name.size() + 1) == name + "=")
            return decoded(std::string_view(pair).substr(name.size() + 1));
    return {};
}

TestService::TestService() : listener_(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof(address);
    auto* any = reinterpret_cast<sockaddr*>(&address);
    if (bind(listener_, any, size) != 0 || listen(listener_, SOMAXCONN) != 0 ||
        getsockname(listener_, any, &size) != 0)
        assertion_failed("the test's server listens", __FILE__, __LINE__);
    port_ = ntohs(address.sin_port);
    acceptor_ = std::jthread([this] { accept_all(); });
}

TestService::~TestService() {
    shutdown(listener_, SHUT_RDWR);
    acceptor_ = {};
    {
        const std::lock_guard lock(mutex_);
        for (const int fd : connections_) shutdown(fd, SHUT_RDWR);
    }
    threads_.clear();
    for (const int fd : connections_) close(fd);
    close(listener_);
}

std::vector<std::string> TestService::log() {
    const std::lock_guard lock(mutex_);
    return log_;
}

void TestService::accept_all() {
    while (true) {
        const int fd = accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
        if (fd < 0) return;
        const std::lock_guard lock(mutex_);
        connections_.push_back(fd);
        threads_.emplace_back([this, fd] { serve(fd); });
    }
}

void TestService::serve(int fd) {
    std::string data;
    while (auto request = receive(fd, data)) {
        const auto reply = answer(*request);
        if (reply.hangs_up) {
            // Without any byte, libcurl would send the request again by itself on a connection that
            // was used before.
            send_all(fd, "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{");
            break;
        }
        auto head = fmt::format("HTTP/1.1 {} Status\r\nContent-Length: {}\r\n", reply.status,
                                reply.body.size());
        for (const auto& [name, value] : reply.headers)
            head += fmt::format("{}: {}\r\n", name, value);
        send_all(fd, head + "\r\n" + reply.body);
    }
    shutdown(fd, SHUT_RDWR);
}

TestReply TestService::answer(TestRequest& request) {
    const std::lock_guard lock(mutex_);
    const auto range = request.header("content-range");
    log_.push_back(request.method + " " + (range.empty() ? path_of(request) : range));
    if (before)
        if (auto reply = before(request)) return *reply;
    auto reply = handle(request);
    if (after) after(request, reply);
    return reply;
}

TestReply TestService::handle(const TestRequest& request) {
    const std::string bucket = "/storage/v1/b/backups";
    const auto path = path_of(request);
    if (path == "/upload" + bucket + "/o")
        return request.parameter("upload_id").empty() ? handle_upload(request)
                                                      : handle_session(request);
    if (path == bucket)
        return {.body = has_versions ? R"({"versioning": {"enabled": true}})" : "{}"};
    if (path == bucket + "/iam/testPermissions")
        return {.body = Json{{"permissions", permissions}}.dump()};
    if (path == bucket + "/o") return list(request);
    if (path.substr(0, bucket.size() + 3) == bucket + "/o/")
        return handle_object(request, decoded(path.substr(bucket.size() + 3)));
    return failure(404, "notFound", "The specified bucket does not exist.");
}

TestObject* TestService::live(const std::string& name) {
    for (auto [i, end] = objects.equal_range(name); i != end; ++i)
        if (i->second.deleted.empty()) return &i->second;
    return nullptr;
}

TestReply TestService::make_object(const std::string& name, std::string bytes,
                                   const std::string& mark, bool once) {
    if (once && live(name) != nullptr) return failure(412, "conditionNotMet", "Precondition");
    const TestObject object{
        .bytes = std::move(bytes), .generation = next_generation_++, .mark = mark};
    objects.emplace(name, object);
    return {.body = resource(name, object).dump()};
}

TestReply TestService::handle_upload(const TestRequest& request) {
    const auto name = request.parameter("name");
    const bool once = request.parameter("ifGenerationMatch") == "0";
    if (request.parameter("uploadType") == "resumable") {
        if (once && live(name) != nullptr) return failure(412, "conditionNotMet", "Precondition");
        const auto id = std::to_string(sessions_.size());
        sessions_[id] = {.name = name, .mark = mark_in(Json::parse(request.body)), .once = once};
        return {.headers = {{"Location", "http://elsewhere.example" + path_of(request) +
                                             "?uploadType=resumable&upload_id=" + id}}};
    }
    const auto type = request.header("content-type");
    const auto boundary = "--" + type.substr(type.find("boundary=") + 9);
    const auto metadata = request.body.find("\r\n\r\n") + 4;
    const auto middle = request.body.find("\r\n" + boundary, metadata);
    const auto bytes = request.body.find("\r\n\r\n", middle) + 4;
    const auto end = request.body.rfind("\r\n" + boundary + "--");
    const auto json = Json::parse(request.body.substr(metadata, middle - metadata));
    auto content = request.body.substr(bytes, end - bytes);
    if (json.at("crc32c") != crc_to_base64(crc32c(0, as_bytes(content))))
        return failure(400, "invalid", "Provided CRC32C doesn't match");
    return make_object(name, std::move(content), mark_in(json), once);
}

// "bytes 0-9/*", "bytes 10-19/20", "bytes */20", "bytes */*".
TestReply TestService::handle_session(const TestRequest& request) {
    const auto found = sessions_.find(request.parameter("upload_id"));
    if (found == sessions_.end()) return failure(404, "notFound", "No such session");
    auto& session = found->second;
    if (request.method == "DELETE") {
        sessions_.erase(found);
        return {.status = 499};
    }
    const auto range = request.header("content-range").substr(6);
    const auto total = range.substr(range.find('/') + 1);
    if (range.front() != '*') {
        const auto first = std::stoul(range);
        if (first > session.bytes.size()) return failure(400, "invalid", "a gap");
        const auto known = std::min(session.bytes.size() - first, request.body.size());
        session.bytes += request.body.substr(known);
    }
    if (session.is_done) return {.body = resource(session.name, *live(session.name)).dump()};
    if (total != std::to_string(session.bytes.size())) {
        TestReply reply{.status = 308};
        if (!session.bytes.empty())
            reply.headers.emplace_back("Range",
                                       fmt::format("bytes=0-{}", session.bytes.size() - 1));
        return reply;
    }
    auto reply = make_object(session.name, session.bytes, session.mark, session.once);
    session.is_done = reply.status == 200;
    return reply;
}

TestReply TestService::media(const TestRequest& request, const TestObject& object) {
    const auto range = split(request.header("range").substr(6), '-');
    const auto first = std::stoul(range.at(0));
    if (first >= object.bytes.size()) return {.status = 416};
    const auto last = std::min(std::stoul(range.at(1)), object.bytes.size() - 1);
    return {
        .status = 206,
        .headers = {{"Content-Range",
                     fmt::format("bytes {}-{}/{}", first, last, object.bytes.size())},
                    {"x-goog-hash", "crc32c=" + crc_to_base64(crc32c(0, as_bytes(object.bytes)))}},
        .body = object.bytes.substr(first, last - first + 1)};
}

TestReply TestService::handle_object(const TestRequest& request, const std::string& name) {
    const auto wanted = request.parameter("generation");
    for (auto [i, end] = objects.equal_range(name); i != end; ++i) {
        auto& object = i->second;
        if (wanted.empty() ? !object.deleted.empty() : wanted != std::to_string(object.generation))
            continue;
        if (request.method == "DELETE") {
            objects.erase(i);
            return {.status = 204};
        }
        if (request.parameter("alt") == "media") return media(request, object);
        return {.body = resource(name, object).dump()};
    }
    return failure(404, "notFound", "No such object: backups/" + name);
}

// Two a page, so that each listing has several.
TestReply TestService::list(const TestRequest& request) {
    constexpr std::size_t kPage = 2;
    const auto prefix = request.parameter("prefix");
    const auto token = request.parameter("pageToken");
    std::vector<Json> all;
    for (const auto& [name, object] : objects)
        if (name.substr(0, prefix.size()) == prefix &&
            (object.deleted.empty() || request.parameter("versions") == "true"))
            all.push_back(resource(name, object));
    const auto begin = token.empty() ? std::size_t{0} : std::stoul(token);
    const auto end = std::min(begin + kPage, all.size());
    Json page{{"kind", "storage#objects"}};
    for (auto i = begin; i < end; ++i) page["items"].push_back(all[i]);
    if (end < all.size()) page["nextPageToken"] = std::to_string(end);
    return {.body = page.dump()};
}

}  // namespace asb::gcs
