#pragma once
// Why this exists: whoever runs in a pod, on a machine of EC2 or at a desk has credentials already;
// the first place that offers any is used, in Amazon's order, and asked again before they expire.

#include <memory>

#include "store/s3/credentials/provider.hpp"

namespace asb::s3 {

// Settings and environment, web identity, shared files, container endpoint, metadata service.
// `context` is borrowed while the source lives. Nothing is read before the first `get`.
std::shared_ptr<CredentialSource> credential_chain(const ProviderContext& context);

// The same over given places, for tests.
std::shared_ptr<CredentialSource> credential_chain_of(
    std::vector<std::unique_ptr<Provider>> providers);

}  // namespace asb::s3
