#include "app/config_show.hpp"

#include "base/text.hpp"

namespace asb {
namespace {

std::string shown_value(const Settings::Value& value) {
    if (!value.option->secret) return printable(value.text.reveal());
    return value.text.empty() ? "" : "set";
}

}  // namespace

Report show_configuration(const Configuration& configuration) {
    Report report;
    report.document = {{"config_file", configuration.config_path},
                       {"settings", Json::object()},
                       {"notes", Json::array()}};
    report.text = configuration.config_path.empty()
                      ? "no configuration file\n"
                      : fmt::format("configuration file: {}\n", configuration.config_path);
    for (const auto& [name, value] : configuration.settings.all()) {
        const auto shown = shown_value(value);
        report.text +=
            fmt::format("{:<26} {:<32} {}\n", name, shown.empty() ? "-" : shown, value.origin);
        report.document["settings"][name] = {{"value", shown}, {"origin", value.origin}};
    }
    for (const auto& note : configuration.warnings) {
        report.text += fmt::format("note: {}\n", note);
        report.document["notes"].push_back(note);
    }
    return report;
}

}  // namespace asb
