#include "engine/mongodb/swap_journal.hpp"

#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <array>

#include "base/fail_point.hpp"
#include "base/host.hpp"
#include "base/text.hpp"
#include "engine/mongodb/bson_frame.hpp"
#include "io/file.hpp"

namespace asb::mongodb {
namespace {

constexpr std::string_view kId = "restore";
constexpr std::size_t kStatBytesMax = 4096;  // one line
constexpr std::array<std::string_view, 6> kKinds = {"view_aside", "drop_series", "aside",
                                                    "replace",    "copy",        "make_view"};

// When a process began, in clock ticks since the machine did (proc(5), field 22 of stat); empty
// when there is no such process. A number is given out again; number and start together are not.
std::string start_of(std::string_view pid) {
    const auto stat = read_file(fmt::format("/proc/{}/stat", pid), kStatBytesMax);
    if (!stat.ok()) return {};
    const auto end_of_name = stat->rfind(')');
    if (end_of_name == std::string::npos) return {};
    const auto fields = split(std::string_view(*stat).substr(end_of_name + 1), ' ');
    constexpr std::size_t kStart = 20;  // after the name, from 0 with the leading blank
    return fields.size() > kStart ? fields[kStart] : std::string();
}

std::string encode_item(const SwapItem& item) {
    BsonWriter writer;
    writer.add_text("kind", kKinds.at(static_cast<std::size_t>(item.kind)))
        .add_text("name", item.name)
        .add_text("staged", item.staged)
        .add_text("before", item.before)
        .add_bool("buckets", item.buckets);
    if (!item.definition.empty()) writer.add_document("definition", as_bytes(item.definition));
    if (!item.indexes.empty()) writer.add_array("indexes", as_bytes(item.indexes));
    return writer.finish();
}

Error not_ours(std::string_view what) {
    return with_hint(fail(Code::damaged, "the journal {} of an earlier restore is unreadable: {}",
                          kJournalCollection, printable(what)),
                     "look at the collections with __restore_ and __before_ in their names, rename "
                     "what you need, and drop the journal");
}

Result<SwapItem> decode_item(BsonView document) {
    SwapItem item;
    const auto kind = std::ranges::find(kKinds, document.text("kind"));
    if (kind == kKinds.end()) return not_ours(document.text("kind"));
    item.kind = static_cast<SwapItem::Kind>(kind - kKinds.begin());
    item.name = document.text("name");
    item.staged = document.text("staged");
    item.before = document.text("before");
    item.buckets = document.flag("buckets");
    item.definition = as_text(document.child("definition").bytes());
    item.indexes = as_text(document.child("indexes").bytes());
    if (item.name.empty()) return not_ours("an item without a name");
    return item;
}

std::string with_majority(BsonWriter command) {
    const auto concern =
        BsonWriter().add_text("w", "majority").add_int32("wtimeout", 60'000).finish();
    return command.add_document("writeConcern", as_bytes(concern)).finish();
}

Status journal_fail_point() {
    if (const int error = fail_point("mongo.journal"))
        return fail(Code::failed, "cannot write the journal: {}",
                    std::generic_category().message(error));
    return {};
}

}  // namespace

std::string this_owner() {
    const auto pid = std::to_string(getpid());
    return fmt::format("{} {} {}", host_name(), pid, start_of(pid));
}

bool is_running(const SwapJournal& journal) {
    const auto parts = split(journal.owner, ' ');
    if (parts.size() != 3 || parts[0] != host_name()) return true;
    const auto start = start_of(parts[1]);
    return !start.empty() && start == parts[2];
}

std::string encode_journal(const SwapJournal& journal) {
    BsonWriter items;
    for (const auto& item : journal.items)
        items.add_document(std::to_string(items.count()), as_bytes(encode_item(item)));
    return BsonWriter()
        .add_text("_id", kId)
        .add_text("id", journal.id)
        .add_text("owner", journal.owner)
        .add_bool("swapping", journal.swapping)
        .add_bool("drop_old", journal.drop_old)
        .add_array("items", as_bytes(items.finish()))
        .finish();
}

Result<SwapJournal> decode_journal(BsonView document) {
    SwapJournal journal;
    journal.id = document.text("id");
    journal.owner = document.text("owner");
    journal.swapping = document.flag("swapping");
    journal.drop_old = document.flag("drop_old");
    if (journal.id.empty()) return not_ours("it has no id");
    for (const auto& element : document.child("items")) {
        ASB_TRY(auto item, decode_item(view_of(element)));
        journal.items.push_back(std::move(item));
    }
    return journal;
}

Result<std::optional<SwapJournal>> read_journal(MongoConnection& connection,
                                                std::string_view home) {
    std::optional<SwapJournal> journal;
    const auto filter = BsonWriter().add_text("_id", kId).finish();
    ASB_CHECK(find_documents(connection, {std::string(home), std::string(kJournalCollection)},
                             filter, BsonWriter().finish(), [&](Bytes document) -> Status {
                                 ASB_TRY(journal, decode_journal(BsonView(document)));
                                 return {};
                             }));
    return journal;
}

Status begin_journal(MongoConnection& connection, std::string_view home,
                     const SwapJournal& journal) {
    ASB_CHECK(journal_fail_point());
    const auto documents =
        BsonWriter().add_document("0", as_bytes(encode_journal(journal))).finish();
    BsonWriter command;
    command.add_text("insert", kJournalCollection).add_array("documents", as_bytes(documents));
    const auto inserted = run(connection, home, with_majority(std::move(command)));
    ASB_TRY(const auto written, read_journal(connection, home));
    if (written && written->id == journal.id) return {};
    if (!written && !inserted.ok()) return inserted.error();
    return with_hint(fail(Code::busy, "another restore into {} is under way", printable(home)),
                     "wait until it has ended");
}

Status write_journal(MongoConnection& connection, std::string_view home,
                     const SwapJournal& journal) {
    ASB_CHECK(journal_fail_point());
    const auto filter = BsonWriter().add_text("_id", kId).finish();
    const auto update = BsonWriter()
                            .add_document("q", as_bytes(filter))
                            .add_document("u", as_bytes(encode_journal(journal)))
                            .add_bool("upsert", true)
                            .finish();
    BsonWriter command;
    command.add_text("update", kJournalCollection)
        .add_array("updates", as_bytes(BsonWriter().add_document("0", as_bytes(update)).finish()));
    ASB_TRY([[maybe_unused]] const auto reply,
            run(connection, home, with_majority(std::move(command))));
    return {};
}

Status remove_journal(MongoConnection& connection, std::string_view home) {
    if (const int error = fail_point("mongo.cleanup"))
        return fail(Code::failed, "cannot remove the journal: {}",
                    std::generic_category().message(error));
    return drop_collection(connection, home, kJournalCollection);
}

}  // namespace asb::mongodb
