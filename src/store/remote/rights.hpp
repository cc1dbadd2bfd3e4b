#pragma once
// Why this exists: each right of a remote store is its own class in its own file; this is how a
// driver opens them over its ObjectClient.
//
// An object `a/b` is the object `<prefix>/a/b`. Small ones go up in one request, large ones in
// parts, invisible until the last act. Who is writing a name stands in a lease
// (store/remote/lease.hpp).
//
// Fail points (base/fail_point.hpp): store.remote.create, .put, .part, .complete, .release, .erase.

#include <memory>

#include "store/remote/lease_times.hpp"
#include "store/remote/object_client.hpp"
#include "store/store.hpp"

namespace asb::remote {

// None of these sends a request yet.
std::unique_ptr<StoreReader> make_reader(std::shared_ptr<ObjectClient> client);
std::unique_ptr<StoreAppender> make_appender(std::shared_ptr<ObjectClient> client,
                                             LeaseTimes times = {});
std::unique_ptr<StoreEraser> make_eraser(std::shared_ptr<ObjectClient> client,
                                         LeaseTimes times = {});

}  // namespace asb::remote
