#pragma once
// Why this exists: reads, small writes and uploads all speak of objects of one bucket; their URLs,
// metadata and the judgement of what the store made of a write are the same for all.

#include <optional>
#include <string>
#include <string_view>

#include "codec/digest.hpp"
#include "store/gcs/client.hpp"
#include "store/gcs/reply.hpp"

namespace asb::gcs {

// What was written, to compare the store's object with.
struct Written {
    std::string name;  // below the location's prefix
    remote::WriteOptions options;
    std::uint64_t size = 0;
    std::uint32_t crc32c = 0;
};

// Thread-safe.
class Bucket {
  public:
    Bucket(ClientOptions options, const StopToken& stop);

    [[nodiscard]] const ClientOptions& options() const { return options_; }
    [[nodiscard]] Service& service() { return service_; }

    // "https://…/storage/v1/b/<bucket>", and below it "/o/<name>".
    [[nodiscard]] std::string url() const;
    [[nodiscard]] std::string object_url(std::string_view name) const;
    // ".../upload/storage/v1/b/<bucket>/o?uploadType=<type>&name=…", with the preconditions and the
    // key of `options`.
    [[nodiscard]] std::string upload_url(std::string_view type, std::string_view name,
                                         const remote::WriteOptions& options) const;
    // The object resource that a write begins with; `crc` when it is known beforehand.
    [[nodiscard]] std::string metadata(const remote::WriteOptions& options,
                                       std::optional<std::uint32_t> crc) const;

    [[nodiscard]] Step step(std::string_view action, std::string_view name,
                            std::string_view permission) const;
    [[nodiscard]] std::string place(std::string_view name) const;

    // The live object, or the one of the location's time; nullopt: there is none.
    Result<std::optional<ObjectReply>> look(std::string_view name);
    // One page of the names that begin with `prefix`; `versions`: all generations.
    Result<PageReply> list(std::string_view prefix, const std::string& next, bool versions,
                           bool despite_stop = false);
    Result<HttpReply> send(const HttpRequest& request, bool despite_stop);

    // An object that we made and that is not what we sent must not stay under its name. Without the
    // right to delete it does; errors are ignored.
    void remove_generation(std::string_view name, const std::string& generation);
    // `busy`: the name has been written.
    [[nodiscard]] Error taken(std::string_view name) const;

    // The end of a write whose outcome `reply` tells: success when the store has what was written,
    // also when an earlier try whose reply was lost has made it; `busy` when the name is taken.
    Status conclude(const HttpReply& reply, const Written& written);
    // The same without a reply to go by: looks at what is there.
    Status look_for(const Written& written, const Error& otherwise);

  private:
    Status compare(const ObjectReply& object, const Written& written);
    Result<std::optional<ObjectReply>> look_back(std::string_view name, Instant at);

    const ClientOptions options_;
    Service service_;
};

}  // namespace asb::gcs
