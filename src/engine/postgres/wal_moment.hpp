#pragma once
// Why this exists: "nothing that was committed by 14:30 is missing" needs a time of the server's
// own clock at which everything written had come. Whoever takes WAL finds such times while it
// passes.

#include <optional>

#include "engine/postgres/wal_stream.hpp"

namespace asb {

// WAL says so when it comes with the server's end; silence does when two answers follow each other
// without WAL between them. A standby's clock says nothing of what its primary has committed.
class WalMoment {
  public:
    explicit WalMoment(bool standby) : standby_(standby) {}

    // What `stream` has just given; `boundary` is where the last complete record of it ends.
    void take(const WalStream& stream, const WalStream::Event& event, Lsn boundary);

    struct Known {
        Lsn at;             // everything committed by `time` lies before this place
        CommitTime time{};  // CommitTime{}: none is known
    };
    // The latest one whose place is not after `boundary`.
    const Known& known(Lsn boundary);

  private:
    void settle(Lsn boundary);

    bool standby_;
    Known known_;
    std::optional<Known> pending_;     // its place lies within a record that is not complete
    std::optional<CommitTime> asked_;  // the last answer's, while no WAL came after it
};

}  // namespace asb
