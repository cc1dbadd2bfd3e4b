"""Why this exists: a role that may not replicate still gets a whole backup: pg_dump's own format, one dump
a database, with the roles; it comes back as the physical one does, and stock tools read what we wrote."""

import contextlib
import shutil
import signal
import subprocess
import time

import pytest
from lib import cluster
from lib.auth_data import APP_PASSWORD, APP_ROLE
from lib.fingerprint import differences
from lib.postgres import SUPERUSER, SUPERUSER_PASSWORD, PostgresServer, hand_over
from lib.stock_recipe import StockRestore

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


def fingerprint(server, database):
    """Without the superuser (each server's has a password of its own), and grants as the set that they are."""
    found = server.fingerprint(database)
    found["roles"] = [role for role in found["roles"] if role[0] != SUPERUSER]
    found["database"] = [(*row[:-1], sorted((row[-1] or "{}")[1:-1].split(","))) for row in found["database"]]
    return found


def everything(server):
    """All of the cluster that a restore must give back, what fingerprints do not hold besides."""
    more = {name: server.sql(query, "auth") for name, query in
            {"policies": POLICIES, "secured": SECURED, "statistics": STATISTICS}.items()}
    return {**{database: fingerprint(server, database) for database in cluster.DATABASES}, "more": more}


def assert_same(before, after):
    assert before.keys() == after.keys()
    for part, expected in before.items():
        assert differences(expected, after[part]) == [], part


def back_up(product, url, expect=0, **env):
    product.database_url = url
    return product.run("backup", "--json", env={**LOGICAL, **env}, expect=expect).json()


def facts_of(done):
    return done["engines"]["postgresql"]


def children_of(pid):
    """Command lines of the processes below `pid`."""
    lines = subprocess.run(["ps", "-ww", "-o", "args=", "--ppid", str(pid)], capture_output=True, text=True).stdout
    return lines.splitlines()


def wait_for(condition):
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_all_databases_come_back_in_another_server(full, product, tmp):
    before = everything(full)
    done = back_up(product, full.url(db="auth"))
    facts = facts_of(done)
    assert facts["method"] == "logical"
    assert facts["roles_with_passwords"] is True
    assert facts["version_num"] == full.value("SELECT current_setting('server_version_num')::int")
    assert [entry["name"] for entry in facts["databases"]] == sorted([*cluster.DATABASES, SUPERUSER])
    assert done["warnings"] == [] and done["incomplete"] == []
    product.run("restore", "--verify", done["name"])
    with PostgresServer.create(15, tmp / "second") as second:
        second.create_tablespace(cluster.TABLESPACE)
        restored = product.run("restore", "--backup-file", "latest", "--all-databases", env={"DATABASE_URL": second.url()})
        assert "20 large objects, all compared" in restored.out
        assert_same(before, everything(second))
        with contextlib.closing(second.connect("auth", APP_ROLE, APP_PASSWORD)) as session:
            assert session.execute("SHOW work_mem").fetchone() == ("5MB",)
        assert second.value("SELECT count(*) FROM auth.rate_limits", "auth") == 1000
        assert second.value("SELECT relispopulated FROM pg_class WHERE relname = 'never_filled'", "auth") is False
    assert list(product.temporary.iterdir()) == []
    assert_same(before, everything(full))


def test_a_dump_is_one_moment_of_its_database_whatever_is_written_meanwhile(full, product, tmp):
    """pg_dump has its snapshot when it waits for the first lock."""
    before = fingerprint(full, "auth")["tables"]
    product.database_url = full.url(db="auth")
    with contextlib.closing(full.connect("auth")) as holder:
        holder.execute("BEGIN; LOCK TABLE auth.users IN ACCESS EXCLUSIVE MODE")
        running = product.popen("backup", env=LOGICAL)
        wait_for(lambda: full.value("SELECT count(*) FROM pg_locks WHERE NOT granted") == 1)
        full.sql("CREATE TABLE moved AS SELECT * FROM auth.refresh_tokens; DELETE FROM auth.refresh_tokens", "auth")
    running.wait()
    try:
        assert fingerprint(full, "auth")["tables"] != before
        with PostgresServer.create(15, tmp / "second") as second:
            product.run("restore", "-f", "latest", env={"DATABASE_URL": second.url(db="auth")})
            assert differences(before, fingerprint(second, "auth")["tables"]) == []
    finally:
        full.sql("INSERT INTO auth.refresh_tokens OVERRIDING SYSTEM VALUE SELECT * FROM moved; DROP TABLE moved", "auth")
    assert differences(before, fingerprint(full, "auth")["tables"]) == []


def test_the_least_role_is_enough_and_the_fallback_is_said_aloud(full, reader, product, tmp):
    product.database_url = reader
    done = product.run("backup", "--json")
    facts = facts_of(done.json())
    assert facts["method"] == "logical"
    assert facts["roles_with_passwords"] is True  # pg_read_all_data covers pg_authid
    (fallback,) = done.json()["warnings"]
    assert "may not" in fallback or "must be superuser or replication role" in fallback
    assert fallback.endswith(f'the fix: ALTER ROLE "{READER}" REPLICATION;')
    assert "a logical backup, since no physical one could be had" in done.err
    checked = product.run("check").out
    assert f"warn role: {READER} lacks the REPLICATION attribute, so backups are logical" in checked
    assert "ok   pg_dump: 15." in checked and "FAIL" not in checked
    planned = product.run("backup", "--dry-run").out
    assert "dump PostgreSQL 15" in planned and "add the roles, with their passwords" in planned
    with PostgresServer.create(15, tmp / "second") as second:
        product.run("restore", "--backup-file", "latest", env={"DATABASE_URL": second.url(db="auth")})
        found = fingerprint(second, "auth")
        assert differences(fingerprint(full, "auth"), found) == []


def test_roles_without_passwords_are_said_aloud(full, product, tmp):
    full.sql("CREATE ROLE without LOGIN BYPASSRLS PASSWORD 'without-password'")
    for database, schemas in {"auth": "auth, public", "billing": "public", cluster.ODD_DATABASE: "public"}.items():
        full.sql(f"GRANT USAGE ON SCHEMA {schemas} TO without", database)
        full.sql(f"GRANT SELECT ON ALL TABLES IN SCHEMA {schemas} TO without", database)
        full.sql(f"GRANT SELECT ON ALL SEQUENCES IN SCHEMA {schemas} TO without", database)
    for (oid,) in full.sql("SELECT oid FROM pg_largeobject_metadata", "auth"):
        full.sql(f"GRANT SELECT ON LARGE OBJECT {oid} TO without", "auth")
    done = back_up(product, full.url("without", "without-password", db="auth"))
    assert facts_of(done)["roles_with_passwords"] is False
    (warning,) = done["warnings"]
    assert warning.startswith("the backup holds the roles without their passwords")
    assert "warn role passwords: may not be read" in product.run("check", env=LOGICAL).out
    with PostgresServer.create(15, tmp / "second") as second:
        restored = product.run("restore", "--backup-file", "latest", env={"DATABASE_URL": second.url(db="auth")})
        assert f'role "{APP_ROLE}" was created without its password' in restored.out
        assert fingerprint(second, "auth")["tables"] == fingerprint(full, "auth")["tables"]
        assert second.value(f"SELECT rolpassword FROM pg_authid WHERE rolname = '{APP_ROLE}'") is None


def test_a_role_that_may_not_read_a_table_publishes_nothing(full, product):
    full.sql("CREATE ROLE narrow LOGIN BYPASSRLS PASSWORD 'narrow-password'")
    for database in (*cluster.DATABASES, SUPERUSER):
        full.sql(f'GRANT CONNECT ON DATABASE "{database}" TO narrow')
    error = back_up(product, full.url("narrow", "narrow-password", db="auth"), expect=6)["error"]
    assert "permission denied for " in error["fact"] and "Log" in error["fact"]
    assert error["hint"] == 'GRANT pg_read_all_data TO "narrow";'
    assert product.objects("*.manifest.json") == product.objects("*.enc") == []


def test_a_closed_database_is_left_out_and_named(full, reader, product):
    full.sql("CREATE DATABASE closed")
    full.sql("REVOKE CONNECT ON DATABASE closed FROM PUBLIC")
    try:
        done = back_up(product, reader, expect=3)
        (missing,) = done["incomplete"]
        assert missing.startswith('database "closed": the role lacks CONNECT: GRANT CONNECT ON DATABASE')
        assert "closed" not in [entry["name"] for entry in facts_of(done)["databases"]]
        assert "warn databases: left out: " in product.run("check", env=LOGICAL).out
    finally:
        full.sql("DROP DATABASE closed")


@pytest.mark.parametrize("newest", [16, 17, 18])
def test_pg_dump_older_than_the_server_is_an_error_with_its_fix(product, tmp, newest):
    with PostgresServer.create(newest, tmp / "newer") as newer:
        for folder in ("", "/usr/lib/postgresql/15/bin"):
            error = back_up(product, newer.url(), expect=6, POSTGRES_BIN_DIR=folder)["error"]
            assert f"a logical backup of PostgreSQL {newest} needs pg_dump" in error["fact"]
            assert f"install the package postgresql-client-{newest}" in error["hint"]
    assert product.objects("*.manifest.json") == []


# -- stock tools ---------------------------------------------------------------------------------------


def test_stock_programs_read_what_was_written(full, product, tmp):
    full.sql("CREATE TABLE big AS SELECT n, repeat(md5(n::text), 30) AS text FROM generate_series(1, 30000) n", "billing")
    name = back_up(product, full.url(db="auth"))["name"]
    expected = {database: fingerprint(full, database) for database in cluster.DATABASES}
    full.sql("DROP TABLE big", "billing")
    shutil.copytree(product.repository, tmp / "elsewhere")
    (tmp / "open").mkdir()
    hand_over(tmp / "open")
    back = tmp / "open/back"
    stock = StockRestore(tmp / "elsewhere", full.bin)
    stock.run((1, 2, 3), name, back, product.key)
    logical = back / "postgresql/logical"
    parts = sorted(logical.glob("billing.dump.*"))
    assert [part.name for part in parts][:2] == ["billing.dump.000001", "billing.dump.000002"]
    assert parts[0].stat().st_size == 8 * 2**20
    assert (logical / "Audit%20log%2F%C3%BC%202.dump").exists()
    assert f'-- tablespace "{cluster.TABLESPACE}" was at ' in (logical / "globals.sql").read_text()
    with PostgresServer.create(15, tmp / "second") as second:
        second.create_tablespace(cluster.TABLESPACE)
        stock.steps[0] = "".join(
            f"export {name}={value}\n" for name, value in
            {"PGHOST": second.folder, "PGPORT": second.port, "PGUSER": SUPERUSER, "PGPASSWORD": SUPERUSER_PASSWORD}.items()
        )
        # The superuser and the database postgres are there: step 6 says so; nothing else may fail.
        stock.steps[6] = stock.steps[6].rstrip("\n") + " || true\n"
        _, errors = stock.run((0, 1, 6), name, back, product.key)
        found = [line for line in errors.splitlines() if "ERROR" in line]
        assert [line for line in found if "already exists" not in line] == []
        for database in cluster.DATABASES:
            assert differences(expected[database], fingerprint(second, database)) == []


# -- restores -------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def target(module_tmp):
    """A second server with data of its own in `auth`."""
    with PostgresServer.create(15, module_tmp / "target") as server:
        server.sql("CREATE DATABASE auth")
        server.sql("CREATE TABLE precious AS SELECT generate_series(1, 100) AS n", "auth")
        yield server


def state(server):
    return (server.sql("SELECT oid, datname FROM pg_database ORDER BY 1"), server.sql("SELECT rolname FROM pg_roles ORDER BY 1"))


def test_a_filled_database_is_refused_and_replaced_with_force(full, product, target):
    back_up(product, full.url(db="auth"))
    env = {"DATABASE_URL": target.url(db="auth")}
    words = ("restore", "--backup-file", "latest")
    before = state(target)
    assert "--force" in product.run(*words, env=env, expect=5).err
    planned = product.run(*words, "--force", "--dry-run", env=env).out
    assert "read them with pg_restore 15" in planned and 'would replace database "auth"' in planned
    assert state(target) == before
    done = product.run(*words, "--force", env=env)
    (kept,) = [name for _, name in state(target)[0] if name.startswith("auth__before_")]
    assert kept in done.out
    assert target.value("SELECT sum(n) FROM precious", kept) == 5050
    assert fingerprint(target, "auth")["tables"] == fingerprint(full, "auth")["tables"]
    target.sql(f'DROP DATABASE "{kept}"')
    assert list(product.temporary.iterdir()) == []


def test_a_data_directory_is_refused_with_what_to_do_instead(full, product, tmp):
    back_up(product, full.url(db="auth"))
    done = product.run("restore", "--backup-file", "latest", "--target-dir", tmp / "data", expect=2)
    assert "a logical backup holds dumps" in done.err and "hint: " in done.err
    assert not (tmp / "data").exists()


# -- stopped and killed ----------------------------------------------------------------------------------


@pytest.mark.parametrize("number, code", [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_stopped_backup_leaves_nothing(full, product, number, code):
    with contextlib.closing(full.connect("auth")) as holder:
        holder.execute("BEGIN; LOCK TABLE auth.users IN ACCESS EXCLUSIVE MODE")
        product.database_url = full.url(db="auth")
        run = product.popen("backup", env=LOGICAL)
        wait_for(lambda: full.value("SELECT count(*) FROM pg_locks WHERE NOT granted") == 1)
        (dump,) = children_of(run.process.pid)
        assert "superuser-password" not in dump and "--dbname=dbname='auth'" in dump
        run.signal(number)
        run.wait(expect=code)
        assert full.value("SELECT count(*) FROM pg_stat_activity WHERE application_name = 'auth-service-backup'") == 0
    assert product.objects("*.manifest.json") == product.objects("*.enc") == []


STEPS = ("swap.create_database", "swap.comment", "swap.restore", "swap.check")


# A stop that comes with the renames comes too late: they run to their end.
@pytest.mark.parametrize("point, how", [*((step, how) for step in STEPS for how in ("kill", "stop")), ("swap.rename", "kill")])
def test_a_restore_ended_at_each_step_changes_nothing_and_the_next_one_cleans_up(full, product, target, point, how):
    if not product.objects("*.manifest.json"):
        back_up(product, full.url(db="auth"))
    target.sql("CREATE TABLE IF NOT EXISTS precious AS SELECT generate_series(1, 100) AS n", "auth")
    env = {"DATABASE_URL": target.url(db="auth")}
    words = ("restore", "--backup-file", "latest", "--force", "--drop-old")
    before = state(target)[0]
    product.run(*words, env={**env, "ASB_FAIL_POINT": f"{point}:1:{how}"}, expect=137 if how == "kill" else 143)
    if how == "stop":
        assert state(target)[0] == before
    assert target.value("SELECT sum(n) FROM precious", "auth") == 5050
    product.run(*words, env=env)
    assert [name for _, name in state(target)[0] if "__" in name] == []
    assert fingerprint(target, "auth")["tables"] == fingerprint(full, "auth")["tables"]
    assert list(product.temporary.iterdir()) == []
