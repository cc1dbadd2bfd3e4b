// Any bytes as a document and then a row of oplog entries: each is parsed and put into its
// transaction, and each update is applied; what comes of it must be BSON again.

#include "engine/mongodb/oplog_entry.hpp"

#include "engine/mongodb/bson_frame.hpp"
#include "engine/mongodb/oplog_update.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace asb;
    using namespace asb::mongodb;
    std::string document;
    TransactionAssembler transactions([&](const OplogEntry& entry) -> Status {
        if (entry.kind != 'u') return {};
        auto after = apply_update(view_of(document), entry.o);
        if (!after.ok()) return after.error();
        // A difference may nest as deeply as documents do, and so may what it is applied to.
        if (after->size() <= kDocumentBytesMax && validate_bson(as_bytes(*after)).ok())
            document = std::move(*after);
        return {};
    });
    BsonFramer framer("fuzz", [&](Bytes bytes) -> Status {
        if (document.empty()) {
            document = as_text(bytes);
            return {};
        }
        ASB_TRY(const auto entry, parse_oplog_entry(BsonView(bytes)));
        return transactions.take(entry);
    });
    [[maybe_unused]] const auto fed = framer.feed(std::as_bytes(std::span(data, size)));
    return 0;
}
