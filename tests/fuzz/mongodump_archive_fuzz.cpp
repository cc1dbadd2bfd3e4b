// An archive of mongodump's of any bytes, in pieces of any size: read or refused as damaged, the
// same whatever the pieces are, and what is passed on is what was announced.

#include <set>

#include "engine/mongodb/import_archive.hpp"

namespace {

using namespace asb;
using namespace asb::mongodb;

class Listener final : public ArchiveHandler {
  public:
    Status versions(std::string_view /*server*/, std::string_view /*tool*/) override { return {}; }
    Status announced(const ArchiveCollection& collection) override {
        names_.emplace(collection.database, collection.data_name());
        return {};
    }
    Status document(std::string_view database, std::string_view name, Bytes bytes) override {
        ASB_ASSERT(names_.contains({std::string(database), std::string(name)}));
        crc_ = archive_crc(crc_, bytes);
        return {};
    }
    Status complete(std::string_view database, std::string_view name) override {
        ASB_ASSERT(complete_.emplace(database, name).second);
        return {};
    }
    [[nodiscard]] std::uint64_t crc() const { return crc_; }

  private:
    std::set<std::pair<std::string, std::string>> names_;
    std::set<std::pair<std::string, std::string>> complete_;
    std::uint64_t crc_ = 0;
};

Status read(Bytes archive, std::size_t piece, Listener& listener) {
    ArchiveParser parser(listener);
    for (std::size_t at = 0; at < archive.size(); at += piece)
        ASB_CHECK(parser.feed(archive.subspan(at, std::min(piece, archive.size() - at))));
    return parser.finish();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const auto archive = std::as_bytes(std::span(data, size));
    Listener whole;
    Listener cut;
    const auto once = read(archive, std::max<std::size_t>(size, 1), whole);
    const auto pieces = read(archive, 3, cut);
    ASB_ASSERT(once.ok() == pieces.ok());
    ASB_ASSERT(whole.crc() == cut.crc());
    if (!once) {
        ASB_ASSERT(once.error().code == Code::damaged || once.error().code == Code::usage);
        ASB_ASSERT(once.error().fact == pieces.error().fact);
    }
    return 0;
}
