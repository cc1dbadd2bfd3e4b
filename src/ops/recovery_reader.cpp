#include "ops/recovery_reader.hpp"

#include <algorithm>
#include <thread>

namespace asb {
namespace {

// One of a server that recovers; the server needs the other cores.
constexpr std::size_t kThreadsMax = 4;

// The part of `span` that is not before `first`; nullopt: none of it.
std::optional<SourceSpan> from(const SourceSpan& span, const LogPoint& first) {
    if (span.range.line < first.line || span.range.end <= first.at) return std::nullopt;
    SourceSpan rest = span;
    rest.range.start = std::max(rest.range.start, first.at);
    return rest;
}

// The store's options at their defaults, but for what the source says.
Status take_settings(const std::vector<const Option*>& options, const RecoverySource& source,
                     Settings& settings) {
    for (const auto* option : options) {
        const auto given = source.store_settings.find(std::string(option->name));
        const bool is_given = given != source.store_settings.end();
        const std::string text(is_given ? given->second : std::string(option->default_value));
        if (is_given) ASB_CHECK(validate(*option, text));
        settings.set(*option, text, is_given ? "the recovery's source" : "default");
    }
    return {};
}

}  // namespace

std::map<std::string, std::string> store_settings(const Drivers& drivers, const StoreDriver& store,
                                                  const Settings& settings) {
    std::map<std::string, std::string> given;
    for (const auto* option : drivers.options_of(store))
        if (!settings.is_default(option->name))
            given.emplace(option->name, settings.text(option->name));
    return given;
}

struct RecoveryReader::State {
    explicit State(const RecoverySource& borrowed) : source(borrowed) {}
    const RecoverySource& source;
    Settings settings;  // the store's; the engine needs none to read
    Log log{Log::Options{.run_id = "recovery"}};
    std::unique_ptr<Engine> engine;
    std::unique_ptr<StoreReader> store;
    std::unique_ptr<LogReader> reader;
};

RecoveryReader::RecoveryReader(std::unique_ptr<State> state) : state_(std::move(state)) {}
RecoveryReader::~RecoveryReader() = default;

Result<std::unique_ptr<RecoveryReader>> RecoveryReader::open(const RecoverySource& source,
                                                             const Drivers& drivers,
                                                             const StopToken& stop,
                                                             Progress* progress) {
    const auto* store = drivers.store(scheme_of(source.repository));
    const auto* engine = drivers.engine(source.head.engine);
    if (store == nullptr || engine == nullptr)
        return fail(Code::usage, "this version cannot read the log of {} in {}", source.head.engine,
                    source.repository);
    auto state = std::make_unique<State>(source);
    state->engine = engine->open(state->settings);
    ASB_CHECK(take_settings(drivers.options_of(*store), source, state->settings));
    ASB_TRY(state->store,
            store->open_reader(source.repository, {state->settings, state->log, stop}));
    const auto threads =
        std::clamp<std::size_t>(std::thread::hardware_concurrency(), 1, kThreadsMax);
    const auto& kept = *state;
    state->reader = std::make_unique<LogReader>(
        *state->store, source,
        [&kept](std::string_view name) {
            return kept.engine->log_entry(name, kept.source.head.facts);
        },
        state->engine->fetches_log(),
        ReadOptions{.threads = threads, .progress = progress, .stop = stop});
    return std::unique_ptr<RecoveryReader>(new RecoveryReader(std::move(state)));
}

Status RecoveryReader::read_from(const LogPoint& first, const LogReader::Take& take) const {
    for (const auto& span : state_->source.spans)
        if (const auto rest = from(span, first)) ASB_CHECK(read(*rest, take));
    return {};
}

Status RecoveryReader::read(const SourceSpan& span, const LogReader::Take& take) const {
    return state_->reader->read(span, take);
}

Status RecoveryReader::push(const SourceSpan& span, EntrySink& sink) const {
    return state_->reader->push(span, state_->engine->log_object_entry(), sink);
}

Result<LogPoint> RecoveryReader::search_start(const SourceSpan& span, const LogTarget& target,
                                              const LogPoint& from) const {
    const auto entry = state_->engine->log_index_entry(span.range.line);
    if (entry.empty()) return from;
    ASB_TRY(const auto index, state_->reader->small_entry(span, entry));
    return index ? state_->engine->search_start(*index, target, from) : Result<LogPoint>(from);
}

Status RecoveryReader::check_all() const {
    for (const auto& span : state_->source.spans) ASB_CHECK(state_->reader->check(span));
    return {};
}

Result<std::unique_ptr<LogFiles>> RecoveryReader::files(LogFilesOptions options) const {
    return state_->engine->make_log_files(state_->source.head.facts, std::move(options));
}

Result<std::unique_ptr<LogFileNames>> RecoveryReader::file_names() const {
    return state_->engine->log_file_names(state_->source.head.facts);
}

Engine& RecoveryReader::engine() const {
    return *state_->engine;
}

}  // namespace asb
