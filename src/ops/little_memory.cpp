#include "ops/little_memory.hpp"

#include <malloc.h>

namespace asb {

// Blocks of megabytes come and go with each object; glibc would keep them, in one arena a thread,
// and the process would hold twice what it uses. So each goes back to the system when it is freed.
void keep_little_memory() {
    constexpr int kReturnedBytes = 256 * 1024;
    // NOLINTBEGIN(concurrency-mt-unsafe): no other thread runs yet
    mallopt(M_MMAP_THRESHOLD, kReturnedBytes);
    mallopt(M_TRIM_THRESHOLD, kReturnedBytes);
    mallopt(M_ARENA_MAX, 1);
    // NOLINTEND(concurrency-mt-unsafe)
}

}  // namespace asb
