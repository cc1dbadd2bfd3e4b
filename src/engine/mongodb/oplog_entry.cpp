#include "engine/mongodb/oplog_entry.hpp"

#include "base/text.hpp"

namespace asb::mongodb {
namespace {

// applyOps within applyOps; the server flattens them to one level.
constexpr unsigned kNestingMax = 10;

Error malformed(std::string_view field) {
    return fail(Code::damaged, "an oplog entry has no usable '{}'", field);
}

Result<char> parse_kind(std::string_view op) {
    if (op.size() == 1 && std::string_view("iudcn").find(op[0]) != std::string_view::npos)
        return op[0];
    if (op == "km" || op == "ci" || op == "cu" || op == "cd") return 'x';
    return with_hint(fail(Code::database, "the oplog holds an operation of the unknown kind '{}'",
                          printable(op)),
                     "the server that was backed up is newer than this program; restore with a "
                     "newer version of it");
}

std::string transaction_key(BsonView document) {
    const auto session = document.find("lsid");
    const auto number = document.find("txnNumber");
    if (!session || !number) return {};
    std::string key(as_text(session->value));
    key.append(as_text(number->value));
    return key;
}

bool is_chained(BsonView document) {
    const auto previous = document.child("prevOpTime").find("ts");
    return previous && previous->as_timestamp().value_or(0) != 0;
}

CommitTime wall_of(BsonView document, Position ts) {
    const auto wall = document.find("wall");
    if (!wall || !wall->is(BsonType::date))
        return CommitTime(std::chrono::seconds(static_cast<std::int64_t>(ts >> 32U)));
    return CommitTime(
        std::chrono::milliseconds(static_cast<std::int64_t>(read_u64(wall->value.data()))));
}

Status read_common(BsonView document, OplogEntry& entry) {
    ASB_TRY(entry.kind, parse_kind(document.text("op")));
    const auto name = document.text("ns");
    const auto dot = name.find('.');
    entry.database = name.substr(0, dot);
    if (dot != std::string_view::npos) entry.collection = name.substr(dot + 1);
    if (const auto uuid = document.find("ui");
        uuid && uuid->is(BsonType::binary) && uuid->value.size() == 5 + 16)
        entry.uuid = as_text(uuid->value.subspan(5));
    entry.o = document.child("o");
    entry.o2 = document.child("o2");
    const bool changes = entry.kind != 'n' && entry.kind != 'x';
    if (changes && (entry.database.empty() || entry.collection.empty())) return malformed("ns");
    if (changes && entry.o.bytes().empty()) return malformed("o");
    return {};
}

}  // namespace

std::string position_text(Position position) {
    return fmt::format("{}:{}", position >> 32U, position & 0xffffffffU);
}

std::string OplogEntry::name_space() const {
    return fmt::format("{}.{}", database, collection);
}

std::string_view OplogEntry::command() const {
    const auto first = o.begin();
    return first != o.end() ? first->key : std::string_view();
}

Result<OplogEntry> parse_oplog_entry(BsonView document) {
    OplogEntry entry;
    const auto ts = document.find("ts");
    if (!ts || !ts->as_timestamp()) return malformed("ts");
    entry.ts = *ts->as_timestamp();
    ASB_CHECK(read_common(document, entry));
    entry.wall = wall_of(document, entry.ts);
    entry.transaction = transaction_key(document);
    entry.in_chain = is_chained(document);
    const auto multi = document.find("multiOpType");
    entry.vectored = multi && multi->as_integer() == 1;
    return entry;
}

Result<OplogEntry> parse_inner_operation(BsonView document, Position ts) {
    OplogEntry entry;
    entry.ts = ts;
    ASB_CHECK(read_common(document, entry));
    return entry;
}

Status TransactionAssembler::take(const OplogEntry& entry) {
    if (entry.kind != 'c') return take_(entry);
    const auto command = entry.command();
    if (command == "applyOps") return apply_ops(entry);
    if (command == "commitTransaction") return commit(entry);
    if (command == "abortTransaction") {
        drop(entry.transaction);
        return {};
    }
    return take_(entry);
}

Status TransactionAssembler::apply_ops(const OplogEntry& entry) {
    const auto operations = entry.o.child("applyOps");
    if (entry.transaction.empty() || entry.vectored) return pass(operations, entry.ts, 1);
    const bool to_come = entry.o.flag("partialTxn") || entry.o.flag("prepare");
    if (!to_come && !entry.in_chain) {
        drop(entry.transaction);
        return pass(operations, entry.ts, 1);
    }
    ASB_CHECK(hold(entry, operations));
    return to_come ? Status() : commit(entry);
}

Status TransactionAssembler::hold(const OplogEntry& entry, BsonView operations) {
    if (!entry.in_chain) drop(entry.transaction);  // a transaction begins; no rest of an older one
    held_bytes_ += operations.bytes().size();
    if (held_bytes_ > kTransactionBytesMax)
        return with_hint(
            fail(Code::database, "the oplog holds open transactions of more than {} at {}",
                 human_bytes(kTransactionBytesMax), position_text(entry.ts)),
            "restore a backup that was taken when no transaction of that size was open");
    open_[entry.transaction].emplace_back(as_text(operations.bytes()));
    return {};
}

Status TransactionAssembler::commit(const OplogEntry& entry) {
    const auto found = open_.find(entry.transaction);
    if (found == open_.end())
        return with_hint(
            fail(Code::damaged, "the oplog commits a transaction at {} whose operations it lacks",
                 position_text(entry.ts)),
            "the slice begins too late; restore another backup");
    const std::deque<std::string> parts = found->second;
    drop(entry.transaction);
    for (const auto& part : parts) ASB_CHECK(pass(view_of(part), entry.ts, 1));
    return {};
}

void TransactionAssembler::drop(const std::string& transaction) {
    const auto found = open_.find(transaction);
    if (found == open_.end()) return;
    for (const auto& part : found->second)
        held_bytes_ -= std::min<std::uint64_t>(held_bytes_, part.size());
    open_.erase(found);
}

Status TransactionAssembler::pass(BsonView operations, Position ts, unsigned depth) {
    if (depth > kNestingMax) return malformed("applyOps");
    for (const auto& element : operations) {
        if (!element.is(BsonType::document)) return malformed("applyOps");
        ASB_TRY(const auto inner, parse_inner_operation(view_of(element), ts));
        if (inner.kind == 'c' && inner.command() == "applyOps")
            ASB_CHECK(pass(inner.o.child("applyOps"), ts, depth + 1));
        else
            ASB_CHECK(take_(inner));
    }
    return {};
}

}  // namespace asb::mongodb
