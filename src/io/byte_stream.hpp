#pragma once
// Why this exists: the two ends of every byte path. A sink is pushed into, a source is pulled from;
// a filter is a sink that pushes what it made into the next sink.

#include "base/bytes.hpp"
#include "base/result.hpp"

namespace asb {

// One thread at a time. After an error, or after `finish`, nothing more may be written.
class ByteSink {
  public:
    virtual ~ByteSink() = default;
    // Takes all of `bytes` or fails; `bytes` is borrowed for the call only.
    virtual Status write(Bytes bytes) = 0;
    // Everything written has gone through the last sink behind this one; `finish` is passed on to
    // it.
    virtual Status finish() = 0;
};

// One thread at a time.
class ByteSource {
  public:
    virtual ~ByteSource() = default;
    // The next bytes, valid until the next call; empty at the end, and again empty after it.
    virtual Result<Bytes> next() = 0;
};

}  // namespace asb
