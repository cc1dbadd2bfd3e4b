#include "base/result.hpp"

#include <array>
#include <cstdio>
#include <cstdlib>

namespace asb {
namespace {

struct CodeRow {
    Code code;
    const char* name;
    int status;
};

constexpr std::array kCodes = {
    CodeRow{Code::failed, "failed", 1},
    CodeRow{Code::usage, "usage", 2},
    CodeRow{Code::incomplete, "incomplete", 3},
    CodeRow{Code::damaged, "damaged", 4},
    CodeRow{Code::refused, "refused", 5},
    CodeRow{Code::database, "database", 6},
    CodeRow{Code::store, "store", 7},
    CodeRow{Code::unreachable_target, "unreachable_target", 8},
    CodeRow{Code::space, "space", 9},
    CodeRow{Code::not_found, "not_found", 10},
    CodeRow{Code::busy, "busy", 11},
    CodeRow{Code::wrong_key, "wrong_key", 12},
    CodeRow{Code::interrupted, "interrupted", 130},
};

const CodeRow& row(Code code) {
    for (const auto& candidate : kCodes)
        if (candidate.code == code) return candidate;
    return kCodes.front();
}

}  // namespace

int exit_status(Code code) {
    return row(code).status;
}

const char* code_name(Code code) {
    return row(code).name;
}

Error Error::within(std::string_view context) const {
    Error wider = *this;
    wider.fact = fmt::format("{}: {}", context, fact);
    return wider;
}

std::string to_text(const Error& error) {
    return error.hint.empty() ? error.fact : error.fact + "\nhint: " + error.hint;
}

Error with_hint(Error error, std::string hint) {
    error.hint = std::move(hint);
    return error;
}

void assertion_failed(const char* what, const char* file, int line) {
    static_cast<void>(std::fprintf(stderr, "assertion failed: %s (%s:%d)\n", what, file, line));
    std::abort();
}

}  // namespace asb
