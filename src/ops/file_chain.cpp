#include "ops/file_chain.hpp"

#include <algorithm>

#include "base/text.hpp"
#include "repo/repository.hpp"

namespace asb {
namespace {

// Of an entry that is read into memory.
constexpr std::uint64_t kSmallEntryBytesMax = 16 * kMiB;
// More backups in a row than a year of one every ten minutes; a bound against a circle.
constexpr std::size_t kChainMax = 65'536;

Result<OpenArchive> open_parent(const OpsContext& context, StoreReader& store,
                                const ParentBackup& parent) {
    ASB_CHECK(context.stop.check());
    const auto provider = reading_key(context);
    ASB_TRY(auto archive, open_archive(store, parent.name, provider.get()));
    if (archive.read.manifest.id != parent.id)
        return fail(Code::not_found, "{} is not the backup that it was", printable(parent.name));
    return archive;
}

// The backup before this one; nullopt for one that stands alone.
std::optional<ParentBackup> parent_of(const Manifest& manifest) {
    return manifest.type == BackupType::incremental ? manifest.parent : std::nullopt;
}

ReadOptions silent(const OpsContext& context) {
    return {.threads = job_count(context.settings), .progress = nullptr, .stop = context.stop};
}

Result<Reading> choose_link_reading(const OpsContext& context, const OpenArchive& archive,
                                    const Part& part) {
    Reading reading;
    ASB_TRY(reading.contents, read_contents(archive, read_options(context)));
    const auto entries = stored_entries(*reading.contents);
    ASB_TRY(auto chosen, part.engine->choose_entries(part.request, part.facts, entries));
    ASB_TRY(reading.selection, select_entries(archive, *reading.contents, std::move(chosen)));
    const auto& pieces = reading.selection->pieces;
    reading.stored_bytes = reading.contents->stored_bytes_read + pieces.stored_bytes;
    reading.plain_bytes = pieces.plain_bytes;
    return reading;
}

Status read_link(const OpsContext& context, const OpenArchive& archive, const Reading& reading,
                 RestoreSession& session) {
    return read_selection(archive, *reading.contents, *reading.selection, session,
                          read_options(context));
}

Status check_no_words(const Part& part) {
    if (part.request.only.empty()) return {};
    return with_hint(
        fail(Code::usage,
             "--only takes no files out of an incremental backup, whose logs are "
             "in several backups under several names"),
        "restore them with --components logs --files-dir DIR, and take what you need from "
        "there");
}

Status check_request(const FileChain& chain, const Part& part) {
    ASB_CHECK(check_no_words(part));
    const bool only_logs = std::ranges::all_of(part.request.components,
                                               [](const auto& name) { return name == "logs"; });
    if (chain.broken.empty() || only_logs) return {};
    return with_hint(fail(Code::not_found, "{} come from the full backup, which is missing: {}",
                          join(part.request.components, ", "), chain.broken),
                     "use --components logs for the logs that are there");
}

}  // namespace

Result<FileChain> open_file_chain(const OpsContext& context, StoreReader& store,
                                  const OpenArchive& last) {
    FileChain chain;
    chain.last = &last;
    auto parent = parent_of(last.read.manifest);
    if (!parent && last.read.manifest.type == BackupType::incremental)
        chain.broken = "it names no backup that it goes on from";
    while (parent && chain.older.size() < kChainMax) {
        auto archive = open_parent(context, store, *parent);
        if (!archive.ok() && archive.error().code == Code::interrupted) return archive.error();
        if (!archive.ok()) {
            chain.broken =
                fmt::format("{} cannot be read: {}", printable(parent->name), archive.error().fact);
            break;
        }
        parent = parent_of(archive->read.manifest);
        chain.older.push_back(std::move(*archive));
    }
    std::reverse(chain.older.begin(), chain.older.end());
    return chain;
}

Result<ChainReading> choose_chain_reading(const OpsContext& context, const FileChain& chain,
                                          Part& part) {
    ASB_CHECK(check_request(chain, part));
    ChainReading reading;
    part.request.data_bytes = 0;
    for (std::size_t i = 0; i < chain.size(); ++i) {
        ASB_TRY(auto link, choose_link_reading(context, chain.at(i), part));
        reading.stored_bytes += link.stored_bytes;
        reading.plain_bytes += link.plain_bytes;
        part.request.data_bytes += link.plain_bytes;
        reading.links.push_back(std::move(link));
    }
    return reading;
}

Status read_chain_into(const OpsContext& context, const StoreReader& store, const FileChain& chain,
                       const ChainReading& reading, RestoreSession& session) {
    for (std::size_t i = 0; i < chain.size(); ++i) {
        if (i != 0) ASB_CHECK(session.begin_link());
        const auto& link = chain.at(i);
        if (auto read = read_link(context, link, reading.links[i], session); !read)
            return damage_told(context, store, link.read.manifest.name, std::move(read.error()));
    }
    return {};
}

const CatalogEntry* chain_base(const Catalog& catalog, std::string_view name) {
    for (std::size_t links = 0; links <= catalog.entries.size(); ++links) {
        const auto* entry = catalog.find(name);
        if (entry == nullptr || entry->state != CatalogEntry::State::ok) return nullptr;
        if (entry->manifest.type != BackupType::incremental) return entry;
        if (!entry->manifest.parent) return nullptr;
        name = entry->manifest.parent->name;
    }
    return nullptr;
}

std::string newest_link(const Catalog& catalog, const std::string& base, std::uint64_t at,
                        std::optional<CommitTime> time) {
    for (auto entry = catalog.entries.rbegin(); entry != catalog.entries.rend(); ++entry) {
        const auto& manifest = entry->manifest;
        const bool is_link = entry->state == CatalogEntry::State::ok &&
                             manifest.type == BackupType::incremental && manifest.log;
        if (!is_link) continue;
        const bool is_late = time ? manifest.started_at > *time : manifest.log->facts.end().at > at;
        if (is_late) continue;
        const auto* first = chain_base(catalog, entry->name);
        if (first != nullptr && first->name == base) return entry->name;
    }
    return base;
}

Status add_links(const OpsContext& context, StoreReader& store, const std::string& base,
                 const std::string& newest, const Part& part, RestoreSession& session) {
    if (newest == base) return {};
    ASB_CHECK(check_no_words(part));
    const auto provider = reading_key(context);
    ASB_TRY(const auto last, open_archive(store, newest, provider.get()));
    ASB_TRY(const auto chain, open_file_chain(context, store, last));
    if (chain.older.empty() || chain.older.front().read.manifest.name != base) {
        context.log.warning("files are as they were in {}: no chain of backups leads to {}", base,
                            newest);
        return {};
    }
    for (std::size_t i = 1; i < chain.size(); ++i) {
        ASB_TRY(const auto reading, choose_link_reading(context, chain.at(i), part));
        ASB_CHECK(session.begin_link());
        ASB_CHECK(read_link(context, chain.at(i), reading, session));
    }
    return {};
}

Result<std::optional<std::string>> read_parent_entry(const OpsContext& context, StoreReader& store,
                                                     const ParentBackup& parent,
                                                     std::string_view entry) {
    ASB_TRY(const auto archive, open_parent(context, store, parent));
    return read_small_entry(archive, entry, kSmallEntryBytesMax, silent(context));
}

}  // namespace asb
