#include "engine/mongodb/oplog_mark.hpp"

#include "engine/mongodb/bson_fields.hpp"
#include "engine/mongodb/bson_view.hpp"

namespace asb {
namespace {

using mongodb::BsonElement;
using mongodb::BsonType;
using mongodb::BsonView;
using mongodb::view_of;

// The fields that count, found in one walk through the entry.
struct Fields {
    std::optional<BsonElement> ts, t, op, o, wall, lsid, number, previous;
};

Fields fields_of(BsonView entry) {
    Fields fields;
    for (const auto& field : entry) {
        if (field.key == "ts") fields.ts = field;
        if (field.key == "t") fields.t = field;
        if (field.key == "op") fields.op = field;
        if (field.key == "o") fields.o = field;
        if (field.key == "wall") fields.wall = field;
        if (field.key == "lsid") fields.lsid = field;
        if (field.key == "txnNumber") fields.number = field;
        if (field.key == "prevOpTime") fields.previous = field;
    }
    return fields;
}

BsonView document_of(const std::optional<BsonElement>& field) {
    return field && field->holds_elements() ? view_of(*field) : BsonView();
}

CommitTime wall_of(const std::optional<BsonElement>& wall, const OpTime& optime) {
    if (!wall || !wall->is(BsonType::date)) return CommitTime(std::chrono::seconds(optime.seconds));
    const auto since = static_cast<std::int64_t>(mongodb::read_u64(wall->value.data()));
    return CommitTime(std::chrono::milliseconds(since));
}

std::string session_of(const Fields& fields) {
    const auto id = document_of(fields.lsid).find("id");
    if (!id || !fields.number) return {};
    return std::string(as_text(id->value)).append(as_text(fields.number->value));
}

bool follows_another(const Fields& fields) {
    const auto before = document_of(fields.previous).find("ts");
    return before && before->as_timestamp().value_or(0) != 0;
}

void read_command(const Fields& fields, EntryMark& mark) {
    const auto command = document_of(fields.o);
    if (command.empty()) return;
    const auto name = command.begin()->key;
    const bool ends = name == "commitTransaction" || name == "abortTransaction";
    if (name != "applyOps" && !ends) return;
    const bool to_come = command.flag("partialTxn") || command.flag("prepare");
    if (to_come) mark.kind = EntryMark::Kind::open;
    if (name == "abortTransaction") mark.kind = EntryMark::Kind::abort;
    if (to_come || ends || follows_another(fields)) mark.chain = session_of(fields);
}

}  // namespace

Result<EntryMark> read_mark(Bytes entry) {
    ASB_CHECK(check_frame(entry));
    const auto fields = fields_of(BsonView(entry));
    const auto ts = fields.ts ? fields.ts->as_timestamp() : std::nullopt;
    if (!ts) return fail(Code::damaged, "an oplog entry holds no ts");
    EntryMark mark;
    mark.optime = optime_of(*ts);
    if (fields.t) mark.term = fields.t->as_integer().value_or(-1);
    mark.wall = wall_of(fields.wall, mark.optime);
    const auto op = fields.op ? fields.op->as_string().value_or("") : std::string_view();
    if (op == "n") mark.kind = EntryMark::Kind::note;
    if (op == "c") read_command(fields, mark);
    if (!mark.is_exact() && mark.chain.empty()) mark.transaction = session_of(fields);
    return mark;
}

std::uint64_t point_of(const OpTime& optime) {
    return std::uint64_t{optime.seconds} << 32U | optime.increment;
}

OpTime optime_of(std::uint64_t at) {
    return {static_cast<std::uint32_t>(at >> 32U), static_cast<std::uint32_t>(at)};
}

}  // namespace asb
