#include "app/drivers.hpp"

#include <array>

#include "engine/fileset/fileset_engine.hpp"
#include "engine/mongodb/mongodb_engine.hpp"
#include "engine/postgres/postgres_engine.hpp"
#include "keys/passphrase/passphrase.hpp"
#include "store/gcs/gcs_store.hpp"
#include "store/local/local_store.hpp"
#include "store/remote/connection.hpp"
#include "store/s3/s3_store.hpp"

namespace asb {
namespace {

constexpr std::array kStores = {&kLocalStore, &kS3Store, &kGcsStore};
constexpr std::array kEngines = {&kPostgresEngine, &kMongodbEngine, &kFilesetEngine};
constexpr std::array kKeyProviders = {&kPassphraseKey};

}  // namespace

Drivers all_drivers() {
    return {.stores = kStores,
            .store_options = remote::remote_options(),
            .engines = kEngines,
            .keys = kKeyProviders};
}

}  // namespace asb
