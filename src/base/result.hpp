#pragma once
// Why this exists: every step that a user's world can make fail returns a Result, and an Error
// already knows what the operator will read (fact, hint) and what the shell will see (one exit
// code). Exceptions stay for programming errors.

#include <fmt/format.h>

#include <optional>
#include <string>
#include <utility>
#include <variant>

namespace asb {

// What went wrong, in the product's own words; the names, numbers and meanings are those of
// docs/exit-codes.md.
enum class Code {
    failed,
    usage,
    incomplete,
    damaged,
    refused,
    database,
    store,
    unreachable_target,
    space,
    not_found,
    busy,
    wrong_key,
    interrupted,
};

// The exit status of the process for `code`; `interrupted` is 130, and main turns it to 143 after
// SIGTERM.
int exit_status(Code code);
// The name that `--json` shows and the metrics will use as a label.
const char* code_name(Code code);

// `fact` is lower case and names what is involved; `hint` says the next step and may be empty.
struct Error {
    Code code = Code::failed;
    std::string fact;
    std::string hint = {};
    bool retryable = false;

    // The same error with a longer story: "<context>: <fact>".
    [[nodiscard]] Error within(std::string_view context) const;
};

// "<fact>\nhint: <hint>", as a person reads it.
std::string to_text(const Error& error);

// An error of the given code, its fact formatted by fmt.
template <typename... Args>
Error fail(Code code, fmt::format_string<Args...> format, Args&&... args) {
    return Error{.code = code, .fact = fmt::format(format, std::forward<Args>(args)...)};
}

// The same error with its hint set.
Error with_hint(Error error, std::string hint);

// Ends the process with file and line: a broken promise of the program itself, never a user's
// mistake.
[[noreturn]] void assertion_failed(const char* what, const char* file, int line);
#define ASB_ASSERT(condition) \
    ((condition) ? static_cast<void>(0) : ::asb::assertion_failed(#condition, __FILE__, __LINE__))

template <typename T>
class [[nodiscard]] Result {
  public:
    // Implicit on purpose: `return value;` and `return error;` both read as what they are.
    Result(T value) : state_(std::in_place_index<0>, std::move(value)) {}      // NOLINT
    Result(Error error) : state_(std::in_place_index<1>, std::move(error)) {}  // NOLINT

    [[nodiscard]] bool ok() const { return state_.index() == 0; }
    explicit operator bool() const { return ok(); }

    T& value() & { return checked(); }
    T&& value() && { return std::move(checked()); }
    [[nodiscard]] const T& value() const& { return const_cast<Result*>(this)->checked(); }
    T* operator->() { return &checked(); }
    T& operator*() { return checked(); }
    const T* operator->() const { return &value(); }
    const T& operator*() const { return value(); }

    Error& error() {
        ASB_ASSERT(!ok());
        return *std::get_if<1>(&state_);
    }
    [[nodiscard]] const Error& error() const { return const_cast<Result*>(this)->error(); }

  private:
    T& checked() {
        ASB_ASSERT(ok());
        return *std::get_if<0>(&state_);
    }
    std::variant<T, Error> state_;
};

template <>
class [[nodiscard]] Result<void> {
  public:
    Result() = default;
    Result(Error error) : error_(std::move(error)) {}  // NOLINT

    [[nodiscard]] bool ok() const { return !error_.has_value(); }
    explicit operator bool() const { return ok(); }
    Error& error() {
        ASB_ASSERT(!ok());
        return *error_;
    }
    [[nodiscard]] const Error& error() const { return const_cast<Result*>(this)->error(); }

  private:
    std::optional<Error> error_;
};

using Status = Result<void>;

// ASB_TRY(auto part, store.put(...)): declares `part`, or returns the error to the caller.
// ASB_CHECK(file.sync()): the same for a Result<void>.
// NOLINTBEGIN(bugprone-macro-parentheses): a declaration cannot stand in parentheses.
#define ASB_JOIN_(a, b) a##b
#define ASB_JOIN(a, b) ASB_JOIN_(a, b)
#define ASB_TRY_(temporary, declaration, expression)          \
    auto temporary = (expression);                            \
    if (!temporary.ok()) return std::move(temporary.error()); \
    declaration = std::move(temporary).value()
#define ASB_TRY(declaration, expression) \
    ASB_TRY_(ASB_JOIN(asb_try_, __COUNTER__), declaration, expression)
// NOLINTEND(bugprone-macro-parentheses)
#define ASB_CHECK(expression)                                 \
    do {                                                      \
        if (auto asb_status = (expression); !asb_status.ok()) \
            return std::move(asb_status.error());             \
    } while (false)

}  // namespace asb
