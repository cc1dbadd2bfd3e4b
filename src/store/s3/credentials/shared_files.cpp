#include <cerrno>
#include <cstdlib>
#include <filesystem>

#include "base/text.hpp"
#include "io/file.hpp"
#include "store/s3/credentials/profile.hpp"
#include "store/s3/credentials/provider.hpp"

namespace asb::s3 {
namespace {

// Far more than anybody has profiles.
constexpr std::size_t kFileBytesMax = 1 * kMiB;

std::string path_of(const Settings& settings, std::string_view name, std::string_view below_home) {
    if (!settings.text(name).empty()) return settings.text(name);
    const char* home = std::getenv("HOME");  // NOLINT(concurrency-mt-unsafe): nobody sets it
    return home == nullptr ? std::string() : fmt::format("{}/{}", home, below_home);
}

std::string profile_name(const Settings& settings) {
    const auto& name = settings.text("AWS_PROFILE");
    return name.empty() ? "default" : name;
}

Result<Profiles> read_profiles(const std::string& path, ProfileFile kind) {
    std::error_code error;
    if (path.empty() || !std::filesystem::exists(path, error)) return Profiles();
    auto text = read_file(path, kFileBytesMax);
    if (!text)
        return with_hint(fail(Code::usage, "{}", text.error().fact),
                         "make the file readable to this user");
    return parse_profiles(*text, kind, path);
}

class ProfileProvider : public Provider {
  public:
    explicit ProfileProvider(const ProviderContext& context)
        : context_(context),
          name_(profile_name(context.settings)),
          credentials_path_(
              path_of(context.settings, "AWS_SHARED_CREDENTIALS_FILE", ".aws/credentials")),
          config_path_(path_of(context.settings, "AWS_CONFIG_FILE", ".aws/config")) {}

    Result<std::optional<Credentials>> find() override {
        ASB_TRY(auto lines, merged_lines());
        const bool is_named = !context_.settings.text("AWS_PROFILE").empty();
        if (lines.empty() && is_named)
            return with_hint(fail(Code::usage, "there is no profile '{}' in {} or {}",
                                  printable(name_), credentials_path_, config_path_),
                             "correct AWS_PROFILE");
        if (!lines["role_arn"].empty()) return assume(lines);
        if (!lines["credential_process"].empty() && lines["aws_access_key_id"].empty())
            return refused("credential_process");
        if (lines["aws_access_key_id"].empty()) return std::optional<Credentials>();
        return keys(lines);
    }

    [[nodiscard]] std::string looked_at() const override {
        return fmt::format("the profile '{}' of {} and {} (no keys there)", printable(name_),
                           credentials_path_, config_path_);
    }

  private:
    // The credentials file's lines stand before the configuration file's.
    Result<ProfileLines> merged_lines() {
        ASB_TRY(auto profiles, read_profiles(credentials_path_, ProfileFile::credentials));
        ASB_TRY(auto more, read_profiles(config_path_, ProfileFile::configuration));
        ProfileLines lines = std::move(profiles[name_]);
        lines.merge(more[name_]);
        return lines;
    }

    [[nodiscard]] std::string source() const {
        return fmt::format("the profile '{}' of {}", printable(name_), credentials_path_);
    }

    [[nodiscard]] Error refused(std::string_view line) const {
        return with_hint(fail(Code::usage, "the profile '{}' has {}, which is not followed",
                              printable(name_), line),
                         "name a profile with keys of its own, or one with role_arn and "
                         "web_identity_token_file, or set AWS_ACCESS_KEY_ID");
    }

    Result<std::optional<Credentials>> assume(ProfileLines& lines) {
        if (lines["web_identity_token_file"].empty())
            return refused(lines["source_profile"].empty() ? "role_arn without a token file"
                                                           : "source_profile");
        ASB_TRY(auto credentials,
                assume_role(context_, {.role_arn = lines["role_arn"],
                                       .token_file = lines["web_identity_token_file"],
                                       .session_name = lines["role_session_name"],
                                       .source = source()}));
        return std::optional(std::move(credentials));
    }

    Result<std::optional<Credentials>> keys(ProfileLines& lines) {
        if (lines["aws_secret_access_key"].empty())
            return with_hint(fail(Code::usage, "{} has a key without its secret", source()),
                             "add aws_secret_access_key");
        return std::optional(
            Credentials{.access_key_id = lines["aws_access_key_id"],
                        .secret_access_key = Secret(std::move(lines["aws_secret_access_key"])),
                        .session_token = Secret(std::move(lines["aws_session_token"])),
                        .expires = {},
                        .source = source()});
    }

    const ProviderContext context_;
    const std::string name_;
    const std::string credentials_path_;
    const std::string config_path_;
};

}  // namespace

std::unique_ptr<Provider> profile_provider(const ProviderContext& context) {
    return std::make_unique<ProfileProvider>(context);
}

std::string profile_region(const Settings& settings) {
    auto profiles = read_profiles(path_of(settings, "AWS_CONFIG_FILE", ".aws/config"),
                                  ProfileFile::configuration);
    if (!profiles) return {};
    return (*profiles)[profile_name(settings)]["region"];
}

}  // namespace asb::s3
