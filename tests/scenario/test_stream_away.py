"""Why this exists: a repository that is unmounted or moved away under a running stream is no empty one. Nothing may
be confirmed that is in no repository, nothing may be made where it was, and when it is back the stream goes on."""

import contextlib
import signal
import threading
import time

import pytest
from lib import streaming
from lib.streaming import Stream, Writer, check_equal_to_wal, new_server, product_for, wait_for

STORE = 7
AWAY_SECONDS = 3
SYNCHRONOUS = {"STREAM_SYNCHRONOUS": "true"}
WAITING = "waiting for the repository"


@pytest.fixture(scope="module")
def server(module_tmp):
    """PostgreSQL 15 with the backup role, which keeps its WAL for the comparison."""
    with new_server(15, module_tmp / "pg15") as made:
        yield made


@pytest.fixture
def streamed(server, tmp):
    product = product_for(server, tmp / "product")
    yield product
    product.run("stream", "--drop-slot")


@contextlib.contextmanager
def moved_away(product):
    elsewhere = product.folder / "moved"
    product.repository.rename(elsewhere)
    yield
    assert not product.repository.exists()
    elsewhere.rename(product.repository)


def restart_of_slot(server):
    return streaming.number(server.value("SELECT restart_lsn::text FROM pg_replication_slots"))


def wait_until_waiting(stream):
    stream.wait_until(lambda status: status["state"] == WAITING, WAITING)


def test_a_repository_that_is_moved_away_is_waited_for(server, streamed):
    writer = Writer(server)
    with Stream(streamed) as stream:
        stream.wait_until_streaming()
        writer.write(5)
        stream.wait_until_durable(streaming.position(server))
        kept = check_equal_to_wal(streamed, server)
        with moved_away(streamed):
            writer.write(5)
            wait_until_waiting(stream)
            time.sleep(AWAY_SECONDS)
            assert stream.status()["state"] == WAITING and stream.status()["lag_bytes"] > 0
            assert restart_of_slot(server) <= kept
            assert not streamed.repository.exists()
        stream.wait_until_durable(streaming.position(server))
        assert stream.status()["state"] == "streaming"
        check_equal_to_wal(streamed, server)
    assert streaming.commits_in(server, streamed) >= writer.committed


def test_a_server_that_restarts_meanwhile_is_followed_again_in_the_same_repository(server, streamed):
    writer = Writer(server)
    with Stream(streamed) as stream:
        stream.wait_until_streaming()
        writer.write(5)
        stream.wait_until_durable(streaming.position(server))
        with moved_away(streamed):
            server.stop("immediate")
            server.start()
            writer.write(5)
            wait_until_waiting(stream)
            time.sleep(AWAY_SECONDS)
        stream.wait_until_durable(streaming.position(server))
    check_equal_to_wal(streamed, server)
    assert streaming.commits_in(server, streamed) >= writer.committed
    assert len(streamed.objects("*.manifest.json")) == 1


def test_a_synchronous_commit_does_not_return_while_it_is_away(server, streamed):
    writer = Writer(server)
    with Stream(streamed, env=SYNCHRONOUS) as stream:
        stream.wait_until_streaming()
        server.sql("ALTER SYSTEM SET synchronous_standby_names = '\"auth-service-backup\"'")
        server.reload()
        try:
            wait_for(lambda: server.sql("SELECT sync_state FROM pg_stat_replication") == [("sync",)], "synchronous")
            writer.write(3)
            stream.wait_until_durable(streaming.position(server))
            commit = threading.Thread(target=writer.write)
            with moved_away(streamed):
                commit.start()
                wait_until_waiting(stream)
                time.sleep(AWAY_SECONDS)
                assert commit.is_alive() and len(writer.committed) == 3
            commit.join(streaming.SECONDS_MAX)
            assert len(writer.committed) == 4
            assert streaming.commits_in(server, streamed) >= writer.committed
        finally:
            server.sql("ALTER SYSTEM RESET synchronous_standby_names")
            server.reload()


def stop_within_a_put(stream, repository):
    """Halts the process while it writes an object of the log."""
    deadline = time.monotonic() + streaming.SECONDS_MAX
    while time.monotonic() < deadline:
        if not list(repository.glob("log/*/*/.*.partial")):
            continue
        stream.running.signal(signal.SIGSTOP)
        time.sleep(0.05)
        if list(repository.glob("log/*/*/.*.partial")):
            return
        stream.running.signal(signal.SIGCONT)
    raise AssertionError("no put was met")


def test_what_is_moved_away_within_a_put_is_not_confirmed(server, streamed):
    writer = Writer(server)
    stream = Stream(streamed)
    stream.wait_until_streaming()
    writer.write(1)
    stream.wait_until_durable(streaming.position(server))
    kept = check_equal_to_wal(streamed, server)
    with writer.beside():
        stop_within_a_put(stream, streamed.repository)
    kept = max(kept, check_equal_to_wal(streamed, server))
    with moved_away(streamed):
        stream.running.signal(signal.SIGCONT)
        assert "what was put is not confirmed" in stream.wait(expect=STORE).err
        assert restart_of_slot(server) <= kept
    with Stream(streamed) as again:
        again.wait_until_durable(streaming.position(server))
    check_equal_to_wal(streamed, server)
    assert streaming.commits_in(server, streamed) >= writer.committed


def test_objects_are_merged_again_when_it_is_back(server, streamed):
    writer = Writer(server)
    with Stream(streamed, env={**SYNCHRONOUS, "STREAM_SEAL_OBJECTS": 5}) as stream:
        stream.wait_until_streaming()
        with writer.beside():
            stream.wait_until(lambda status: status["merged"] >= 1, "merged")
        stream.wait_until_durable(streaming.position(server))
        with moved_away(streamed):
            writer.write(1)
            wait_until_waiting(stream)
        with writer.beside():
            before = stream.status()["merged"]
            stream.wait_until(lambda status: status["merged"] > before, "merged again")
        stream.wait_until_durable(streaming.position(server))
    check_equal_to_wal(streamed, server)
    assert streaming.commits_in(server, streamed) >= writer.committed
