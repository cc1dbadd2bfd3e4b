// From chosen entries to stretches of the tar stream, and from those to entries again.

#include <algorithm>

#include "base/text.hpp"
#include "repo/pieces.hpp"

namespace asb {
namespace {

void add(std::vector<Stretch>& stretches, ByteRange range, std::size_t first) {
    if (!stretches.empty() && stretches.back().range.end == range.begin)
        stretches.back().range.end = range.end;
    else
        stretches.push_back({range, first});
}

// Compares what passes with what the inner manifest says should, and forwards what was chosen.
class ChosenEntries final : public EntrySink {
  public:
    ChosenEntries(const ArchiveContents& contents, const std::vector<bool>& chosen, EntrySink& next)
        : contents_(contents), chosen_(chosen), next_(next) {}
    // What comes next is `stretch`: the parser to feed with its bytes, until the next stretch.
    TarParser& enter(const Stretch& stretch) {
        at_ = stretch.first;
        base_ = stretch.range.begin;
        return parser_.emplace(*this);
    }

    Status begin(const EntryHeader& header) override {
        if (at_ >= contents_.entries.size() || !is_as_listed(header))
            return fail(Code::damaged,
                        "entry {} of the archive is not what its inner manifest says",
                        printable(header.name));
        if (!chosen_[at_]) return {};
        ++passed_;
        digest_.begin(header.name);
        return next_.begin(header);
    }
    Status write(Bytes bytes) override {
        if (!chosen_[at_]) return {};
        digest_.update(bytes);
        return next_.write(bytes);
    }
    Status end() override {
        const auto number = at_++;
        if (!chosen_[number]) return {};
        const auto& entry = contents_.entries[number];
        if (const auto digest = digest_.finish();
            entry.type == EntryType::file && digest != entry.digest)
            return fail(Code::damaged, "entry {} of the archive does not match its digest",
                        printable(entry.name));
        return next_.end();
    }
    [[nodiscard]] std::size_t passed() const { return passed_; }

  private:
    [[nodiscard]] bool is_as_listed(const EntryHeader& header) const {
        const auto& entry = contents_.entries[at_];
        if (header.name != entry.name || header.type != entry.type) return false;
        return entry.type != EntryType::file ||
               (header.size == entry.size && base_ + parser_->offset() == entry.offset);
    }

    const ArchiveContents& contents_;
    const std::vector<bool>& chosen_;
    EntrySink& next_;
    std::optional<TarParser> parser_;
    std::uint64_t base_ = 0;  // where the parser's stream begins in the tar stream
    std::size_t at_ = 0;
    std::size_t passed_ = 0;
    EntryDigest digest_;
};

class TextSink final : public EntrySink {
  public:
    Status begin(const EntryHeader& /*header*/) override { return {}; }
    Status write(Bytes bytes) override {
        text += as_text(bytes);
        return {};
    }
    Status end() override { return {}; }
    std::string text;
};

Status read_stretch(const Stretch& stretch, PieceSource& source, ChosenEntries& entries,
                    const ReadOptions& options) {
    TarParser& parser = entries.enter(stretch);
    for (auto left = stretch.range.end - stretch.range.begin; left != 0;) {
        ASB_CHECK(options.stop.check());
        ASB_TRY(const Bytes bytes, source.next());
        ASB_ASSERT(!bytes.empty() && bytes.size() <= left);
        ASB_CHECK(parser.feed(bytes));
        left -= bytes.size();
        if (options.progress != nullptr) options.progress->add(bytes.size());
    }
    return {};
}

}  // namespace

std::vector<Stretch> stretches_of(const ArchiveContents& contents,
                                  const std::vector<bool>& chosen) {
    std::vector<Stretch> stretches;
    std::uint64_t begin = 0;  // where the last file's data ended
    std::size_t first = 0;    // the entry after that file
    bool wants_header = false;
    for (std::size_t i = 0; i < contents.entries.size(); ++i) {
        const auto& entry = contents.entries[i];
        wants_header = wants_header || chosen[i];
        if (entry.type != EntryType::file) continue;
        if (chosen[i])
            add(stretches, {begin, data_end(entry)}, first);
        else if (wants_header)
            add(stretches, {begin, entry.offset}, first);
        begin = data_end(entry);
        first = i + 1;
        wants_header = false;
    }
    if (wants_header) add(stretches, {begin, contents.end}, first);
    return stretches;
}

Result<Selection> select_entries(const OpenArchive& archive, const ArchiveContents& contents,
                                 std::vector<bool> chosen) {
    Selection selection{.chosen = std::move(chosen), .stretches = {}, .pieces = {}};
    selection.stretches = stretches_of(contents, selection.chosen);
    std::vector<ByteRange> ranges;
    for (const auto& stretch : selection.stretches) ranges.push_back(stretch.range);
    ASB_TRY(selection.pieces, pieces_of(archive, std::move(ranges)));
    return selection;
}

Result<std::optional<std::string>> read_small_entry(const OpenArchive& archive,
                                                    std::string_view name, std::size_t bytes_max,
                                                    const ReadOptions& options) {
    ASB_TRY(const auto contents, read_contents(archive, options));
    const auto found = std::ranges::find(contents.entries, name, &InnerEntry::name);
    if (found == contents.entries.end()) return std::optional<std::string>();
    if (found->size > bytes_max)
        return fail(Code::damaged, "{} of {} is too large", printable(name),
                    archive.read.manifest.name);
    std::vector<bool> chosen(contents.entries.size());
    chosen[static_cast<std::size_t>(found - contents.entries.begin())] = true;
    ASB_TRY(const auto selection, select_entries(archive, contents, std::move(chosen)));
    TextSink sink;
    ASB_CHECK(read_selection(archive, contents, selection, sink, options));
    return std::optional(std::move(sink.text));
}

Status read_selection(const OpenArchive& archive, const ArchiveContents& contents,
                      const Selection& selection, EntrySink& sink, const ReadOptions& options) {
    PieceSource source(archive, selection.pieces, options.threads);
    ChosenEntries entries(contents, selection.chosen, sink);
    for (const auto& stretch : selection.stretches)
        ASB_CHECK(read_stretch(stretch, source, entries, options));
    const auto wanted = static_cast<std::size_t>(
        std::count(selection.chosen.begin(), selection.chosen.end(), true));
    if (entries.passed() == wanted) return {};
    return fail(Code::damaged,
                "{} holds {} of the {} entries that were chosen from its inner manifest",
                archive.read.manifest.name, entries.passed(), wanted);
}

}  // namespace asb
