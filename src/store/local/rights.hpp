#pragma once
// Why this exists: each right of the local store is its own class in its own file; this is how the
// driver opens them.

#include <memory>
#include <string>

#include "store/store.hpp"

namespace asb::local {

// `root` comes from parse_location. None of these touches the disk yet.
std::unique_ptr<StoreReader> make_reader(std::string root);
std::unique_ptr<StoreAppender> make_appender(std::string root);
std::unique_ptr<StoreEraser> make_eraser(std::string root);
// Bytes free where `root` is, or will be made; an error when a write there would fail for lack of
// rights. Writes nothing.
Result<std::optional<std::uint64_t>> writable_space(const std::string& root);
// How much of the file system where `root` is, or will be made, is in use, rounded up; absent where
// that cannot be found out, or it has no size.
std::optional<std::uint64_t> used_percent(const std::string& root);

}  // namespace asb::local
