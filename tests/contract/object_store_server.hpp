#pragma once
// Why this exists: the drivers of object stores are judged by real servers. A test program starts
// one of a kind when its first test asks for it, on a free port of 127.0.0.1 with all its data in a
// temporary folder, and stops it by its process id when the program ends.
//
// Which programs: ASB_MINIO, ASB_MOTO and ASB_FAKE_GCS (./dev test sets them). One that is missing
// is an exception, and so a failed test.

#include <memory>
#include <string>

#include "io/subprocess.hpp"

namespace asb::contract {

// Everything throws std::runtime_error, with the server's log where there is one, when it does not
// work. One thread at a time.
class ObjectStoreServer {
  public:
    enum class Kind { minio, moto, fake_gcs };

    explicit ObjectStoreServer(Kind kind);
    ~ObjectStoreServer();
    ObjectStoreServer(const ObjectStoreServer&) = delete;
    ObjectStoreServer& operator=(const ObjectStoreServer&) = delete;

    // "http://127.0.0.1:PORT"; also what STORAGE_EMULATOR_HOST takes.
    [[nodiscard]] const std::string& endpoint() const { return endpoint_; }
    // MinIO checks them, moto takes any, fake-gcs-server knows none.
    [[nodiscard]] static std::string access_key() { return "contract-tests"; }
    [[nodiscard]] static std::string secret_key() { return "secret-of-the-contract-tests"; }
    // The name of a bucket made for this call: empty, without versions, and gone with the server.
    [[nodiscard]] std::string new_bucket();
    // All that the server has printed.
    [[nodiscard]] std::string log() const;

  private:
    // Removed with all below it, also when the server does not start.
    struct Folder {
        Folder();
        ~Folder();
        Folder(const Folder&) = delete;
        Folder& operator=(const Folder&) = delete;
        std::string path;
    };

    [[nodiscard]] Command command(int port) const;
    void wait_until_ready();
    // The status of one exchange; 0 when there was no reply.
    [[nodiscard]] int ask(const std::string& method, const std::string& target,
                          const std::string& body = {}) const;

    Kind kind_;
    Folder folder_;
    std::string endpoint_;
    std::unique_ptr<ChildProcess> process_;
    int buckets_ = 0;
};

// The program's only one of each kind; started by the first call.
ObjectStoreServer& minio();
ObjectStoreServer& moto();
ObjectStoreServer& fake_gcs();

}  // namespace asb::contract
