"""Why this exists: a role that may not replicate still gets a whole backup: pg_dump's own format, one dump
a database, with the roles; it comes back as the physical one does, and stock tools read what we wrote."""

import contextlib
import subprocess

import pytest
from lib import cluster
from lib.auth_data import APP_PASSWORD, APP_ROLE
from lib.fingerprint import differences
from lib.postgres import PostgresServer, hand_over
from lib.stored_backup import only_backup

LOGICAL = {"POSTGRES_BACKUP_METHOD": "logical"}
READER = "dumper"
READER_PASSWORD = "p@ss/word of:the reading role%"

# What pg_dump knows and a copy of files does not have to: one of each.
MORE = """
SET search_path = auth;
CREATE EXTENSION citext SCHEMA public;
CREATE TABLE aliases (alias public.citext PRIMARY KEY, user_id bigint REFERENCES users ON DELETE CASCADE);
INSERT INTO aliases SELECT 'Alias' || n, n FROM generate_series(1, 20) n;
CREATE TABLE prices (net numeric NOT NULL, gross numeric GENERATED ALWAYS AS (net * 1.19) STORED);
INSERT INTO prices SELECT n FROM generate_series(1, 50) n;
CREATE MATERIALIZED VIEW users_by_state AS SELECT state, count(*) AS users FROM users GROUP BY state;
CREATE UNIQUE INDEX users_by_state_key ON users_by_state (state);
CREATE MATERIALIZED VIEW never_filled AS SELECT 1 AS one WITH NO DATA;
CREATE TABLE notes (owner name NOT NULL DEFAULT current_user, body text NOT NULL);
INSERT INTO notes VALUES ('auth_app', E'tab\\tnewline\\nbackslash\\\\ \\\\. end'), ('postgres', '\\.'), ('postgres', '');
ALTER TABLE notes ENABLE ROW LEVEL SECURITY;
CREATE POLICY own_notes ON notes USING (owner = current_user);
CREATE TABLE nothing ();
INSERT INTO nothing DEFAULT VALUES;
CREATE STATISTICS users_dependencies ON state, display_name FROM users;
CREATE TABLE "Odd "" name" ("a ""b" integer);
INSERT INTO "Odd "" name" VALUES (1), (2);
"""
POLICIES = "SELECT tablename, policyname, qual FROM pg_policies ORDER BY 1, 2"
SECURED = "SELECT relname FROM pg_class WHERE relrowsecurity ORDER BY 1"
STATISTICS = "SELECT pg_get_statisticsobjdef(oid) FROM pg_statistic_ext ORDER BY 1"


@pytest.fixture(scope="module")
def full(pg15, module_tmp):
    """pg15 with three databases and one of each thing."""
    cluster.fill(pg15)
    pg15.sql(MORE, "auth")
    pg15.sql("ALTER DATABASE auth SET work_mem = '5MB'")
    pg15.sql("COMMENT ON DATABASE auth IS 'the auth service''s own'")
    return pg15


@pytest.fixture(scope="module")
def reader(full):
    """The least role of a logical backup, as docs/postgresql.md makes it."""
    full.sql(f"CREATE ROLE {READER} LOGIN BYPASSRLS PASSWORD '{READER_PASSWORD}'")
    full.sql(f"GRANT pg_read_all_data TO {READER}")
    # Large objects are not among what pg_read_all_data covers.
    for (oid,) in full.sql("SELECT oid FROM pg_largeobject_metadata", "auth"):
        full.sql(f"GRANT SELECT ON LARGE OBJECT {oid} TO {READER}", "auth")
    return full.url(READER, READER_PASSWORD, db="auth")


def everything(server):
    """The fingerprints, and what they do not hold."""
    more = {name: server.sql(query, "auth") for name, query in
            {"policies": POLICIES, "secured": SECURED, "statistics": STATISTICS}.items()}
    return {**cluster.fingerprints(server), "more": more}


def without_backup_roles(found):
    return found


def assert_same(before, after):
    more, restored_more = before.pop("more"), after.pop("more")
    assert more == restored_more
    cluster.assert_same(before, after)


def back_up(product, url, expect=0, **env):
    product.database_url = url
    return product.run("backup", "--json", env={**LOGICAL, **env}, expect=expect).json()


def test_all_databases_come_back_in_another_server(full, product, tmp):
    before = everything(full)
    done = back_up(product, full.url(db="auth"))
    facts = done["engines"]["postgresql"]
    assert facts["method"] == "logical"
    assert facts["roles_with_passwords"] is True
    assert facts["version_num"] == full.value("SELECT current_setting('server_version_num')::int")
    assert [entry["name"] for entry in facts["databases"]] == sorted([*cluster.DATABASES, "postgres"])
    assert done["warnings"] == [] and done["incomplete"] == []
    with PostgresServer.create(15, tmp / "second") as second:
        second.create_tablespace(cluster.TABLESPACE)
        restored = product.run("restore", "--backup-file", "latest", "--all-databases",
                               env={"DATABASE_URL": second.url()})
        assert "all compared" in restored.out
        assert_same(before, everything(second))
        with contextlib.closing(second.connect("auth", APP_ROLE, APP_PASSWORD)) as session:
            assert session.execute("SHOW work_mem").fetchone() == ("5MB",)
    assert list(product.temporary.iterdir()) == []
    assert_same(before, everything(full))
