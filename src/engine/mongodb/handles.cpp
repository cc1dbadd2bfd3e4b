#include "engine/mongodb/handles.hpp"

namespace asb {
namespace {

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
    static const MongocLibrary library;
}

}  // namespace asb
