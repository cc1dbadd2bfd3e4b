#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdio>
#include <fstream>

#include "engine/postgres/only_choice.hpp"
#include "engine/postgres/only_entries.hpp"
#include "engine/postgres/only_words.hpp"

namespace asb::postgres {
namespace {

using ::testing::ElementsAre;
using ::testing::UnorderedElementsAre;

TEST(OnlyWords, GlobsMatchWholeNames) {
    EXPECT_TRUE(matches_glob("users", "users"));
    EXPECT_FALSE(matches_glob("users", "users2"));
    EXPECT_FALSE(matches_glob("", "users"));
    EXPECT_TRUE(matches_glob("*", ""));
    EXPECT_TRUE(matches_glob("a*b*c", "a-b-b-c"));
    EXPECT_FALSE(matches_glob("a*b*c", "a-b-b-c-"));
    EXPECT_TRUE(matches_glob("?ser", "üser"));
    EXPECT_FALSE(matches_glob("??ser", "üser"));
    EXPECT_TRUE(matches_glob("[a]", "[a]"));
}

TEST(OnlyWords, WholeDatabasesAndPartsAreToldApart) {
    EXPECT_FALSE(parse_only({"auth", "bill*"})->pieces);
    const auto pieces = parse_only({"auth.public", "auth.*.users"});
    ASSERT_TRUE(pieces.ok() && pieces->pieces);
    EXPECT_EQ(pieces->words[1].table, "users");
    EXPECT_EQ(parse_only({"auth", "auth.public"}).error().code, Code::usage);
    for (const char* word : {"", ".", "auth.", ".public", "a.b.c.d"})
        EXPECT_EQ(parse_only({word}).error().code, Code::usage) << word;
}

TEST(OnlyWords, NamesOfDatabasesThatAreThere) {
    const std::vector<std::string> there = {"auth", "billing"};
    EXPECT_THAT(*choose_named(*parse_only({}), there), ElementsAre("auth", "billing"));
    EXPECT_THAT(*choose_named(*parse_only({"b*"}), there), ElementsAre("billing"));
    EXPECT_EQ(choose_named(*parse_only({"c*"}), there).error().code, Code::not_found);
    EXPECT_EQ(choose_named(*parse_only({"*.public"}), there).error().code, Code::usage);
}

const std::vector<TocEntry> kToc = {
    {.id = 5, .tag = "auth", .kind = "SCHEMA"},
    {.id = 6, .tag = "SCHEMA auth", .kind = "ACL", .depends = {5}},
    {.id = 10, .tag = "users", .kind = "TABLE", .schema = "auth", .depends = {5}},
    {.id = 11, .tag = "users_id_seq", .kind = "SEQUENCE", .schema = "auth", .depends = {10, 5}},
    {.id = 12,
     .tag = "users_id_seq",
     .kind = "SEQUENCE OWNED BY",
     .schema = "auth",
     .depends = {11}},
    {.id = 13, .tag = "sessions", .kind = "TABLE", .schema = "auth", .depends = {5}},
    {.id = 14, .tag = "log", .kind = "TABLE", .schema = "auth", .depends = {5}},
    {.id = 15, .tag = "log_1", .kind = "TABLE", .schema = "auth", .depends = {5}},
    {.id = 16, .tag = "log_1", .kind = "TABLE ATTACH", .schema = "auth", .depends = {14, 15}},
    {.id = 17, .tag = "active", .kind = "VIEW", .schema = "auth", .depends = {10, 5}},
    {.id = 20, .tag = "users id", .kind = "DEFAULT", .schema = "auth", .depends = {11, 10}},
    {.id = 21, .tag = "users", .kind = "TABLE DATA", .schema = "auth", .depends = {10}},
    {.id = 22, .tag = "users_id_seq", .kind = "SEQUENCE SET", .schema = "auth", .depends = {11}},
    {.id = 23, .tag = "sessions", .kind = "TABLE DATA", .schema = "auth", .depends = {13}},
    {.id = 30, .tag = "users users_pkey", .kind = "CONSTRAINT", .schema = "auth", .depends = {10}},
    {.id = 31, .tag = "users_email", .kind = "INDEX", .schema = "auth", .depends = {10}},
    {.id = 32, .tag = "INDEX users_email", .kind = "COMMENT", .schema = "auth", .depends = {31}},
    {.id = 33,
     .tag = "sessions sessions_user_fkey",
     .kind = "FK CONSTRAINT",
     .schema = "auth",
     .depends = {10, 13, 30}},
    {.id = 34, .tag = "TABLE users", .kind = "ACL", .schema = "auth", .depends = {10}},
};

std::vector<int> ids_of(const std::vector<std::string>& words,
                        const std::set<std::string>& missing = {}) {
    const auto pieces = find_pieces(kToc, *parse_only(words));
    std::vector<int> ids;
    if (!pieces.ok()) return ids;
    for (const auto* entry : collect_entries(kToc, *pieces, missing)) ids.push_back(entry->id);
    return ids;
}

TEST(OnlyChoice, ATableComesWithWhatIsItsOwnAndNoMore) {
    EXPECT_THAT(ids_of({"db.auth.users"}), ElementsAre(10, 11, 12, 20, 21, 22, 30, 31, 32, 34));
    EXPECT_THAT(ids_of({"db.auth.sessions"}), ElementsAre(13, 23, 33));
    EXPECT_THAT(ids_of({"db.auth.active"}), ElementsAre(17));
}

TEST(OnlyChoice, AMissingSchemaComesWithoutItsOtherTables) {
    EXPECT_THAT(ids_of({"db.auth.sessions"}, {"auth"}), ElementsAre(5, 6, 13, 23, 33));
}

TEST(OnlyChoice, PartitionsGoWithTheirTableAndNotAlone) {
    EXPECT_THAT(ids_of({"db.auth.log"}), ElementsAre(14, 15, 16));
    EXPECT_EQ(find_pieces(kToc, *parse_only({"db.auth.log_1"})).error().code, Code::refused);
}

TEST(OnlyChoice, ASchemaIsEverythingInIt) {
    EXPECT_EQ(ids_of({"db.auth"}).size(), kToc.size());
}

TEST(OnlyChoice, WhatIsNotThereIsNamedWithWhatIs) {
    const auto error = find_pieces(kToc, *parse_only({"db.auth.user"})).error();
    EXPECT_EQ(error.code, Code::not_found);
    EXPECT_THAT(error.hint, ::testing::HasSubstr("auth.users"));
    EXPECT_EQ(find_pieces(kToc, *parse_only({"db.other"})).error().code, Code::not_found);
}

TEST(OnlyEntries, OnlyTheDumpsThatAreWantedAreRead) {
    const std::vector<StoredEntry> entries = {{.name = "postgresql/logical/globals.sql"},
                                              {.name = "postgresql/logical/databases.json"},
                                              {.name = "postgresql/logical/auth.dump.000001"},
                                              {.name = "postgresql/logical/auth.dump.000002"},
                                              {.name = "postgresql/logical/b%2Ec.dump", .size = 7}};
    const Json facts = {{"method", "logical"}};
    RestoreRequest request;
    const auto chosen = [&] {
        std::vector<bool> all(entries.size(), true);
        EXPECT_TRUE(choose_dumps("postgresql://h/auth", request, facts, entries, all).ok());
        return all;
    };
    EXPECT_THAT(chosen(), ElementsAre(true, true, true, true, false));
    request.all_databases = true;
    EXPECT_THAT(chosen(), ElementsAre(true, true, true, true, true));
    request.only = {"b?c.public"};
    EXPECT_THAT(chosen(), ElementsAre(true, true, false, false, true));
    request.only = {"nothing"};
    std::vector<bool> all(entries.size(), true);
    EXPECT_EQ(choose_dumps("postgresql://h/auth", request, facts, entries, all).error().code,
              Code::not_found);
    const auto lines = list_databases(facts, entries);
    ASSERT_EQ(lines.size(), 2U);
    EXPECT_EQ(lines[1].kind + " " + lines[1].name, "database b?c");
    EXPECT_EQ(lines[1].bytes, 7U);
}

TEST(OnlyEntries, APhysicalBackupIsOneClusterAndItsTablespaces) {
    const std::vector<StoredEntry> entries = {
        {.name = "postgresql/base/PG_VERSION", .size = 3},
        {.name = "postgresql/wal/000000010000000000000001", .size = 4},
        {.name = "postgresql/tablespaces/16385/PG_15/1", .size = 5},
        {.name = "config/x", .size = 6}};
    const auto lines = list_databases({{"method", "physical"}}, entries);
    ASSERT_EQ(lines.size(), 2U);
    EXPECT_EQ(lines[0].kind, "cluster");
    EXPECT_EQ(lines[0].bytes, 7U);
    EXPECT_EQ(lines[1].kind + " " + lines[1].name, "tablespace 16385");
}

TEST(OnlyToc, WhatIsNoDumpIsDamagedAndAnUnknownVersionSaysSo) {
    const std::string path = ::testing::TempDir() + "/only_toc_test.dump";
    const auto code = [&](std::string_view bytes) {
        std::ofstream(path, std::ios::binary) << bytes;
        const auto toc = read_toc(path);
        return toc.ok() ? Code::failed : toc.error().code;
    };
    EXPECT_EQ(code(""), Code::damaged);
    EXPECT_EQ(code("not a dump at all"), Code::damaged);
    EXPECT_EQ(code(std::string_view("PGDMP\1\16\0\4\10\1\0\0", 13)), Code::damaged);
    EXPECT_EQ(code(std::string_view("PGDMP\1\31\0\4\10\1\0\0", 13)), Code::database);
    EXPECT_EQ(std::remove(path.c_str()), 0);
}

}  // namespace
}  // namespace asb::postgres
