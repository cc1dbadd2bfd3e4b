#pragma once
// Why this exists: the rights of a local store share how a key becomes a file (never through a
// symbolic link below the store's folder) and how errno becomes an Error that an operator can act
// on.

#include <dirent.h>

#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>

#include "io/file.hpp"
#include "store/store.hpp"

namespace asb::local {

// The Error for a failed step on `path` in the store at `root`: `space`, else `store`, with the fix
// for the usual causes as its hint.
Error step_error(int error, std::string_view action, std::string_view path,
                 const std::string& root);

// An error of io/file.hpp as one of the store at `root`: `failed` becomes `store`, with a hint.
Error as_store_error(Error error, const std::string& root);

// `location` as the user gave it, without slashes at its end; empty is `usage`.
Result<std::string> parse_location(const std::string& location);

// The folder at `root`, or while that does not exist the nearest one above it, where it would be
// made.
std::string nearest_existing(const std::string& root);

// Where one object lives: an open folder, and the name in it.
struct Spot {
    UniqueFd folder;
    std::string name;  // the last part of the key
    std::string path;  // for errors
};

// The spot of `key`; nullopt when its folder (or the store's) does not exist.
Result<std::optional<Spot>> find_spot(const std::string& root, const ObjectKey& key);
// The same, making each missing folder (mode 0700) and syncing the folder that it was made in.
Result<Spot> make_spot(const std::string& root, const ObjectKey& key);

// Makes names durable. An fsync of a folder that has nothing new still makes the disk empty its
// cache, so the folders above are synced once for each folder that objects go to. Thread-safe.
class NameSync {
  public:
    // fsync of the folder of `key` and of each folder above it, up to and including `root`; of it
    // alone when it is the one of the call before: what is above it knew its name then already, and
    // knows it as long as it can be reached.
    Status sync(const std::string& root, const Spot& spot, const ObjectKey& key);

  private:
    bool is_known(const Spot& spot);
    void remember(const Spot& spot);

    std::mutex mutex_;
    UniqueFd known_;  // stays open: no other folder can get its number meanwhile
};

// One file or folder met on a walk; borrowed for the call.
struct Visit {
    int folder_fd;
    std::string_view folder_key;  // "" or "log/chain/"
    std::string_view name;        // as it is on disk
    unsigned char type;           // dirent's d_type; DT_UNKNOWN where the file system does not say
};
// Calls `visit` for every file below `root` whose folder can hold keys that begin with `prefix`.
// Folders whose name no key can have, and symbolic links, are not entered. A missing folder is
// success.
Status walk(const std::string& root, std::string_view prefix,
            const std::function<Status(const Visit&)>& visit);

}  // namespace asb::local
