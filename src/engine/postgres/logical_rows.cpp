#include "engine/postgres/logical_rows.hpp"

#include <algorithm>
#include <vector>

#include "base/text.hpp"
#include "engine/postgres/logical_pipe.hpp"
#include "engine/postgres/logical_programs.hpp"
#include "engine/postgres/swap_target.hpp"

namespace asb::postgres {
namespace {

constexpr std::string_view kCopy = "COPY ";
constexpr std::string_view kFromStdin = " FROM stdin;";
constexpr std::string_view kEndOfCopy = "\\.";
constexpr std::string_view kSetval = "SELECT pg_catalog.setval('";
constexpr std::string_view kOpenObject = "SELECT pg_catalog.lo_open('";

// The identifier at the start of `text`: up to the first blank that is not within quotation marks.
std::string_view leading_name(std::string_view text) {
    bool quoted = false;
    for (std::size_t at = 0; at < text.size(); ++at) {
        if (text[at] == '"') quoted = !quoted;
        if (text[at] == ' ' && !quoted) return text.substr(0, at);
    }
    return text;
}

// The text up to the closing quotation mark, '' read as one; `rest` begins after that mark.
std::string literal(std::string_view text, std::string_view& rest) {
    std::string value;
    std::size_t at = 0;
    for (; at < text.size(); ++at) {
        if (text[at] == '\'') {
            if (text.substr(at + 1, 1) != "'") break;
            ++at;
        }
        value.push_back(text[at]);
    }
    rest = text.substr(std::min(at + 1, text.size()));
    return value;
}

Error differ(const std::string& what, std::string_view expected, std::string_view found) {
    return fail(Code::damaged, "{}: {} in the backup, {} in the restored database", what, expected,
                found);
}

bool is_extensions(Connection& copy, const std::string& name) {
    const std::vector<std::string> words{name};
    const auto rows = copy.query_params(
        "SELECT EXISTS (SELECT FROM pg_depend WHERE classid = 'pg_class'::regclass AND objid = "
        "$1::regclass AND deptype = 'e')",
        words);
    return rows.ok() && cell(rows.value(), 0, 0) == "t";
}

}  // namespace

void DumpCounter::feed(std::string_view text) {
    while (!text.empty()) {
        const auto end = text.find('\n');
        const auto part = text.substr(0, end);
        const std::size_t wanted = copying_ == nullptr ? kLineBytesKept : kEndOfCopy.size() + 1;
        if (line_.size() < wanted) line_ += part.substr(0, wanted - line_.size());
        if (end == std::string_view::npos) return;
        end_line();
        text.remove_prefix(end + 1);
    }
}

void DumpCounter::end_line() {
    if (copying_ == nullptr)
        take_statement();
    else if (line_ == kEndOfCopy)
        copying_ = nullptr;
    else
        ++*copying_;
    line_.clear();
}

void DumpCounter::take_statement() {
    const std::string_view line = line_;
    if (line.starts_with(kCopy) && line.ends_with(kFromStdin)) {
        copying_ = &counts_.rows[std::string(leading_name(line.substr(kCopy.size())))];
    } else if (line.starts_with(kSetval)) {
        std::string_view rest;
        auto name = literal(line.substr(kSetval.size()), rest);
        constexpr std::string_view kComma = ", ";
        const auto end = rest.find(");");
        if (rest.starts_with(kComma) && end != std::string_view::npos)
            counts_.sequences[std::move(name)] = rest.substr(kComma.size(), end - kComma.size());
    } else if (line.starts_with(kOpenObject)) {
        ++counts_.large_objects;
    }
}

Result<DumpCounts> count_dump(const StoredDump& dump, const std::string& database,
                              const StopToken& stop, const std::string& use_list) {
    Command command{.arguments = {dump.pg_restore, "--data-only", "--file=-"},
                    .environment = {},
                    .run_as = std::nullopt,
                    .folder = ""};
    if (!use_list.empty()) command.arguments.push_back("--use-list=" + use_list);
    command.arguments.push_back(dump.path);
    ASB_TRY(auto program, PipedProgram::start(command, stop));
    DumpCounter counter;
    Buffer buffer(1 * kMiB);
    do {
        buffer.clear();
        ASB_CHECK(program->fill(buffer));
        counter.feed(as_text(buffer.view()));
    } while (!buffer.empty());
    ASB_TRY(const int status, program->finish());
    if (status != 0) return program_error("pg_restore", database, status, program->errors());
    return counter.counts();
}

Result<Compared> compare_with_dump(const DumpCounts& counted, Connection& copy) {
    Compared sum;
    for (const auto& [name, count] : counted.rows) {
        if (is_extensions(copy, name)) continue;
        ASB_TRY(const auto rows, copy.query(fmt::format("SELECT count(*) FROM ONLY {}", name),
                                            after(kLongStatementTimeout)));
        if (cell(rows, 0, 0) != std::to_string(count))
            return differ("table " + name, fmt::format("{} rows", count),
                          fmt::format("{} rows", cell(rows, 0, 0)));
        ++sum.relations;
        sum.rows += count;
    }
    for (const auto& [name, value] : counted.sequences) {
        if (is_extensions(copy, name)) continue;
        ASB_TRY(const auto rows, copy.query(fmt::format("SELECT last_value || ', ' || is_called "
                                                        "FROM {}",
                                                        name)));
        if (cell(rows, 0, 0) != value) return differ("sequence " + name, value, cell(rows, 0, 0));
        ++sum.relations;
        ++sum.sequences;
    }
    ASB_TRY(const auto objects, copy.query("SELECT count(*) FROM pg_largeobject_metadata"));
    if (cell(objects, 0, 0) != std::to_string(counted.large_objects))
        return differ("large objects", std::to_string(counted.large_objects), cell(objects, 0, 0));
    sum.large_objects = counted.large_objects;
    return sum;
}

}  // namespace asb::postgres
