// What S3 and Google Cloud Storage have in common passes the contract over a store in memory.

#include <chrono>
#include <memory>

#include "contract/store_contract.hpp"
#include "store/remote/memory_client.hpp"
#include "store/remote/rights.hpp"

namespace asb::contract {
namespace {

class MemoryLocation : public StoreLocation {
  public:
    StoreRights open() override {
        return {.reader = remote::make_reader(client_),
                .appender = remote::make_appender(client_),
                .eraser = remote::make_eraser(client_)};
    }

  private:
    const std::shared_ptr<remote::test::MemoryClient> client_ =
        std::make_shared<remote::test::MemoryClient>();
};

INSTANTIATE_TEST_SUITE_P(Remote, StoreContract,
                         testing::Values(StoreCase{
                             "Memory", [] { return std::make_unique<MemoryLocation>(); }}),
                         case_name);

}  // namespace
}  // namespace asb::contract
