#include "engine/postgres/wal_files.hpp"

#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>

#include "base/text.hpp"
#include "engine/postgres/lsn.hpp"
#include "engine/postgres/rehoming_sink.hpp"
#include "engine/postgres/restore_facts.hpp"
#include "engine/postgres/wal_pieces.hpp"
#include "io/file.hpp"

namespace asb {
namespace {

constexpr std::string_view kHistorySuffix = ".history";
constexpr const char* kPartialName = ".partial";
constexpr std::size_t kCopyBytes = 1 * kMiB;

class WalFileNames final : public LogFileNames {
  public:
    explicit WalFileNames(std::uint64_t segment_bytes) : segment_bytes_(segment_bytes) {}

    [[nodiscard]] std::optional<LogRange> file(std::string_view name) const override {
        if (name.find('.') != std::string_view::npos) return std::nullopt;
        const auto piece =
            parse_wal_piece_name(fmt::format("{}/{}", kWalFolder, name), segment_bytes_);
        if (!piece) return std::nullopt;
        return LogRange{piece->timeline, piece->start.value, piece->start.value + segment_bytes_};
    }
    [[nodiscard]] std::string name_of(const LogPoint& point) const override {
        return wal_file_name(point.line, Lsn{point.at}, segment_bytes_);
    }
    [[nodiscard]] std::optional<std::uint32_t> history(std::string_view name) const override {
        if (!name.ends_with(kHistorySuffix)) return std::nullopt;
        return parse_line(name.substr(0, name.size() - kHistorySuffix.size()));
    }
    [[nodiscard]] std::string history_name(std::uint32_t line) const override {
        return history_file_name(line);
    }
    [[nodiscard]] std::string history_text(const std::vector<LogBranch>& branches) const override {
        std::string text;
        for (const auto& branch : branches)
            text += fmt::format("{}\t{}\tas kept by auth-service-backup\n", branch.parent,
                                to_text(Lsn{branch.at}));
        return text;
    }

  private:
    std::uint64_t segment_bytes_;
};

class WalFiles final : public LogFiles {
  public:
    WalFiles(std::uint64_t segment_bytes, LogFilesOptions options)
        : segment_bytes_(segment_bytes),
          options_(std::move(options)),
          names_(segment_bytes),
          partial_(options_.folder + "/" + kPartialName) {}

    Status feed(const LogPoint& start, Bytes bytes) override {
        ASB_CHECK(go_on_at(start));
        while (!bytes.empty()) {
            if (!file_.valid()) ASB_CHECK(begin_file());
            const auto left = segment_bytes_ - position_->at % segment_bytes_;
            const auto count = std::min<std::uint64_t>(left, bytes.size());
            ASB_CHECK(write_all(file_.get(), bytes.first(count), partial_));
            position_->at += count;
            bytes = bytes.subspan(count);
            if (count == left) ASB_CHECK(end_file(position_->at - 1));
        }
        return {};
    }
    Status finish() override {
        if (!file_.valid()) return {};
        if (ftruncate(file_.get(), static_cast<off_t>(segment_bytes_)) != 0)
            return errno_error(errno, "cannot fill up", partial_);
        return end_file(position_->at);
    }

  private:
    Status go_on_at(const LogPoint& start) {
        if (position_ && position_->at != start.at)
            return fail(Code::damaged, "the stored WAL goes on at {} where {} was next",
                        to_text(Lsn{start.at}), to_text(Lsn{position_->at}));
        position_ = start;
        return {};
    }
    // What of the segment lies before the first byte fed is in the base backup's own file.
    Status begin_file() {
        ASB_CHECK(options_.before_file());
        ASB_TRY(file_, open_file(partial_, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC));
        return copy_beginning(position_->at % segment_bytes_);
    }
    Status copy_beginning(std::uint64_t bytes) {
        if (bytes == 0) return {};
        const auto path = options_.beginnings + "/" + names_.name_of(*position_);
        ASB_TRY(const auto from, open_file(path, O_RDONLY | O_CLOEXEC, 0, Code::not_found));
        Buffer buffer(kCopyBytes);
        for (std::uint64_t at = 0; at < bytes; at += buffer.size()) {
            buffer.clear();
            const auto piece = buffer.tail().first(std::min<std::uint64_t>(kCopyBytes, bytes - at));
            ASB_CHECK(pread_exact(from.get(), piece, at, path));
            buffer.grow(piece.size());
            ASB_CHECK(write_all(file_.get(), buffer.view(), partial_));
        }
        return {};
    }
    // `within`: a place in the segment, on the line that it is of now.
    Status end_file(std::uint64_t within) {
        const auto path = options_.folder + "/" + names_.name_of({position_->line, within});
        file_.reset();
        if (rename(partial_.c_str(), path.c_str()) != 0)
            return errno_error(errno, "cannot rename to", path);
        return options_.after_file(*position_);
    }

    std::uint64_t segment_bytes_;
    LogFilesOptions options_;
    WalFileNames names_;
    std::string partial_;
    std::optional<LogPoint> position_;
    UniqueFd file_;
};

}  // namespace

Result<std::unique_ptr<LogFileNames>> wal_file_names(const Json& facts) {
    ASB_TRY(const auto segment_bytes, postgres::wal_segment_bytes(facts));
    return std::unique_ptr<LogFileNames>(std::make_unique<WalFileNames>(segment_bytes));
}

Result<std::unique_ptr<LogFiles>> make_wal_files(const Json& facts, LogFilesOptions options) {
    ASB_TRY(const auto segment_bytes, postgres::wal_segment_bytes(facts));
    return std::unique_ptr<LogFiles>(std::make_unique<WalFiles>(segment_bytes, std::move(options)));
}

}  // namespace asb
