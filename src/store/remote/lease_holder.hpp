#pragma once
// Why this exists: a lease says who holds it, so that a run on the same machine knows at once that
// its holder is dead (kill -9, a crash), and an operator sees on which machine to look.

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace asb::remote {

struct LeaseHolder {
    std::string writer;  // random: one lease, not one process
    std::string host;
    // Together: the machine since its last start, and the numbering of processes that `pid` is of
    // (containers share the first and not the second).
    std::string boot_id;
    std::string pid_namespace;
    std::int64_t pid = 0;
    std::string process_start;  // in the kernel's ticks: a later process of the same id has another
    std::string began;          // ISO 8601
};

// This process, with a new `writer`.
LeaseHolder new_holder();

// What a lease's object holds: one line of JSON.
std::string to_line(const LeaseHolder& holder);
// nullopt for anything else.
std::optional<LeaseHolder> parse_line(std::string_view text);

// Whether the holder lives; nullopt when nobody can tell from here.
std::optional<bool> lives(const LeaseHolder& holder);

// "host db1, process 4711", for people.
std::string describe(const LeaseHolder& holder);

// While one exists, this process holds the lease of `writer`; a lease of this process without one
// was let go, although its object may still be there. Thread-safe.
class HeldHere {
  public:
    explicit HeldHere(std::string writer);
    ~HeldHere();
    HeldHere(const HeldHere&) = delete;
    HeldHere& operator=(const HeldHere&) = delete;

  private:
    const std::string writer_;
};

}  // namespace asb::remote
