#pragma once
// Why this exists: an operator who needs one file back names it as it was named on the old machine,
// or by a pattern; this is what such a word means among the entries of an archive.

#include "engine/engine.hpp"

namespace asb::fileset {

// Whether `word` of --only means the entry called `name`. With a leading '/' it is the path on the
// machine that was backed up, in whichever component; else the name in the archive ("config/...").
// Shell patterns, whose wildcards stop at a '/'; a folder means all that is in it; a word that is
// exactly a name means it even when it looks like a pattern.
bool means(std::string_view word, std::string_view name);
bool any_means(const std::vector<std::string>& words, std::string_view name);

// As Engine::choose_entries: what the words mean, the folders above it, and for a hard link the
// files that it may lead to. Without words: the components.
Result<std::vector<bool>> choose_files(const RestoreRequest& request,
                                       std::span<const StoredEntry> entries);
// As Engine::contents: files and links, by their names in the archive.
std::vector<ContentLine> list_files(std::span<const StoredEntry> entries);

}  // namespace asb::fileset
