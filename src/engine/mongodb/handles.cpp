#include "engine/mongodb/handles.hpp"

#include <cstdlib>

namespace asb {
namespace {

// libmongoc starts itself before main and would keep its counters in a file of /dev/shm, named
// after the process. A killed process leaves that file; a later one of the same number then warns
// on stderr. So this is said before the library starts: 101 is the first priority that a program
// may use.
[[gnu::constructor(101)]] void keep_counters_in_memory() {
    setenv("MONGOC_DISABLE_SHM", "1", 1);  // NOLINT(concurrency-mt-unsafe): no thread runs yet
}

// libmongoc must be ended once, after everything else: its end frees OpenSSL's and its own tables.
class MongocLibrary {
  public:
    MongocLibrary() {
        mongoc_init();
        mongoc_log_set_handler(nullptr, nullptr);
    }
    ~MongocLibrary() { mongoc_cleanup(); }
    MongocLibrary(const MongocLibrary&) = delete;
    MongocLibrary& operator=(const MongocLibrary&) = delete;
};

}  // namespace

void start_mongoc() {
    static const MongocLibrary kLibrary;
}

}  // namespace asb
