#pragma once
// Why this exists: the lines of `check` look alike whichever database is looked at.

#include <string>
#include <utility>

#include "engine/engine.hpp"

namespace asb {

// A line whose failure is the database's (exit 6).
inline CheckLine check_line(CheckLine::Verdict verdict, std::string subject, std::string detail,
                            std::string fix = {}) {
    return {.verdict = verdict,
            .subject = std::move(subject),
            .detail = std::move(detail),
            .fix = std::move(fix),
            .code = Code::database};
}

// The line of what could not be looked at or is wrong; the hint is the fix.
inline CheckLine failed_check(std::string subject, const Error& error) {
    CheckLine line =
        check_line(CheckLine::Verdict::fail, std::move(subject), error.fact, error.hint);
    line.code = error.code;
    return line;
}

}  // namespace asb
