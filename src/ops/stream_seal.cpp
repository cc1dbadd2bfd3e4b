#include "ops/stream_seal.hpp"

#include <algorithm>
#include <tuple>

#include "base/fail_point.hpp"
#include "base/text.hpp"
#include "io/file.hpp"
#include "ops/log_presence.hpp"

namespace asb {
namespace {

// What has grown to this is left alone.
constexpr std::uint64_t kLargePlainBytes = 32 * kMiB;
constexpr std::uint64_t kLargeStoredBytes = 4 * kMiB;
// Of one merged object; the process holds it twice, compressed and encrypted.
constexpr std::uint64_t kMergedStoredBytesMax = 12 * kMiB;
constexpr std::chrono::hours kDay{24};
constexpr std::chrono::minutes kAfterFailure{1};

bool is_small(const WrittenObject& object) {
    return object.plain_bytes < kLargePlainBytes && object.stored_bytes < kLargeStoredBytes;
}

bool goes_on(const WrittenObject& object, const WrittenObject& next) {
    return object.span.line == next.span.line && object.span.end == next.span.start;
}

bool holds(const LogSpan& larger, const LogSpan& smaller) {
    return larger.line == smaller.line && larger.start <= smaller.start &&
           smaller.end <= larger.end && larger.range() != smaller.range();
}

// At once: a sync of the folder for each would slow down what is being put there.
Status erase(const StreamSealer::Stores& stores, const std::string& log_id,
             const std::vector<WrittenObject>& objects) {
    std::vector<ObjectKey> keys;
    for (const auto& object : objects) {
        keys.push_back(key_of(log_id, object.span));
        if (const int error = fail_point("log.seal_erase"))
            return errno_error(error, "cannot remove", keys.back().text(), Code::store);
    }
    // What the store keeps under a lock stands beside the larger object that holds it too.
    ASB_TRY([[maybe_unused]] const auto kept, stores.eraser.erase_all(keys));
    return {};
}

// Verifies each, and publishes them as one; the small ones stay.
Result<WrittenObject> merge(const StreamSealer::Stores& stores, const StreamLog& log,
                            const std::vector<WrittenObject>& group) {
    LogBody body(log.compressed);
    LogObjectHeader header;
    for (const auto& object : group) {
        const auto key = key_of(log.log_id, object.span);
        ASB_TRY(const auto opened, open_log_object(stores.reader, key, log.key_or_null()));
        const LogObjectHeader& part = opened.header;
        if (&object == &group.front())
            header = part;
        else
            extend(header, part.range, part.times, part.last_record, part.tail);
        header.branches = part.branches;
        ASB_CHECK(body.write(as_bytes(opened.plain)));
    }
    ASB_TRY(auto finished, body.finish());
    header.salt.reset();
    const auto plain_bytes = finished.plain_bytes;
    ASB_CHECK(check_log_present(stores.reader, log.log_id));
    ASB_TRY(const auto sealed, seal_log_object(std::move(header), std::move(finished),
                                               log.key_or_null(), group.front().span.day));
    if (const int error = fail_point("log.seal"))
        return errno_error(error, "cannot write", sealed.key.text(), Code::store);
    const auto put = put_log_object(stores.appender, sealed);
    // Of an earlier attempt: the name says that it holds the same.
    if (!put.ok() && put.error().code != Code::busy) return put.error();
    return WrittenObject{.span = span_of(sealed.name),
                         .plain_bytes = plain_bytes,
                         .stored_bytes = sealed.stored_bytes()};
}

// Only what can be read back takes the place of others.
Result<WrittenObject> merge_and_erase(const StreamSealer::Stores& stores, const StreamLog& log,
                                      const std::vector<WrittenObject>& group) {
    ASB_TRY(auto merged, merge(stores, log, group));
    ASB_TRY([[maybe_unused]] const auto opened,
            open_log_object(stores.reader, key_of(log.log_id, merged.span), log.key_or_null()));
    ASB_CHECK(check_log_present(stores.reader, log.log_id));
    ASB_CHECK(erase(stores, log.log_id, group));
    return merged;
}

}  // namespace

StreamSealer::~StreamSealer() {
    if (result_.valid()) result_.wait();
}

Status StreamSealer::load() {
    Group all;
    objects_.clear();
    const auto today = now();
    for (const auto day : {today - kDay, today}) {
        const auto prefix =
            fmt::format("{}{}/{}/", kLogPrefix, log_.log_id,
                        day_of(std::chrono::time_point_cast<std::chrono::microseconds>(day)));
        ASB_TRY(const auto found, stores_.reader.list(prefix));
        for (const auto& object : found) {
            const auto name = parse_log_name(object.key.text());
            if (!name || name->kind != LogName::Kind::object) continue;
            WrittenObject known{.span = span_of(name->object), .stored_bytes = object.size};
            const auto read = read_log_header(stores_.reader, object.key);
            if (!read) continue;  // a damaged one is left as it is
            known.plain_bytes = read->header.plain_bytes;
            all.push_back(known);
        }
    }
    std::sort(all.begin(), all.end(), [](const WrittenObject& a, const WrittenObject& b) {
        return std::tie(a.span.line, a.span.start, b.span.end) <
               std::tie(b.span.line, b.span.start, a.span.end);
    });
    return forget_merged(all);
}

// `all` has the longer one first where two begin at one place.
Status StreamSealer::forget_merged(const Group& all) {
    const WrittenObject* larger = nullptr;
    bool proved = false;
    Group merged;
    for (const auto& object : all) {
        if (larger != nullptr && holds(larger->span, object.span)) {
            if (!proved)
                proved = open_log_object(stores_.reader, key_of(log_.log_id, larger->span),
                                         log_.key_or_null())
                             .ok();
            if (proved) {
                merged.push_back(object);
                continue;
            }
        } else {
            larger = &object;
            proved = false;
        }
        add(object);
    }
    auto erased = erase(stores_, log_.log_id, merged);
    if (erased.ok() || erased.error().code == Code::interrupted) return erased;
    // Who writes the log need not be able to delete: they stand beside the larger object.
    diary_.warning("{} of the log {}, merged into larger ones, could not be removed: {}",
                   counted(merged.size(), "object"), log_.log_id, erased.error().fact);
    return {};
}

void StreamSealer::add(const WrittenObject& object) {
    if (!is_small(object)) return;
    objects_.push_back(object);
    changed_ = true;
}

// The oldest objects that go on from each other; the newest one of all is never among them, since
// whoever goes on from it reads it just now.
StreamSealer::Group StreamSealer::next_group() const {
    Group group;
    std::uint64_t plain = 0;
    std::uint64_t stored = 0;
    for (std::size_t i = 0; i + 1 < objects_.size(); ++i) {
        const auto& object = objects_[i];
        const bool fits = plain + object.plain_bytes <= kLogPlainBytesMax &&
                          stored + object.stored_bytes <= kMergedStoredBytesMax;
        if (!group.empty() && (!fits || !goes_on(group.back(), object))) {
            if (group.size() > 1) return group;
            group.clear();
            plain = stored = 0;
        }
        group.push_back(object);
        plain += object.plain_bytes;
        stored += object.stored_bytes;
    }
    return group.size() > 1 ? group : Group();
}

void StreamSealer::poll() {
    if (result_.valid()) {
        if (result_.wait_for(std::chrono::seconds(0)) != std::future_status::ready) return;
        take_result();
    }
    if (std::chrono::steady_clock::now() < not_before_) return;
    if (stale_) reload();
    if (!changed_ || stale_) return;
    std::uint64_t plain = 0;
    for (const auto& object : objects_) plain += object.plain_bytes;
    if (objects_.size() <= objects_max_ && plain < kLogPlainBytesMax) return;
    if (!check_log_present(stores_.reader, log_.log_id).ok()) return;
    changed_ = false;
    merging_ = next_group();
    if (merging_.empty()) return;
    result_ = std::async(std::launch::async, merge_and_erase, stores_, log_, merging_);
}

void StreamSealer::reload() {
    if (!check_log_present(stores_.reader, log_.log_id).ok()) return;
    const auto loaded = load();
    stale_ = !loaded.ok();
    if (loaded.ok()) return;
    not_before_ = after(kAfterFailure);
    diary_.warning("the objects of the log {} could not be listed: {}", log_.log_id,
                   loaded.error().fact);
}

void StreamSealer::take_result() {
    const auto merged = result_.get();
    if (!merged) {
        diary_.warning("{} of the log {} could not be merged: {}",
                       counted(merging_.size(), "object"), log_.log_id, merged.error().fact);
        stale_ = true;  // some may be gone already
        not_before_ = after(kAfterFailure);
        return;
    }
    const auto first = std::find_if(objects_.begin(), objects_.end(), [&](const auto& object) {
        return object.span.range() == merging_.front().span.range();
    });
    const auto place = objects_.erase(first, first + static_cast<std::ptrdiff_t>(merging_.size()));
    if (is_small(*merged)) objects_.insert(place, *merged);
    changed_ = true;
    ++merged_;
    diary_.debug("{} merged into one of {}", counted(merging_.size(), "log object"),
                 human_bytes(merged->stored_bytes));
}

}  // namespace asb
