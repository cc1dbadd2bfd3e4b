#pragma once
// Why this exists: an entry names its owner by number and by name, and a machine set up anew may
// have given the same name another number.

#include <sys/types.h>

#include <map>
#include <string>

#include "codec/tar.hpp"

namespace asb::fileset {

// Looks each owner up once. One thread at a time.
class Owners {
  public:
    // The name, or empty when the system knows none.
    const std::string& user_name(uid_t uid);
    const std::string& group_name(gid_t gid);
    // Who shall own a restored entry: the one of that name here, else the number.
    uid_t uid_of(const EntryHeader& header);
    gid_t gid_of(const EntryHeader& header);

  private:
    std::map<uid_t, std::string> user_names_;
    std::map<gid_t, std::string> group_names_;
    std::map<std::string, uid_t> uids_;
    std::map<std::string, gid_t> gids_;
};

}  // namespace asb::fileset
