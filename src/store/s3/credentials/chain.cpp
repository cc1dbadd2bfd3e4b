#include "store/s3/credentials/chain.hpp"

#include <vector>

#include "base/text.hpp"
#include "base/thread_annotations.hpp"

namespace asb::s3 {
namespace {

// Amazon hands out the next ones five minutes before the old expire ("Retrieve security credentials
// from instance metadata").
constexpr std::chrono::minutes kFreshFor{5};

class SettingsProvider : public Provider {
  public:
    explicit SettingsProvider(const Settings& settings) : settings_(settings) {}

    Result<std::optional<Credentials>> find() override {
        const auto& id = settings_.text("AWS_ACCESS_KEY_ID");
        const auto& secret = settings_.text("AWS_SECRET_ACCESS_KEY");
        if (id.empty() && secret.empty()) return std::optional<Credentials>();
        if (id.empty() || secret.empty())
            return with_hint(fail(Code::usage, "{} is set, but not {}",
                                  secret.empty() ? "AWS_ACCESS_KEY_ID" : "AWS_SECRET_ACCESS_KEY",
                                  secret.empty() ? "AWS_SECRET_ACCESS_KEY" : "AWS_ACCESS_KEY_ID"),
                             "set both, or none to use other credentials");
        return std::optional(
            Credentials{.access_key_id = id,
                        .secret_access_key = Secret(secret),
                        .session_token = Secret(settings_.text("AWS_SESSION_TOKEN")),
                        .expires = {},
                        .source = "AWS_ACCESS_KEY_ID"});
    }

    [[nodiscard]] std::string looked_at() const override { return "AWS_ACCESS_KEY_ID (not set)"; }

  private:
    const Settings& settings_;
};

class Chain : public CredentialSource {
  public:
    explicit Chain(std::vector<std::unique_ptr<Provider>> providers)
        : providers_(std::move(providers)) {}

    Result<Credentials> get() override {
        const UniqueLock lock(mutex_);
        if (known_ && (!known_->expires || *known_->expires - kFreshFor > now())) return *known_;
        auto fresh = find();
        // Until they expire, old ones are better than none.
        if (!fresh && known_ && known_->expires && *known_->expires > now()) return *known_;
        if (!fresh) return without_retry(std::move(fresh.error()));
        known_ = *fresh;
        return fresh;
    }

    void drop(const Credentials& refused) override {
        const UniqueLock lock(mutex_);
        const bool is_known = known_ && known_->access_key_id == refused.access_key_id &&
                              known_->session_token.reveal() == refused.session_token.reveal();
        if (is_known) known_.reset();
    }

  private:
    Result<Credentials> find() ASB_REQUIRES(mutex_) {
        std::vector<std::string> looked_at;
        looked_at.reserve(providers_.size());
        for (const auto& provider : providers_) {
            ASB_TRY(auto found, provider->find());
            if (found) return std::move(*found);
            looked_at.push_back(provider->looked_at());
        }
        return with_hint(fail(Code::usage, "there are no credentials for S3; looked at {}",
                              join(looked_at, ", ")),
                         "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE");
    }

    // Was tried again already, where that could help.
    static Error without_retry(Error error) {
        error.retryable = false;
        return error;
    }

    Mutex mutex_;
    const std::vector<std::unique_ptr<Provider>> providers_;
    std::optional<Credentials> known_ ASB_GUARDED_BY(mutex_);
};

}  // namespace

std::unique_ptr<Provider> settings_provider(const Settings& settings) {
    return std::make_unique<SettingsProvider>(settings);
}

std::shared_ptr<CredentialSource> credential_chain_of(
    std::vector<std::unique_ptr<Provider>> providers) {
    return std::make_shared<Chain>(std::move(providers));
}

std::shared_ptr<CredentialSource> credential_chain(const ProviderContext& context) {
    std::vector<std::unique_ptr<Provider>> providers;
    providers.push_back(settings_provider(context.settings));
    providers.push_back(web_identity_provider(context));
    providers.push_back(profile_provider(context));
    providers.push_back(container_provider(context));
    providers.push_back(instance_provider(context));
    return credential_chain_of(std::move(providers));
}

}  // namespace asb::s3
