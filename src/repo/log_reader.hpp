#pragma once
// Why this exists: a stretch of the log is a part of some backup's archive, or a log object;
// whoever searches, replays or serves it wants its bytes and nothing of where they came from.

#include <functional>

#include "repo/log_object.hpp"
#include "repo/pieces.hpp"
#include "repo/recovery_source.hpp"

namespace asb {

class LogReader {
  public:
    // Where in the log the data of an archive's entry begins (Engine::log_entry); nullopt: it holds
    // none; line 0 and 0: right behind the entry before.
    using PlaceEntry = std::function<std::optional<LogPoint>(std::string_view name)>;
    // `store` and `source` are borrowed.
    // `byte_positions`: a place in the log counts its bytes, so that ranges can be cut anywhere.
    LogReader(StoreReader& store, const RecoverySource& source, PlaceEntry place,
              bool byte_positions, ReadOptions options)
        : store_(store),
          source_(source),
          place_(std::move(place)),
          byte_positions_(byte_positions),
          options_(std::move(options)) {}

    using Take = std::function<Status(const LogPoint& start, Bytes bytes)>;
    // Hands on what `span` holds of its range, in order; all of it where entries do not say where
    // they are. Each byte is authenticated before it is handed on.
    [[nodiscard]] Status read(const SourceSpan& span, const Take& take) const;

    // The same as entries of an archive: those of the span's backup, or its object as one of the
    // name `object_entry`.
    [[nodiscard]] Status push(const SourceSpan& span, std::string_view object_entry,
                              EntrySink& sink) const;
    // The text of the entry of that name in the span's backup; nullopt: it has none. Small entries
    // only.
    [[nodiscard]] Result<std::optional<std::string>> small_entry(const SourceSpan& span,
                                                                 const std::string& name) const;
    // Whether `read` would find every byte as it was written: nothing is handed on.
    [[nodiscard]] Status check(const SourceSpan& span) const;

  private:
    struct Opened {
        OpenArchive archive;
        ArchiveContents contents;
        Selection selection;
    };
    // The status, with the span's object named where it is an error.
    static Status named(const SourceSpan& span, Status status);
    [[nodiscard]] Result<OpenArchive> open_archive_of(const SourceSpan& span) const;
    [[nodiscard]] Result<Opened> open_backup(const SourceSpan& span) const;
    [[nodiscard]] Result<OpenedLogObject> open_object(const SourceSpan& span) const;
    [[nodiscard]] Status push_backup(const SourceSpan& span, EntrySink& sink) const;
    [[nodiscard]] Status read_backup(const SourceSpan& span, const Take& take) const;
    [[nodiscard]] Status read_object(const SourceSpan& span, const Take& take) const;

    StoreReader& store_;
    const RecoverySource& source_;
    PlaceEntry place_;
    bool byte_positions_;
    ReadOptions options_;
};

}  // namespace asb
