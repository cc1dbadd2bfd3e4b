#include "base/secret.hpp"

#include <string.h>

namespace asb {

void wipe_memory(void* data, std::size_t size) noexcept {
    explicit_bzero(data, size);
}

void Secret::wipe() noexcept {
    if (text_.capacity() != 0) wipe_memory(text_.data(), text_.capacity());
    text_.clear();
}

}  // namespace asb
