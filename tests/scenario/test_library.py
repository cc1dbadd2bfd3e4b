"""Why this exists: the other scenarios believe what tests/lib tells them, so it must notice a lost row
and a printed secret, on every version."""

import pytest
from lib.fingerprint import differences
from lib.postgres import BACKUP_PASSWORD, BACKUP_ROLE, PostgresError, PostgresServer, bin_folder
from lib.product import Product

import psycopg

CHANGES = {
    "tables": "UPDATE auth.users SET email = 'x' WHERE id = 7",
    "sequences": "SELECT nextval('auth.key_generation')",
    "indexes": "DROP INDEX auth.users_locked",
    "large_objects": "SELECT lo_put(content, 0, 'x') FROM auth.documents WHERE user_id = 3",
    "relations": "REVOKE SELECT ON auth.sessions FROM auth_reader",
    "roles": "ALTER ROLE auth_app CONNECTION LIMIT 31",
    "memberships": "REVOKE auth_reader FROM auth_app",
    "partitions": "ALTER TABLE auth.audit_log DETACH PARTITION auth.audit_log_2024_01",
}


def test_a_fingerprint_is_the_same_until_something_changes(pg):
    before = pg.fingerprint()
    assert len(before["tables"]) == 7
    assert before["tables"]["auth.users"][0] == 1000
    assert len(before["large_objects"]) == 20
    pg.restart()
    assert differences(before, pg.fingerprint()) == []
    for part, statement in CHANGES.items():
        pg.sql(statement, "auth")
        after = pg.fingerprint()
        assert after[part] != before[part], part
        before = after


def test_the_servers_have_checksums_and_ask_for_passwords(pg, major):
    assert pg.value("SELECT current_setting('server_version_num')::int / 10000") == major
    assert pg.value("SHOW data_checksums") == "on"
    for via in ("host", "socket"):
        with psycopg.connect(pg.url(BACKUP_ROLE, BACKUP_PASSWORD, via=via)) as connection:
            assert connection.execute("SELECT current_user").fetchone() == (BACKUP_ROLE,)
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        psycopg.connect(pg.url(BACKUP_ROLE, "wrong"))


def test_the_first_line_of_pg_hba_decides(pg):
    pg.add_hba(f"host all {BACKUP_ROLE} 127.0.0.1/32 reject")
    with pytest.raises(psycopg.OperationalError, match="pg_hba.conf rejects connection"):
        psycopg.connect(pg.url(BACKUP_ROLE, BACKUP_PASSWORD))


def test_a_standby_follows(pg15, tmp):
    with pg15.standby(tmp / "standby") as standby:
        pg15.sql("CREATE TABLE auth.late AS SELECT 1 AS one", "auth")
        pg15.wait_for_standby(standby)
        assert standby.value("SELECT pg_is_in_recovery()")
        assert differences(pg15.fingerprint(), standby.fingerprint()) == []


def test_a_missing_version_is_an_error():
    with pytest.raises(PostgresError, match="no PostgreSQL 99 server"):
        bin_folder(99)


def test_a_server_that_does_not_start_says_why(tmp):
    server = PostgresServer(15, tmp / "broken", settings={"shared_buffers": "nonsense"})
    server.initialise()
    with pytest.raises(PostgresError, match="invalid value for parameter \"shared_buffers\""):
        server.start()


def fake_product(tmp, script):
    binary = tmp / "fake"
    binary.write_text("#!/bin/sh\n" + script)
    binary.chmod(0o755)
    return Product(tmp / "product", binary=binary)


@pytest.mark.parametrize("script", [
    'echo "$BACKUP_ENCRYPTION_KEY"',
    'echo "$DATABASE_URL" >&2',
    'mkdir -p "$LOG_DIR"; echo "$DATABASE_URL" >"$LOG_DIR/backup.log"',
    'mkdir -p "$LOG_DIR"; echo "p@ss/word of:the backup role%" >"$LOG_DIR/backup.log"',
])
def test_a_secret_that_shows_fails_the_run(tmp, script):
    product = fake_product(tmp, script)
    product.database_url = "postgresql://backup:p%40ss%2Fword%20of%3Athe%20backup%20role%25@127.0.0.1/x"
    with pytest.raises(AssertionError, match="a secret shows in"):
        product.run("backup")


def test_a_run_gives_code_output_and_environment(tmp):
    product = fake_product(tmp, 'echo "{\\"n\\": $#, \\"dir\\": \\"$BACKUP_DIR\\"}"; echo oh >&2; exit 3')
    done = product.run("a", "b c", expect=(0, 3), env={"BACKUP_DIR": "/elsewhere", "LOG_DIR": None})
    assert done.json() == {"n": 2, "dir": "/elsewhere"}
    assert (done.code, done.err) == (3, "oh\n")
    with pytest.raises(AssertionError, match="expected exit code 0"):
        product.run()


def test_a_run_can_be_signalled(tmp):
    running = fake_product(tmp, "echo started >&2; exec sleep 60").popen()
    while "started" not in running.err_so_far():
        pass
    running.signal()
    assert running.wait(expect=143).code == 143
