#include "engine/mongodb/dump_member.hpp"

#include "base/text.hpp"

namespace asb {
namespace {

// The newest write that the set's primary knows of, for measuring the lag of others; nullopt
// without a primary.
std::optional<Instant> primary_write_time(MongoConnection& connection) {
    const auto reply = connection.run_command("admin", BsonBuilder().number("hello", 1).get());
    if (!reply.ok()) return std::nullopt;
    const auto primary = text_at(**reply, "primary");
    if (!primary) return std::nullopt;
    const auto url = connection.url().at_member(*primary);
    if (!url.ok()) return std::nullopt;
    auto direct = MongoConnection::open(*url, connection.stop());
    if (!direct.ok()) return std::nullopt;
    const auto facts = direct->facts();
    if (!facts.ok()) return std::nullopt;
    return facts->last_write_time;
}

// The address of a member that the read preference allows; `for_writes` for the primary.
Result<std::string> select_member(MongoConnection& connection, bool for_writes) {
    MongoReadPrefs prefs(
        connection.url().has_read_preference()
            ? mongoc_read_prefs_copy(mongoc_client_get_read_prefs(connection.client()))
            : mongoc_read_prefs_new(MONGOC_READ_SECONDARY_PREFERRED));
    bson_error_t error{};
    const MongoServer server(mongoc_client_select_server(
        connection.client(), for_writes, for_writes ? nullptr : prefs.get(), &error));
    if (server == nullptr) return connection.error_of(error, "server selection", "admin");
    return std::string(mongoc_server_description_host(server.get())->host_and_port);
}

Result<DumpMember> open_member(const MongoUrl& url, const std::string& address,
                               const StopToken& stop) {
    ASB_TRY(MongoUrl direct, url.at_member(address));
    ASB_TRY(MongoConnection connection, MongoConnection::open(direct, stop));
    ASB_TRY(MongoFacts facts, connection.facts());
    return DumpMember{std::move(direct), std::move(connection), std::move(facts)};
}

}  // namespace

Result<DumpMember> choose_dump_member(const MongoUrl& url, std::chrono::seconds lag_max,
                                      const StopToken& stop, Log& log) {
    ASB_TRY(MongoConnection connection, MongoConnection::open(url, stop));
    const MongoUrl resolved = MongoUrl::of_client(connection.client());
    ASB_TRY(const std::string address, select_member(connection, false));
    ASB_TRY(DumpMember member, open_member(resolved, address, stop));
    if (member.facts.kind != MongoFacts::Kind::secondary) return member;
    const auto newest = primary_write_time(connection);
    if (!newest) return member;
    member.lag = std::chrono::duration_cast<std::chrono::seconds>(
        std::max(Instant::duration(0), *newest - member.facts.last_write_time));
    if (member.lag <= lag_max) return member;
    ASB_TRY(const std::string primary, select_member(connection, true));
    // With directConnection there is no other member to turn to.
    if (primary == address) {
        log.warning("secondary {} is {} behind, and DATABASE_URL allows no other member",
                    printable(address), human_duration(member.lag));
        return member;
    }
    log.warning("secondary {} is {} behind: reading from the primary", printable(address),
                human_duration(member.lag));
    return open_member(resolved, primary, stop);
}

}  // namespace asb
