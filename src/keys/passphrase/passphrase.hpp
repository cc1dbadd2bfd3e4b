#pragma once
// Why this exists: direct mode, in which the operator's own passphrase (BACKUP_ENCRYPTION_KEY)
// encrypts each backup, so that `openssl enc` with the same passphrase opens it on any machine.

#include "keys/key_provider.hpp"

namespace asb {

extern const KeyProviderDriver kPassphraseKey;

}  // namespace asb
