"""Why this exists: SIGINT and SIGTERM may come at any moment. A run then ends with 130 or 143 and leaves
nothing half-published, no temporary file, no staging folder, no process, and no slot at the server."""

import contextlib
import shutil
import signal
import subprocess
import time

import pytest
from lib.fail_points import at_step, spread, steps_of
from lib.folder_state import folder_state, names_below
from lib.postgres import BACKUP_PASSWORD, BACKUP_ROLE, PostgresServer, hand_over
from lib.processes import processes_naming, wait_until
from lib.product import Product
from lib.small_disk import small_disk
from lib.stored_backup import back_up_files, only_backup, random_files
from lib.tcp_proxy import TcpProxy

STOPS = [(signal.SIGINT, 130), (signal.SIGTERM, 143)]
STOPPED = "stopped on request"


@pytest.fixture(scope="module")
def full(module_tmp, pg15):
    product = Product(module_tmp / "full", database_url=pg15.url())
    product.run("backup", env={"CONFIG_PATHS": random_files(module_tmp / "files", 1)})
    return product, only_backup(product)


@pytest.fixture(scope="module")
def target(module_tmp):
    """A server to restore into, with a database `auth` of its own."""
    with PostgresServer.create(15, module_tmp / "target") as server:
        make_anew(server)
        yield server


def make_anew(server):
    """Drops what a restore that was quicker than its signal left there."""
    for (name,) in server.sql("SELECT datname FROM pg_database WHERE NOT datistemplate AND datname <> 'postgres'"):
        server.sql(f'DROP DATABASE "{name}" WITH (FORCE)')
    for (name,) in server.sql("SELECT rolname FROM pg_roles WHERE rolname !~ '^(pg_|postgres$)'"):
        server.sql(f'DROP ROLE "{name}"')
    server.sql("CREATE DATABASE auth")
    server.sql("CREATE TABLE precious AS SELECT generate_series(1, 100) AS n", "auth")


def server_state(server):
    return (
        server.sql("SELECT oid, datname FROM pg_database ORDER BY 1"),
        server.sql("SELECT oid, rolname FROM pg_roles ORDER BY 1"),
        server.value("SELECT sum(n) FROM precious", "auth"),
    )


def published(product):
    return [name for name in names_below(product.repository) if name != "RESTORE.txt"]


def assert_stopped(done, code):
    """`code` alone, and the reason on stderr."""
    assert done.code == code, done
    assert STOPPED in done.err


# -- backup ----------------------------------------------------------------------------------------------


def test_a_backup_stopped_at_any_step_publishes_all_or_nothing(product, tmp):
    words, settings = ("backup", "config"), {"CONFIG_PATHS": random_files(tmp / "source", 1)}
    steps = steps_of(product, *words, env=settings)
    codes = []
    for number in range(1, len(steps) + 1):
        shutil.rmtree(product.repository)
        done = product.run(*words, env={**settings, **at_step(number, "stop")}, expect=(0, 143))
        codes.append(done.code)
        assert len(published(product)) == (0 if done.code == 143 else 3), steps[number - 1]
        if done.code == 0:
            product.run("verify", "latest")
    assert codes == sorted(codes, reverse=True)  # early steps: not at all; the short last ones: to the end
    assert 143 in codes


@pytest.mark.parametrize("number, code", STOPS)
@pytest.mark.parametrize("after", [1, 2_000, 30_000, 15_000_000, 30_000_000])
def test_a_full_backup_stopped_while_the_server_is_silent(product, pg15, number, code, after):
    """From the first byte of the log-in to the last files of the copy."""
    with TcpProxy(pg15.port, hold_after=after) as proxy:
        product.database_url = proxy.url(pg15.url(BACKUP_ROLE, BACKUP_PASSWORD), pg15)
        running = product.popen("backup")
        proxy.wait_until_holding()
        running.signal(number)
        assert_stopped(running.wait(expect=code, timeout=10), code)
    assert published(product) == []
    assert names_below(product.temporary) == []
    assert processes_naming(product.folder) == []
    wait_until(lambda: pg15.sql("SELECT slot_name FROM pg_replication_slots") == [], "the slot is gone")


def test_after_a_stop_the_next_backup_needs_no_help(product, pg15):
    with TcpProxy(pg15.port, hold_after=10_000_000) as proxy:
        product.database_url = proxy.url(pg15.url(BACKUP_ROLE, BACKUP_PASSWORD), pg15)
        running = product.popen("backup", "--json")
        proxy.wait_until_holding()
        running.signal(signal.SIGTERM)
        done = running.wait(expect=143)
    # The document agrees with the process.
    assert (done.json()["code"], done.json()["exit"]) == ("interrupted", 143)
    product.database_url = pg15.url(BACKUP_ROLE, BACKUP_PASSWORD)
    product.run("backup")
    product.run("verify", "latest")
    assert len(published(product)) == 3


def signal_after(running, seconds, number):
    """Unless it has ended before."""
    with contextlib.suppress(ProcessLookupError):
        try:
            running.process.wait(seconds)
        except subprocess.TimeoutExpired:
            running.signal(number)


def test_a_backup_or_verify_stopped_at_any_time(product, tmp):
    """Whatever it is doing: half-way through a large file, deriving the key, at its start or end."""
    product.key = "a passphrase that must be stretched first"
    product.keep_secret(product.key)
    source = random_files(tmp / "source", 32)
    back_up_files(product, source)
    whole = published(product)
    for words in (("backup", "config"), ("verify", "latest")):
        for moment in range(6):
            number, code = STOPS[moment % 2]
            running = product.popen(*words, env={"CONFIG_PATHS": source})
            signal_after(running, 0.04 + 0.09 * moment, number)
            done = running.wait(expect=(0, code))
            new = [name for name in published(product) if name not in whole]
            assert len(new) == (3 if words[0] == "backup" and done.code == 0 else 0), (words, moment)
            whole += new
    assert names_below(product.temporary) == []


# -- restore ---------------------------------------------------------------------------------------------


def test_a_restore_of_files_stopped_at_any_step_is_all_or_nothing(product, tmp):
    source = random_files(tmp / "source", 1)
    stored = back_up_files(product, source)
    place = tmp / "place"
    (place / "config").mkdir(parents=True)
    (place / "config" / "precious").write_text("ours")
    before = folder_state(place)
    words = ("restore", "--backup-file", stored.name, "--components", "config", "--force", "--files-dir")
    steps = steps_of(product, *words, tmp / "elsewhere")
    for number in range(1, len(steps) + 1):
        done = product.run(*words, place, env=at_step(number, "stop"), expect=(0, 143))
        if done.code == 143:
            assert folder_state(place) == before, steps[number - 1]
            continue
        (kept,) = place.glob("config.before-*")
        assert (kept / "precious").read_text() == "ours"
        assert folder_state(place / "config" / str(source).lstrip("/")) == folder_state(source)
        assert names_below(place)[0] == "config" and not list(place.glob(".*"))
        (place / "config").rename(tmp / f"restored-{number}")
        kept.rename(place / "config")


def test_a_data_directory_stopped_at_any_step_is_whole_or_not_there(full, tmp):
    product, stored = full
    words = ("restore", "--backup-file", stored.name, "--target-dir")
    with small_disk(tmp / "quick", 600 * 1024 * 1024) as disk:  # in memory: to sync costs nothing
        hand_over(disk)
        steps = steps_of(product, *words, disk / "whole")
        expected = names_below(disk / "whole")
        shutil.rmtree(disk / "whole")
        interesting = {len(steps) - steps[::-1].index(kind) for kind in set(steps)} | set(spread(len(steps), 5))
        for number in sorted(interesting):
            done = product.run(*words, disk / "place", env=at_step(number, "stop"), expect=(0, 143))
            if done.code == 143:
                assert names_below(disk) == [], steps[number - 1]
            else:
                assert names_below(disk / "place") == expected, steps[number - 1]
                shutil.rmtree(disk / "place")


def test_a_restore_into_a_database_stopped_at_any_time_leaves_it_as_it_was(full, target, tmp):
    """The moments are spread over the time that one restore takes here, most of them where it is at the target."""
    product, stored = full
    hand_over(tmp)
    settings = {"DATABASE_URL": target.url(db="auth"), "TMPDIR": tmp}
    words = ("restore", "--backup-file", stored.name, "--force")
    begin = time.monotonic()
    product.run(*words, env=settings)
    whole = time.monotonic() - begin
    codes = []
    for moment in range(16):
        make_anew(target)
        before = server_state(target)
        number, code = STOPS[moment % 2]
        running = product.popen(*words, env=settings)
        signal_after(running, whole * (0.2 + 0.06 * moment), number)
        done = running.wait(expect=(0, code))
        codes.append(done.code)
        assert names_below(tmp) == []
        assert processes_naming(tmp) == []
        if done.code == code:
            assert_stopped(done, code)
            assert server_state(target) == before, f"moment {moment} of {whole} s"
    assert len(codes) - codes.count(0) >= 8


def test_a_restore_stopped_while_the_server_makes_the_database(full, target, tmp):
    """The server goes on with CREATE DATABASE when its client has gone, and commits it after the clean-up."""
    product, stored = full
    hand_over(tmp)
    make_anew(target)
    target.sql("CREATE ROLE auth_app")  # else CREATE DATABASE ends because its owner is dropped
    before = server_state(target)
    target.sql("ALTER DATABASE template0 ALLOW_CONNECTIONS true")
    try:
        with target.connect("template0"):  # CREATE DATABASE waits 5 s for its template to be free
            running = product.popen(
                "restore", "--backup-file", stored.name, "--force",
                env={"DATABASE_URL": target.url(db="auth"), "TMPDIR": tmp},
            )
            making = "SELECT pid FROM pg_stat_activity WHERE state = 'active' AND query LIKE 'CREATE DATABASE %'"
            wait_until(lambda: target.sql(making), "the server makes a database")
            running.signal(signal.SIGTERM)
            time.sleep(0.5)  # it cleans up meanwhile
        assert_stopped(running.wait(expect=143), 143)
    finally:
        target.sql("ALTER DATABASE template0 ALLOW_CONNECTIONS false")
    wait_until(lambda: not target.sql(making), "no statement is left")
    assert server_state(target) == before


@pytest.mark.parametrize("step", ["swap.create_database", "swap.restore", "swap.rename"])
def test_a_restore_into_a_database_stopped_at_each_step_of_the_swap(full, target, tmp, step):
    product, stored = full
    hand_over(tmp)
    make_anew(target)
    before = server_state(target)
    done = product.run(
        "restore", "--backup-file", stored.name, "--force", expect=(0, 143),
        env={"DATABASE_URL": target.url(db="auth"), "TMPDIR": tmp, "ASB_FAIL_POINT": f"{step}:1:stop"},
    )
    assert names_below(tmp) == []
    assert processes_naming(tmp) == []
    if done.code == 143:
        assert server_state(target) == before


# -- the log ---------------------------------------------------------------------------------------------


def test_sighup_opens_the_log_anew(product, pg15):
    """As logrotate does it: rename, then SIGHUP. No line is lost, none is in both."""
    log, old = product.logs / "backup.log", product.logs / "backup.log.1"
    with TcpProxy(pg15.port, hold_after=10_000_000) as proxy:
        product.database_url = proxy.url(pg15.url(BACKUP_ROLE, BACKUP_PASSWORD), pg15)
        running = product.popen("backup", "--json")
        proxy.wait_until_holding()
        wait_until(lambda: log.exists() and "begins" in log.read_text(), "the first line")
        log.rename(old)
        running.signal(signal.SIGHUP)
        proxy.release()
        name = running.wait().json()["name"]
    assert f"full backup {name} begins" in old.read_text()
    assert f"backup {name} is published" in log.read_text()
    assert "exit 0" in log.read_text()
    assert "published" not in old.read_text()
    run_ids = {line.split()[2] for line in (old.read_text() + log.read_text()).splitlines()}
    assert len(run_ids) == 1


def test_without_a_log_file_sighup_harms_nothing(product, pg15):
    with TcpProxy(pg15.port, hold_after=10_000_000) as proxy:
        product.database_url = proxy.url(pg15.url(BACKUP_ROLE, BACKUP_PASSWORD), pg15)
        running = product.popen("backup", env={"LOG_DIR": "/proc/no/log"})
        proxy.wait_until_holding()
        running.signal(signal.SIGHUP)
        proxy.release()
        assert "going on without a log file" in running.wait().err
