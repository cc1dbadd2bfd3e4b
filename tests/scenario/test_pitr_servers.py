"""Why this exists: a recovering server either fetches its WAL from the repository itself or finds it unpacked; on each
version and with each size of segment. A server that cannot have what it needs must stop, never promote too early."""

import contextlib
import os
import signal
import time

import pytest
from lib.crash import armed
from lib.log_writer import LogWriter, assert_is, instant_text, lsn_text
from lib.postgres import PostgresError, PostgresServer, hand_over
from lib.product import Product
from lib.recovered import (
    SOURCE, back_up, check_nothing_stays, fetching, let_the_server_read, recovered, wait_until_promoted,
)

SEGMENT_MEGABYTES = {15: 1, 16: 64, 17: 1, 18: 64}  # 16, the default, is what all other tests have
FETCHED = "fetches its WAL"
UNPACKED = "the WAL was unpacked into pg_wal"


class Chain:
    """A full backup and two incremental ones of a server, and commits in each."""

    def __init__(self, folder, major, megabytes, switches):
        self.folder, self.major = folder, major
        server = PostgresServer(major, folder / "pg", settings={"max_prepared_transactions": 20})
        server.initialise(f"--wal-segsize={megabytes}")
        server.start()
        with server:
            self.product = Product(folder / "product", database_url=server.url())
            self.writer = writer = LogWriter(server)
            back_up(self.product, "full")
            for _ in range(2):
                for _ in range(switches):
                    writer.mixture()
                    server.sql("SELECT pg_switch_wal()")
                writer.rows(200, filler_bytes=3000)
                writer.mixture()
                assert "promoted_to" not in back_up(self.product)
            writer.close()

    @property
    def late(self):
        """A commit near the end of the second incremental backup."""
        return self.writer.commits[-3]


@pytest.fixture(scope="module")
def chain15(module_tmp):
    made = Chain(module_tmp, 15, megabytes=1, switches=6)
    let_the_server_read(made.product)
    return made


def way(server):
    (said,) = [line for line in server.report["report"] if "WAL" in line]
    return said


def test_each_version_and_size_of_segment_in_both_ways(major, tmp):
    chain = Chain(tmp, major, SEGMENT_MEGABYTES[major], switches=3)
    early, late = chain.writer.commits[5], chain.late
    with recovered(chain.product, tmp / "unpacked", "--target-time", instant_text(early.after), major=major) as server:
        assert UNPACKED in way(server)
        assert_is(server, early)
    let_the_server_read(chain.product)
    with recovered(chain.product, tmp / "fetched", "--target-position", lsn_text(late.after_lsn), major=major) as server:
        assert FETCHED in way(server)
        assert_is(server, late)


@contextlib.contextmanager
def restored(chain, folder):
    """Restored to a late commit, not started yet: its data directory."""
    data = folder / "data"
    chain.product.run("restore", "--target-position", lsn_text(chain.late.after_lsn), "--target-dir", data)
    hand_over(folder)
    yield data


def start(data, folder, environment=None):
    server = PostgresServer(15, folder, data=data, settings={"max_prepared_transactions": 20})
    server.more_environment = environment or {}
    server.start()
    return server


def goes_on_to_the_target(chain, data, folder):
    with start(data, folder) as server:
        wait_until_promoted(server)
        assert_is(server, chain.late)
        check_nothing_stays(server)


def never_promotes(data, folder, environment=None):
    """It ends by itself; what it says."""
    with contextlib.suppress(PostgresError), start(data, folder, environment) as server:
        deadline = time.monotonic() + 60
        while server.is_running:
            assert time.monotonic() < deadline
            time.sleep(0.02)
    log = (folder / "server.log").read_text()
    assert "selected new timeline ID" not in log and "archive recovery complete" not in log
    assert "could not restore file" in log and (data / "recovery.signal").exists()
    wait_until_nobody_fetches(data)
    return log


def wait_until_nobody_fetches(data):
    deadline = time.monotonic() + 20
    while fetching(data):
        assert time.monotonic() < deadline, fetching(data)
        time.sleep(0.02)


def test_a_repository_that_has_moved_away_ends_the_recovery_which_goes_on_when_it_is_back(chain15, tmp):
    with restored(chain15, tmp) as data:
        repository = chain15.product.repository
        away = repository.rename(repository.with_name("away"))
        try:
            never_promotes(data, tmp)
        finally:
            away.rename(repository)
        goes_on_to_the_target(chain15, data, tmp)


def test_a_damaged_object_ends_the_recovery_where_it_is_needed(chain15, tmp):
    *_, body = sorted(chain15.product.repository.glob("*.tar.gz.enc"))
    whole = body.read_bytes()
    with restored(chain15, tmp) as data:
        body.write_bytes(whole[: len(whole) // 2] + bytes([whole[len(whole) // 2] ^ 1]) + whole[len(whole) // 2 + 1 :])
        try:
            assert body.name.split(".")[0] in never_promotes(data, tmp)
        finally:
            body.write_bytes(whole)
        goes_on_to_the_target(chain15, data, tmp)


@pytest.mark.parametrize("change", [
    lambda text: text[: len(text) // 2],
    lambda text: text.replace(b'"cipher_key":"', b'"cipher_key":"00')[:-4],
    lambda text: None,
], ids=["half", "wrong", "gone"])
def test_without_its_source_the_recovery_ends(chain15, tmp, change):
    with restored(chain15, tmp) as data:
        source = data / SOURCE
        whole = source.read_bytes()
        changed = change(whole)
        source.unlink() if changed is None else source.write_bytes(changed)
        never_promotes(data, tmp)
        source.write_bytes(whole)
        hand_over(data)
        goes_on_to_the_target(chain15, data, tmp)


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
def test_a_server_that_is_ended_in_the_middle_of_its_recovery_goes_on_when_it_is_started_again(chain15, tmp, how):
    with restored(chain15, tmp) as data:
        server = PostgresServer(15, tmp, data=data, settings={"max_prepared_transactions": 20})
        server.wait_until_ready = lambda: wait_for_files(server, 4)
        server.start()
        os.kill(server.pid, how)
        server._process.wait(60)
        assert "selected new timeline ID" not in server.log()
        wait_until_nobody_fetches(data)
        goes_on_to_the_target(chain15, data, tmp)


def wait_for_files(server, count):
    deadline = time.monotonic() + 60
    while not os.path.exists(server.folder / "server.log") or server.log().count("restored log file") < count:
        assert time.monotonic() < deadline, server.log()


def test_a_killed_server_leaves_nobody_who_waits_for_it(tmp):
    """So large are its segments that not all of them are fetched beforehand."""
    chain = Chain(tmp, 15, megabytes=64, switches=3)
    let_the_server_read(chain.product)
    with restored(chain, tmp / "second") as data:
        server = PostgresServer(15, tmp / "second", data=data, settings={"max_prepared_transactions": 20})
        server.wait_until_ready = lambda: wait_for_files(server, 1)
        server.start()
        server._process.kill()
        server._process.wait(60)
        assert (data / "postmaster.pid").exists()
        wait_until_nobody_fetches(data)


@pytest.mark.parametrize("action, step", [("kill", 1), ("enospc", 1)])
def test_a_process_that_fetches_and_ends_too_often_ends_the_recovery(chain15, tmp, action, step):
    with restored(chain15, tmp) as data:
        never_promotes(data, tmp, armed(step, action, "fetch.file"))
        goes_on_to_the_target(chain15, data, tmp)


def test_a_process_that_is_killed_while_it_fetches_is_started_again(chain15, tmp):
    with restored(chain15, tmp) as data:
        with start(data, tmp, armed(3, "kill", "fetch.file")) as server:
            wait_until_promoted(server)
            assert_is(server, chain15.late)
            check_nothing_stays(server)


def test_the_secret_is_for_the_servers_user_alone(chain15, tmp):
    with restored(chain15, tmp) as data:
        assert (data / SOURCE).stat().st_mode & 0o777 == 0o600
        assert chain15.product.key.encode() not in (data / SOURCE).read_bytes()
