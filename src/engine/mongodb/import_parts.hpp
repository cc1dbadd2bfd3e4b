#pragma once
// Why this exists: an entry of ours states its size before its bytes, and a dump that comes as a
// stream does not know its collections' sizes. So documents are gathered into numbered parts, as a
// backup's large collections are.

#include <map>
#include <set>
#include <string>

#include "codec/tar.hpp"
#include "engine/mongodb/import_archive.hpp"

namespace asb::mongodb {

// An entry whose bytes are all here.
Status put_entry(EntrySink& sink, const std::string& name, Bytes bytes);

// Documents on their way into the parts of entries such as "mongodb/auth/users.bson".
class DocumentParts {
  public:
    // As much as waits in memory: half of what one document may take.
    static constexpr std::size_t kPartBytes = 8 * kMiB;

    // `sink` is borrowed.
    explicit DocumentParts(EntrySink& sink) : sink_(sink) {}
    // A document of another entry than the last one's begins another part.
    Status add(const std::string& entry, Bytes document);
    // What waits becomes a part; `entry` is written empty, without a number, if it had no document.
    Status complete(const std::string& entry);

  private:
    Status flush();
    EntrySink& sink_;
    std::string entry_;  // whose documents wait
    std::string waiting_;
    std::map<std::string, std::uint32_t> parts_;  // how many there are
};

// From an archive to entries.
class ArchiveEntries final : public ArchiveHandler {
  public:
    explicit ArchiveEntries(EntrySink& sink) : sink_(sink), parts_(sink) {}
    Status versions(std::string_view server, std::string_view tool) override;
    Status announced(const ArchiveCollection& collection) override;
    Status document(std::string_view database, std::string_view name, Bytes bytes) override;
    Status complete(std::string_view database, std::string_view name) override;

  private:
    const std::string& entry_of(std::string_view database, std::string_view name);
    EntrySink& sink_;
    DocumentParts parts_;
    std::set<std::string> views_;  // entries that are announced but have no data
    std::string database_;         // of the entry that was asked for last
    std::string name_;
    std::string entry_;
};

}  // namespace asb::mongodb
