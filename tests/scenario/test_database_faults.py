"""Why this exists: a database that is down, refuses, is too old or too new, or goes away in the middle of
a backup: exit 6, the fix said literally, nothing published, no slot left at the server."""

import os
import signal

import pytest
from lib.postgres import BACKUP_PASSWORD, BACKUP_ROLE, PostgresServer, free_port
from lib.stored_backup import random_files
from lib.tcp_proxy import TcpProxy

MIDDLE = 6 * 1024 * 1024  # of about 40 MB that a server with little data sends


@pytest.fixture(scope="module")
def own15(module_tmp):
    """A server that the tests of this module may stop, but must start again."""
    with PostgresServer.create(15, module_tmp / "own15") as server:
        server.create_minimal_role()
        server.load_auth_data(rows=200)
        yield server


def backup_url(server, **how):
    return server.url(BACKUP_ROLE, BACKUP_PASSWORD, **how)


def assert_nothing_came_of_it(product, server=None):
    assert [name for name in product.objects() if name != "RESTORE.txt"] == []
    assert product.run("list").out == f"no backups in {product.repository}\n"
    if server is not None:
        assert slots_soon_gone(server) == []


def slots_soon_gone(server):
    """The slots that are left once the server has noticed that the client is gone."""
    server.sql("""DO $$ BEGIN
        FOR i IN 1..200 LOOP
            EXIT WHEN NOT EXISTS (SELECT FROM pg_stat_replication) AND NOT EXISTS (SELECT FROM pg_replication_slots);
            PERFORM pg_sleep(0.05), pg_stat_clear_snapshot();
        END LOOP; END $$""")
    return server.sql("SELECT slot_name FROM pg_replication_slots")


def refused(product, url, *texts, env=None):
    """`backup`, its dry run and `check` all end with 6 and say the same."""
    product.database_url = url
    for words in (("backup",), ("backup", "--dry-run"), ("check",)):
        done = product.run(*words, env=env, expect=6)
        for text in texts:
            assert text in done.err + done.out, words
    assert not product.repository.exists() or product.objects() == []


def test_a_database_that_is_down(product):
    port = free_port()
    refused(
        product, f"postgresql://backup@127.0.0.1:{port}/auth",
        f"cannot reach the database at 127.0.0.1:{port}: Connection refused",
        "check host and port in DATABASE_URL, that the server runs, and its listen_addresses",
    )


def test_a_socket_that_is_not_there(product, tmp):
    refused(
        product, f"postgresql://backup@/auth?host={tmp}",
        f"cannot reach the database at {tmp}", "No such file or directory", "unix_socket_directories",
    )


def test_a_wrong_password(product, own15):
    refused(
        product, own15.url(BACKUP_ROLE, "not-the-password"),
        f'refuses "{BACKUP_ROLE}"', f'password authentication failed for user "{BACKUP_ROLE}"',
        f"check user and password in DATABASE_URL; to set a new one: ALTER ROLE \"{BACKUP_ROLE}\" PASSWORD '...';",
    )


def test_no_password(product, own15):
    refused(
        product, own15.url(BACKUP_ROLE, None),
        "no password supplied", "put the password into DATABASE_URL (postgresql://user:password@host/database)",
    )


def test_a_role_that_does_not_exist(product, own15):
    refused(product, own15.url("nobody", "any password"), 'refuses "nobody"', 'authentication failed for user "nobody"')


def test_a_role_that_may_not_replicate(product, own15):
    own15.sql("DROP ROLE IF EXISTS weak")
    own15.sql("CREATE ROLE weak LOGIN PASSWORD 'weak-password'")
    refused(
        product, own15.url("weak", "weak-password"), 'ALTER ROLE "weak" REPLICATION;',
        env={"POSTGRES_BACKUP_METHOD": "physical"},  # auto would take a logical backup
    )


def test_a_missing_line_in_pg_hba(product, own15):
    path = own15.data / "pg_hba.conf"
    before = path.read_text()
    try:
        path.write_text("".join(
            line for line in before.splitlines(keepends=True) if not line.startswith("host") or "replication" not in line
        ))
        own15.reload()
        refused(
            product, backup_url(own15), "no pg_hba.conf entry for replication connection",
            f"add this line to the server's pg_hba.conf: host replication {BACKUP_ROLE} 127.0.0.1/32 scram-sha-256",
            "SELECT pg_reload_conf();",
        )
        # The very line that was printed mends it.
        path.write_text(path.read_text() + f"host replication {BACKUP_ROLE} 127.0.0.1/32 scram-sha-256\n")
        own15.reload()
        product.run("backup", "--dry-run")
    finally:
        path.write_text(before)
        own15.reload()


def test_version_14_is_too_old(product, tmp):
    with PostgresServer.create(14, tmp / "pg14") as old:
        old.create_minimal_role()
        version = old.value("SHOW server_version").split()[0]
        refused(
            product, backup_url(old), f"PostgreSQL {version} is not supported (15 to 18 are)",
            "upgrade the server with pg_upgrade",
        )


def test_version_99_is_too_new(product, own15):
    true = own15.value("SHOW server_version").encode()
    told = b"99.0".ljust(len(true))
    with TcpProxy(own15.port, replace=(b"server_version\0" + true, b"server_version\0" + told)) as proxy:
        refused(
            product, proxy.url(backup_url(own15), own15), "PostgreSQL 99.0 is not supported (15 to 18 are)",
            "use a newer release of auth-service-backup",
        )


def test_no_wal_sender_and_no_slot_is_left(product, tmp):
    with PostgresServer.create(15, tmp / "tight", max_replication_slots=1, max_wal_senders=5) as server:
        server.create_minimal_role()
        server.sql("SELECT pg_create_physical_replication_slot('taken')")
        product.database_url = backup_url(server)
        done = product.run("backup", expect=6)
        assert "all replication slots are in use" in done.err
        assert "drop a slot that nobody uses" in done.err
        assert [name for name in product.objects() if name != "RESTORE.txt"] == []
        server.sql("SELECT pg_drop_replication_slot('taken')")
        product.run("backup")


def broken_in_the_middle(product, server, deed, after=MIDDLE):
    """A backup at whose middle `deed(proxy)` is done; it must end with 6. What it said."""
    with TcpProxy(server.port, hold_after=after) as proxy:
        product.database_url = proxy.url(backup_url(server), server)
        running = product.popen("backup", "--jobs", "2", env={"LOG_PATHS": product.folder / "files"})
        proxy.wait_until_holding()
        assert server.sql("SELECT count(*) FROM pg_replication_slots") == [(1,)]
        deed(proxy)
        proxy.release()
        return running.wait(expect=6)


@pytest.mark.parametrize("after", [40_000, MIDDLE, 5 * MIDDLE])
def test_the_connection_is_cut(product, own15, after):
    random_files(product.folder / "files", 1)
    done = broken_in_the_middle(product, own15, TcpProxy.cut, after)
    assert "the connection to the database at 127.0.0.1:" in done.err
    assert "hint: " in done.err
    assert_nothing_came_of_it(product, own15)
    product.database_url = backup_url(own15)
    product.run("backup")
    product.run("verify", "latest")


def test_the_wal_senders_are_terminated(product, own15):
    def terminate(_):
        assert own15.value("SELECT count(pg_terminate_backend(pid)) FROM pg_stat_replication") >= 1

    done = broken_in_the_middle(product, own15, terminate)
    assert "the connection to the database at" in done.err
    assert_nothing_came_of_it(product, own15)


@pytest.mark.parametrize("mode", ["fast", "immediate"])
def test_the_server_is_stopped(product, own15, mode):
    try:
        done = broken_in_the_middle(product, own15, lambda _: own15.stop(mode))
    finally:
        own15.stop("immediate")
        own15.start()
    assert "the connection to the database at" in done.err
    assert "hint: look at the server's log for that moment, then run it again" in done.err
    assert_nothing_came_of_it(product, own15)


def test_one_backend_of_the_server_crashes(product, own15):
    """The postmaster then ends every session and recovers."""
    def crash(_):
        with own15.connect() as victim:
            os.kill(victim.info.backend_pid, signal.SIGKILL)

    try:
        done = broken_in_the_middle(product, own15, crash)
    finally:
        own15.wait_until_ready()  # a server that is stopped while it recovers may find half of a slot the next time
        own15.restart()
    assert "the connection to the database at" in done.err
    assert_nothing_came_of_it(product, own15)


def test_a_standby_is_promoted(product, own15, tmp):
    with own15.standby(tmp / "standby") as standby:
        own15.wait_for_standby(standby)

        def promote(_):
            assert standby.value("SELECT pg_promote(true)")

        done = broken_in_the_middle(product, standby, promote)
        assert "promoted" in done.err
        assert (
            "hint: the server became a primary while it was copied, so this copy is of no use: run the backup again"
        ) in done.err
        assert_nothing_came_of_it(product, standby)
        product.database_url = backup_url(standby)
        product.run("backup")
