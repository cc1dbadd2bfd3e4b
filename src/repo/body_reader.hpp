#pragma once
// Why this exists: a body is read piece by piece, and may go in the middle. To whoever holds its
// manifest that is damage, not a backup that was never there.

#include "repo/archive_reader.hpp"

namespace asb {

// Reads of the archive's body, which it borrows.
inline auto body_reader(const OpenArchive& archive) {
    return [body = archive.body.get(), name = archive.read.manifest.name](
               std::uint64_t offset, MutableBytes out) -> Status {
        auto status = body->read_at(offset, out);
        if (status.ok() || status.error().code != Code::not_found) return status;
        return fail(Code::damaged, "the body of {} went while it was being read: {}", name,
                    status.error().fact);
    };
}

}  // namespace asb
