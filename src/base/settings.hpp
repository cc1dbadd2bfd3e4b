#pragma once
// Why this exists: every setting is one row of a table; the command line, the environment,
// backup.conf, `config show`,
// `--help` and docs/configuration.md are all made from those rows. Rooms below `app` read resolved
// values by name.

#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "base/secret.hpp"

namespace asb {

enum class OptionKind { text, path, boolean, number, choice, list, url };

struct Option {
    std::string_view name;  // "BACKUP_DIR": in the environment and in backup.conf
    OptionKind kind = OptionKind::text;
    std::string_view default_value;  // in the form a user would write
    std::string_view summary;        // one line for --help and the configuration reference
    std::string_view choices = {};   // for `choice`: "auto|physical|logical"
    bool secret = false;             // never shown; NAME_FILE is accepted too
};

// Resolved values: read-only after app has made it, so any thread may read. Asking for a name that
// no row declares, or with the wrong kind, ends the process: it is a mistake of the program.
class Settings {
  public:
    struct Value {
        const Option* option = nullptr;
        Secret text;         // every value is kept as a Secret, since a URL may hold a password
        std::string origin;  // "default", "environment", "backup.conf line 12", "command line"
    };
    void set(const Option& option, std::string text, std::string origin);

    [[nodiscard]] const std::string& text(std::string_view name) const;
    [[nodiscard]] bool flag(std::string_view name) const;             // boolean
    [[nodiscard]] std::uint64_t number(std::string_view name) const;  // number
    [[nodiscard]] std::vector<std::string> list(
        std::string_view name) const;  // ':'-separated, empty parts dropped
    [[nodiscard]] bool is_default(std::string_view name) const;
    [[nodiscard]] const std::map<std::string, Value, std::less<>>& all() const { return values_; }

  private:
    [[nodiscard]] const Value& value(std::string_view name) const;
    std::map<std::string, Value, std::less<>> values_;
};

// Whether `text` is a value that `option` may have; the error names both and what would be right.
Status validate(const Option& option, std::string_view text);

}  // namespace asb
