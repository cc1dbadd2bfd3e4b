"""Why this exists: an alert is as good as what it looks at. A status that nobody writes any more, and a lag that nobody
can know just now, must not read as health."""

import signal
import time

import pytest
from lib import crash, streaming
from lib.streaming import Stream, Writer, new_server, product_for, wait_for

INCOMPLETE = 3
SILENCE_SECONDS = 30  # after which a status is an old one (ops/stream_status.cpp)
AWAY_SECONDS = 4


@pytest.fixture(scope="module")
def server(module_tmp):
    with new_server(15, module_tmp / "pg15") as made:
        yield made


@pytest.fixture
def streamed(server, tmp):
    product = product_for(server, tmp / "product")
    yield product
    product.run("stream", "--drop-slot")


def told(product, expect=INCOMPLETE):
    return product.run("stream", "--status", "--json", expect=expect).json()


def caught_up(stream, server):
    stream.wait_until_streaming()
    Writer(server).write(3)
    stream.wait_until_durable(streaming.position(server))
    stream.wait_until(lambda status: status["lag_is"] == "measured", "the lag is measured")


def test_a_stream_that_hangs_is_told_by_the_age_of_its_status(server, streamed):
    with Stream(streamed) as stream:
        caught_up(stream, server)
        stream.running.signal(signal.SIGSTOP)
        try:
            time.sleep(SILENCE_SECONDS + 1)
            done = streamed.run("stream", "--status", expect=INCOMPLETE)
            assert "stream: NOTHING WAS WRITTEN FOR 3" in done.out and "s: hung, or stopped?" in done.out
            assert f"hint: look at /proc/{stream.running.process.pid}/status" in done.out
            assert "  behind     " in done.out and "at most 3" in done.out
            said = told(streamed)
            assert (said["running"], said["stale"], said["lag_is"]) == (True, True, "at_most")
            assert min(said["age_ms"], said["lag_ms"]) > SILENCE_SECONDS * 1000
        finally:
            stream.running.signal(signal.SIGCONT)
        wait_for(lambda: not told(streamed, expect=None)["stale"], "it is written again")
        assert told(streamed, expect=0)["age_ms"] < SILENCE_SECONDS * 1000


def test_the_lag_of_a_stream_without_its_database_grows_and_is_told_as_a_bound(server, streamed):
    with Stream(streamed) as stream:
        caught_up(stream, server)
        server.stop("immediate")
        try:
            stream.wait_until(lambda status: status["state"] == "waiting for the database", "it waits")
            time.sleep(AWAY_SECONDS)
            said = told(streamed)
            assert (said["lag_bytes"], said["lag_is"]) == (None, "at_most")
            assert AWAY_SECONDS * 1000 <= said["lag_ms"] < 60_000 and stream.status()["lag_ms"] > 1000
            assert "since then it is not known" in streamed.run("stream", "--status", expect=INCOMPLETE).out
        finally:
            server.start()
        stream.wait_until(lambda status: status["lag_is"] == "measured", "it is measured again")


def test_what_a_full_repository_did_not_take_counts_as_missing(server, streamed):
    with Stream(streamed, env=crash.armed(5, "enospc", "log.put")) as stream:
        with Writer(server).beside():
            said = stream.wait_until(lambda status: status["state"] == "waiting for the repository", "it waits")
        assert said["lag_is"] == "at_most" and said["lag_bytes"] and said["lag_ms"] > 0
        stream.wait_until_durable(streaming.position(server))


def test_the_lag_of_a_stream_that_has_ended_grows(server, streamed):
    with Stream(streamed) as stream:
        caught_up(stream, server)
    before = told(streamed)
    time.sleep(1)
    assert not before["running"] and before["lag_is"] == "at_most"
    assert told(streamed)["lag_ms"] >= before["lag_ms"] + 1000
