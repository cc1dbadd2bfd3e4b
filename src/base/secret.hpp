#pragma once
// Why this exists: a passphrase or password that cannot be printed by accident and does not outlive
// its use in memory.

#include <string>
#include <string_view>
#include <utility>

namespace asb {

// Zeroed on destruction; has no formatter and no stream operator on purpose. `reveal` is the one
// word to grep for.
class Secret {
  public:
    Secret() = default;
    explicit Secret(std::string text) : text_(std::move(text)) {}
    Secret(const Secret&) = default;
    Secret& operator=(const Secret& other) {
        if (this != &other) {
            wipe();
            text_ = other.text_;
        }
        return *this;
    }
    Secret(Secret&& other) noexcept : text_(std::move(other.text_)) { other.wipe(); }
    Secret& operator=(Secret&& other) noexcept {
        if (this != &other) {
            wipe();
            text_ = std::move(other.text_);
            other.wipe();
        }
        return *this;
    }
    ~Secret() { wipe(); }

    [[nodiscard]] bool empty() const { return text_.empty(); }
    [[nodiscard]] std::size_t size() const { return text_.size(); }
    // The text itself, borrowed: for the one call that needs it.
    [[nodiscard]] const std::string& reveal() const { return text_; }

  private:
    void wipe() noexcept;
    std::string text_;
};

// Overwrites memory in a way that the compiler may not remove.
void wipe_memory(void* data, std::size_t size) noexcept;

}  // namespace asb
