#pragma once
// Why this exists: Google Cloud Storage as store/remote/object_client.hpp wants it, over the JSON
// API.
//
// An object is written once by ifGenerationMatch=0. Small ones go in one request; large ones
// through a resumable upload, whose chunks must arrive in order, so parts_at_once() is 1. The XML
// API's multipart uploads would take parts in parallel, but know no preconditions and replace what
// is there (page "XML API multipart uploads", Considerations): a second writer's backup would be
// lost. Composing an object of parallel pieces needs the right to delete, which a writer should not
// have, and cannot work below a retention policy. Several destinations and several objects still
// upload at once.
//
// CRC-32C of each object is sent with it or compared with what the store computed, or both.
//
// Fail points: store.gcs.put, .session, .part, .complete, .remove.

#include <memory>
#include <optional>
#include <string>

#include "store/gcs/location.hpp"
#include "store/gcs/service.hpp"
#include "store/remote/object_client.hpp"

namespace asb::gcs {

// How objects are stored; of data only, but for `kms_key`.
struct Keeping {
    std::string storage_class;  // empty: the bucket's
    std::string kms_key;        // empty: the bucket's
    bool event_based_hold = false;
    bool temporary_hold = false;
    std::uint64_t retain_days = 0;  // 0: no retention of the object's own
    bool is_retention_locked = false;
};

struct ClientOptions {
    Location location;
    Keeping keeping;
    Service::Options service;
    // Whether an upload that broke off is asked how far it came. Not of fake-gcs-server, which
    // takes that question for the end of the upload and publishes what it has.
    bool asks_how_far = true;
};

std::shared_ptr<remote::ObjectClient> make_client(ClientOptions options, const StopToken& stop);

// Whether the bucket is there and objects can be made in it, found out without writing.
Status check_writable(ClientOptions options, const StopToken& stop);

}  // namespace asb::gcs
