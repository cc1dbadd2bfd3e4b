#pragma once
// Why this exists: backups in a bucket of Amazon S3, or of another server that speaks its protocol.
//
// An object `a/b` of s3://bucket/prefix is the key `prefix/a/b`, written once (If-None-Match), with
// SHA-256 checksums that the store verifies on arrival.
//
// What is shared with other remote stores stands in store/remote/rights.hpp, its fail points too.

#include "store/store.hpp"

namespace asb {

extern const StoreDriver kS3Store;

}  // namespace asb
