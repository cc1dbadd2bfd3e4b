#pragma once
// Why this exists: one word for "borrowed bytes" everywhere, and a buffer that is neither zeroed
// nor copied on the byte path.

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <new>
#include <span>
#include <string_view>

#include "base/result.hpp"

namespace asb {

using Bytes = std::span<const std::byte>;
using MutableBytes = std::span<std::byte>;

inline constexpr std::uint64_t kKiB = 1024;
inline constexpr std::uint64_t kMiB = 1024 * kKiB;
inline constexpr std::uint64_t kGiB = 1024 * kMiB;

inline Bytes as_bytes(std::string_view text) {
    return std::as_bytes(std::span(text.data(), text.size()));
}
inline std::string_view as_text(Bytes bytes) {
    return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}
inline unsigned char* as_uchar(std::byte* bytes) {
    return reinterpret_cast<unsigned char*>(bytes);
}
inline const unsigned char* as_uchar(const std::byte* bytes) {
    return reinterpret_cast<const unsigned char*>(bytes);
}

// Of memory and file offset, for writes that go past the page cache (open(2), O_DIRECT): a page
// serves every block device.
inline constexpr std::size_t kDirectAlignment = 4096;

// A move-only block of memory: fixed capacity, a fill mark, contents not initialised, aligned to
// kDirectAlignment.
class Buffer {
  public:
    Buffer() = default;
    explicit Buffer(std::size_t capacity)
        : data_(static_cast<std::byte*>(
              ::operator new(capacity, std::align_val_t(kDirectAlignment)))),
          capacity_(capacity) {}

    [[nodiscard]] std::size_t size() const { return size_; }
    [[nodiscard]] std::size_t capacity() const { return capacity_; }
    [[nodiscard]] std::size_t room() const { return capacity_ - size_; }
    [[nodiscard]] bool empty() const { return size_ == 0; }
    [[nodiscard]] std::byte* data() { return data_.get(); }
    [[nodiscard]] Bytes view() const { return {data_.get(), size_}; }
    // The unfilled rest; follow a write into it with `grow`.
    [[nodiscard]] MutableBytes tail() { return {data_.get() + size_, room()}; }

    void grow(std::size_t count) {
        ASB_ASSERT(count <= room());
        size_ += count;
    }
    void resize(std::size_t size) {
        ASB_ASSERT(size <= capacity_);
        size_ = size;
    }
    void clear() { size_ = 0; }
    // Copies as much of `bytes` as there is room for; returns how much that was.
    std::size_t append(Bytes bytes) {
        const std::size_t count = bytes.size() < room() ? bytes.size() : room();
        if (count != 0) std::memcpy(data_.get() + size_, bytes.data(), count);
        size_ += count;
        return count;
    }

  private:
    struct Free {
        void operator()(std::byte* data) const {
            ::operator delete(data, std::align_val_t(kDirectAlignment));
        }
    };
    std::unique_ptr<std::byte, Free> data_;
    std::size_t capacity_ = 0;
    std::size_t size_ = 0;
};

}  // namespace asb
