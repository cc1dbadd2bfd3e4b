#include "repo/entry_check.hpp"

#include "base/text.hpp"

namespace asb {

Status EntryCheck::begin(const EntryHeader& header) {
    ASB_CHECK(stop_.check());
    ASB_CHECK(safe_name(header.name));
    if (seen_inner_) return fail(Code::damaged, "the archive goes on after its inner manifest");
    in_inner_ = header.name == kInnerManifestName;
    digest_.begin(header.name);
    if (in_inner_) {
        if (header.size > kInnerManifestBytesMax)
            return fail(Code::damaged, "the inner manifest is too large");
        seen_inner_ = true;
        return {};
    }
    if (header.type == EntryType::other)
        return fail(Code::damaged, "the archive holds an entry of an unknown kind: {}",
                    printable(header.name));
    entry_ = InnerEntry{.name = header.name,
                        .type = header.type,
                        .offset = parser_->offset(),
                        .size = header.size,
                        .digest = {}};
    return next_.begin(header);
}

Status EntryCheck::write(Bytes bytes) {
    ASB_CHECK(stop_.check());
    digest_.update(bytes);
    return in_inner_ ? Status() : next_.write(bytes);
}

Status EntryCheck::end() {
    auto digest = digest_.finish();
    if (in_inner_) {
        inner_digest_ = std::move(digest);
        return {};
    }
    entry_.digest = std::move(digest);
    tally_.add(entry_);
    return next_.end();
}

Status EntryCheck::finish() {
    if (!seen_inner_) return fail(Code::damaged, "the archive has no inner manifest");
    if ("sha256:" + to_hex(tally_.finish()) != inner_digest_)
        return fail(Code::damaged,
                    "the entries of the archive are not those of its inner manifest");
    return {};
}

}  // namespace asb
