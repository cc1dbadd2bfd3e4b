#include "ops/staging_state.hpp"

#include "base/text.hpp"
#include "codec/digest.hpp"

namespace asb {
namespace {

constexpr int kStateVersion = 1;
constexpr const char* kDigest = "sha256";

Json request_to_json(const RestoreRequest& request) {
    Json tablespaces = Json::array();
    for (const auto& [from, to] : request.tablespaces) tablespaces.push_back({from, to});
    return {{"target_dir", request.target_dir},
            {"files_dir", request.files_dir},
            {"tablespaces", tablespaces},
            {"components", request.components},
            {"only", request.only},
            {"all_databases", request.all_databases},
            {"force", request.force},
            {"drop_old", request.drop_old}};
}

RestoreRequest request_from_json(const Json& json) {
    RestoreRequest request;
    json.at("target_dir").get_to(request.target_dir);
    json.at("files_dir").get_to(request.files_dir);
    for (const auto& pair : json.at("tablespaces"))
        request.tablespaces.emplace_back(pair.at(0).get<std::string>(),
                                         pair.at(1).get<std::string>());
    json.at("components").get_to(request.components);
    json.at("only").get_to(request.only);
    json.at("all_databases").get_to(request.all_databases);
    json.at("force").get_to(request.force);
    json.at("drop_old").get_to(request.drop_old);
    return request;
}

Status check_utf8(const StagedRestore& staged) {
    const auto& request = staged.request;
    std::vector<std::string> texts = {staged.backup, request.target_dir, request.files_dir};
    for (const auto& [from, to] : request.tablespaces) {
        texts.push_back(from);
        texts.push_back(to);
    }
    texts.insert(texts.end(), request.only.begin(), request.only.end());
    for (const auto& text : texts)
        if (!is_utf8(text))
            return with_hint(
                fail(Code::usage, "{} is not UTF-8, and a prepared restore could not record it",
                     printable(text)),
                "name it otherwise, or restore without --staging");
    return {};
}

std::string digest_of(Json document) {
    document.erase(kDigest);
    return to_hex(sha256(as_bytes(canonical(document))));
}

}  // namespace

Result<std::string> to_text(const StagedRestore& staged) {
    ASB_CHECK(check_utf8(staged));
    ASB_TRY(const auto manifest, to_published(staged.manifest, nullptr));
    Json document = {{"version", kStateVersion},
                     {"backup", staged.backup},
                     {"manifest", manifest},
                     {"request", request_to_json(staged.request)},
                     {"made_folder", staged.made_folder}};
    document[kDigest] = digest_of(document);
    return canonical(document) + "\n";
}

Result<StagedRestore> parse_staged(std::string_view text, std::string_view what) {
    const auto damaged = with_hint(fail(Code::damaged, "{} is not as it was written", what),
                                   "remove the folder and prepare the restore anew");
    const auto parsed = parse_json(text, what);
    if (!parsed || !parsed->is_object() || !parsed->contains(kDigest)) return damaged;
    const Json& document = *parsed;
    if (document[kDigest] != digest_of(document)) return damaged;
    // The digest fits, so it is ours; only its version may be another.
    if (!document.contains("version") || document["version"] != kStateVersion)
        return with_hint(fail(Code::damaged, "{} was written by another version", what),
                         "publish it with the version that prepared it");
    StagedRestore staged;
    try {
        document.at("backup").get_to(staged.backup);
        document.at("made_folder").get_to(staged.made_folder);
        staged.request = request_from_json(document.at("request"));
        ASB_TRY(auto read, parse_manifest(document.at("manifest").get<std::string>(), what));
        staged.manifest = std::move(read.manifest);
    } catch (const Json::exception&) {
        return damaged;
    }
    return staged;
}

}  // namespace asb
