#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "engine/postgres/logical_catalog.hpp"
#include "engine/postgres/logical_names.hpp"
#include "engine/postgres/logical_rows.hpp"

namespace asb::postgres {
namespace {

using ::testing::ElementsAre;
using ::testing::Pair;

TEST(DumpNames, AnyDatabaseBecomesAPlainFileNameAndComesBack) {
    for (const std::string name :
         {"auth", "Audit log/ü 2", "..", ".", "100%", "a.dump", "\x01\xff"}) {
        const auto escaped = escape_database(name);
        EXPECT_EQ(escaped.find_first_of("/. \x01"), std::string::npos) << escaped;
        EXPECT_EQ(unescape_database(escaped), name);
        EXPECT_EQ(parse_dump_entry(dump_entry(name))->database, name);
        EXPECT_EQ(parse_dump_entry(dump_entry(name, 12))->number, 12U);
    }
    EXPECT_EQ(dump_entry("auth", 1), "postgresql/logical/auth.dump.000001");
    EXPECT_EQ(dump_entry("a/b"), "postgresql/logical/a%2Fb.dump");
}

TEST(DumpNames, WhatIsNeverWrittenIsNoDump) {
    for (const char* entry :
         {"postgresql/base/auth.dump", "postgresql/logical/globals.sql", "postgresql/logical/.dump",
          "postgresql/logical/a%2fb.dump", "postgresql/logical/a%2.dump",
          "postgresql/logical/a/b.dump", "postgresql/logical/auth.dump.1",
          "postgresql/logical/auth.dump.000000", "postgresql/logical/auth.dump.00001x",
          "postgresql/logical/auth.dumpx", "postgresql/logical/%61.dump"})
        EXPECT_FALSE(parse_dump_entry(entry)) << entry;
}

constexpr std::string_view kScript =
    "SET search_path = '';\n"
    "COPY auth.users (id, email) FROM stdin;\n"
    "1\tone\n"
    "2\tCOPY auth.trap (id) FROM stdin;\n"
    "\\\\.\n"
    "\\.\n"
    "\n"
    "COPY auth.\"Odd name\" (\"a b\") FROM stdin;\n"
    "\\.\n"
    "SELECT pg_catalog.setval('auth.users_id_seq', 1000, true);\n"
    "SELECT pg_catalog.setval('auth.\"it''s\"', 1, false);\n"
    "SELECT pg_catalog.lo_open('16400', 131072);\n";

void expect_counted(const DumpCounts& counts) {
    EXPECT_THAT(counts.rows, ElementsAre(Pair("auth.\"Odd name\"", 0U), Pair("auth.users", 3U)));
    EXPECT_THAT(counts.sequences, ElementsAre(Pair("auth.\"it's\"", "1, false"),
                                              Pair("auth.users_id_seq", "1000, true")));
    EXPECT_EQ(counts.large_objects, 1U);
}

TEST(DumpCounter, CountsRowsSequencesAndLargeObjects) {
    DumpCounter counter;
    counter.feed(kScript);
    expect_counted(counter.counts());
}

TEST(DumpCounter, ThePiecesInWhichTheTextComesDoNotMatter) {
    DumpCounter counter;
    for (const char& c : kScript) counter.feed({&c, 1});
    expect_counted(counter.counts());
}

LogicalCatalog some_catalog() {
    LogicalCatalog catalog;
    catalog.databases.resize(1);
    auto& database = catalog.databases.front();
    database.name = "auth";
    database.has_public = false;
    database.tablespaces = {"fast"};
    auto& properties = database.properties;
    properties.owner = "auth_app";
    properties.encoding = "UTF8";
    properties.connection_limit = "-1";
    properties.comment = "its own";
    properties.has_grants = true;
    properties.grants = {{"", "CONNECT", false}, {"auth_app", "CREATE", true}};
    properties.settings = {{"", "work_mem=5MB"}};
    catalog.roles.roles = {{.name = "auth_app",
                            .login = true,
                            .connection_limit = "30",
                            .password = "SCRAM-SHA-256$..."}};
    catalog.roles.memberships = {{.role = "reader", .member = "auth_app", .admin = true}};
    return catalog;
}

TEST(LogicalCatalog, ComesBackAsItWas) {
    const auto text = to_text(some_catalog());
    const auto back = parse_catalog(text);
    ASSERT_TRUE(back.ok());
    EXPECT_EQ(to_text(*back), text);
    EXPECT_EQ(back->roles.roles.front().password, "SCRAM-SHA-256$...");
    EXPECT_FALSE(back->databases.front().has_public);
}

TEST(LogicalCatalog, WhatCouldBecomeSqlIsRefused) {
    auto catalog = some_catalog();
    catalog.databases.front().properties.grants.front().privilege = "ALL ON SCHEMA x TO y; --";
    EXPECT_EQ(parse_catalog(to_text(catalog)).error().code, Code::damaged);
    catalog = some_catalog();
    catalog.roles.roles.front().connection_limit = "1 SUPERUSER";
    EXPECT_EQ(parse_catalog(to_text(catalog)).error().code, Code::damaged);
    EXPECT_EQ(parse_catalog("{\"version\":2}").error().code, Code::damaged);
    EXPECT_EQ(parse_catalog("[]").error().code, Code::damaged);
}

}  // namespace
}  // namespace asb::postgres
