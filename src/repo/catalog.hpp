#pragma once
// Why this exists: what backups there are. Only manifests are believed; a body without one does not
// exist.

#include <string>
#include <vector>

#include "repo/manifest.hpp"
#include "store/store.hpp"

namespace asb {

struct CatalogEntry {
    enum class State { ok, damaged };
    std::string name;
    State state = State::ok;
    std::string problem;  // for damaged: what is wrong, one line
    // `damaged`, or why its manifest could not be read at all: then it may be good all the same.
    Code problem_code = Code::damaged;
    Manifest manifest;               // only the name is meaningful when damaged by its manifest
    std::uint64_t stored_bytes = 0;  // body, index and manifest as they lie in the store
    Digest digest{};                 // of the manifest as published; zeros when it cannot be read
};

struct Catalog {
    std::vector<CatalogEntry> entries;  // oldest first
    [[nodiscard]] const CatalogEntry* find(std::string_view name) const;
    // The error of the store that kept a manifest from being read; ok: none did. Whoever removes or
    // replaces what is damaged must ask first.
    [[nodiscard]] Status all_read() const;
    // The newest one that is ok; null when there is none.
    [[nodiscard]] const CatalogEntry* latest() const;
};

// Reads all manifests on `threads` threads (10,000 in well under a second from a local disk) and
// checks that body and index are there with the right length. One that cannot be read is listed as
// damaged, with the reason; the others are not affected. Needs no key, and so proves no MAC: verify
// does.
Result<Catalog> load_catalog(StoreReader& store, std::size_t threads);

// Bodies and indexes of backups that were never published and that nobody is writing: what a crash
// left behind. The three looks must be taken in this order: a backup that is being published
// between them shows in one of them.
std::vector<ObjectKey> unpublished_leftovers(const std::vector<ObjectInfo>& first_look,
                                             const std::vector<ObjectKey>& being_written,
                                             const std::vector<ObjectInfo>& second_look);

}  // namespace asb
