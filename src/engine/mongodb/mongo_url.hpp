#pragma once
// Why this exists: DATABASE_URL holds a password, and libmongoc's own error for a bad one may quote
// it. So it is taken apart in one place, which says what is wrong without repeating any of it.

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "engine/mongodb/handles.hpp"

namespace asb {

// A checked `mongodb://` or `mongodb+srv://` address with our name in it. Copies share the
// password, which libmongoc overwrites when the last one goes. Read-only, so any thread may use it.
class MongoUrl {
  public:
    // `usage` when it is no such address; the error repeats nothing of `text`.
    static Result<MongoUrl> parse(std::string_view text);
    // The same address, but only the member `host_and_port` ("db1:27017", "[::1]:27017") and
    // directly: user, TLS, set name and time limits stay.
    [[nodiscard]] Result<MongoUrl> at_member(std::string_view host_and_port) const;
    // The same address without the name of a replica set, for asking a server what set it is of.
    [[nodiscard]] Result<MongoUrl> without_set(std::string_view host_and_port) const;
    // Takes over what a client's own address says after it resolved mongodb+srv.
    static MongoUrl of_client(const mongoc_client_t* client);

    [[nodiscard]] std::string database() const;     // of the path; empty: the whole deployment
    [[nodiscard]] std::string user() const;         // may be empty
    [[nodiscard]] std::string replica_set() const;  // of ?replicaSet=; may be empty
    [[nodiscard]] std::string address() const;      // "db1:27017,db2:27017", no secret
    [[nodiscard]] std::vector<std::string> hosts() const;  // each "db1:27017"
    [[nodiscard]] bool tls() const;
    [[nodiscard]] bool has_read_preference() const;  // says readPreference itself
    [[nodiscard]] const mongoc_uri_t* get() const { return uri_.get(); }

  private:
    explicit MongoUrl(MongoUri uri) : uri_(std::move(uri)) {}
    [[nodiscard]] Result<MongoUrl> direct(std::string_view host_and_port, bool keep_set) const;
    std::shared_ptr<mongoc_uri_t> uri_;
};

}  // namespace asb
