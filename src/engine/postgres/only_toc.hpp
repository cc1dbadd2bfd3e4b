#pragma once
// Why this exists: to take single tables out of a dump, with all that is theirs, one must know its
// entries and what each depends on; pg_restore's own listing names them ambiguously, and its
// --table leaves indexes, keys and triggers behind. So the dump's table of contents is read itself.

#include <string>
#include <vector>

#include "base/result.hpp"

namespace asb::postgres {

struct TocEntry {
    int id = 0;
    std::string tag;                    // "users", "users users_pkey", "SCHEMA auth"
    std::string kind;                   // "TABLE", "TABLE DATA", "FK CONSTRAINT"
    std::string schema = {};            // empty for what is in none
    std::string definition_start = {};  // its first bytes, to tell a statement from a comment
    std::vector<int> depends = {};
};

// The entries of a dump in pg_dump's custom or directory format (`path`: the file or the folder),
// in their order. Archive versions 1.14 to 1.16 (pg_dump 12 to 18, pg_backup_archiver.h).
// `database` for another one, `damaged` for what is none.
Result<std::vector<TocEntry>> read_toc(const std::string& path);

}  // namespace asb::postgres
