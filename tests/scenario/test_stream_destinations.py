"""Why this exists: a log that lies beside its database burns with it. A stream keeps it in every destination, and the
server forgets nothing that is not in as many of them as are required."""

import signal
import time

import pytest
from lib import streaming
from lib.log_writer import LogWriter, assert_is, lsn_text
from lib.places import ManyPlaces
from lib.postgres import BACKUP_PASSWORD, BACKUP_ROLE
from lib.recovered import let_the_server_read, recovered
from lib.streaming import Stream, Writer, new_server, wait_for

INCOMPLETE, REFUSED = 3, 8
AWAY_SECONDS = 3


@pytest.fixture(scope="module")
def server(module_tmp):
    with new_server(15, module_tmp / "pg15") as made:
        yield made


@pytest.fixture
def streamed(server, tmp, minio, gcs):
    """A product with three places, each of which has a full backup of the server."""
    product = ManyPlaces(tmp / "product", minio, gcs, database_url=server.url(user=BACKUP_ROLE, password=BACKUP_PASSWORD))
    product.run("backup", "--type", "full")
    yield product
    product.run("stream", "--drop-slot")


def slot_at(server):
    return streaming.number(server.value("SELECT restart_lsn::text FROM pg_replication_slots"))


def wait_until_everywhere(stream, server):
    """The server was told that all it has written until now is kept in all places."""
    position = streaming.number(streaming.position(server))
    wait_for(lambda: slot_at(server) >= position, "the slot follows")
    stream.wait_until(lambda status: all(other["keeps_up"] for other in status["others"]), "the status says so")
    return position


def reaches(product, place, position):
    """Whether the log in `place` alone reaches so far."""
    done = product.run("explain", "--target-position", lsn_text(position), "--repository", place, expect=(0, REFUSED))
    return done.code == 0


def test_each_place_alone_brings_back_what_was_streamed(server, streamed, tmp):
    writer = LogWriter(server)
    with Stream(streamed) as stream:
        stream.wait_until_streaming()
        for _ in range(3):
            writer.mixture()
        writer.close()
        wait_until_everywhere(stream, server)
        status = streamed.run("stream", "--status").out
        assert all(f"also in    {place}: keeps up" in status for place in streamed.places[1:])
    last = writer.commits[-1]
    assert all(reaches(streamed, place, last.after_lsn) for place in streamed.places)
    let_the_server_read(streamed)
    with recovered(streamed, tmp / "restored", "--target-position", lsn_text(last.after_lsn), "--repository",
                   streamed.places[1]) as restored:
        assert_is(restored, last)


def test_the_server_keeps_what_is_not_in_all_places(server, streamed, minio):
    writer = Writer(server)
    with Stream(streamed) as stream:
        stream.wait_until_streaming()
        writer.write(5)
        before = wait_until_everywhere(stream, server)
        minio.stop()
        try:
            writer.write(5)
            stream.wait_until(lambda status: not status["others"][0]["keeps_up"], "it is seen that one is away")
            time.sleep(AWAY_SECONDS)
            assert slot_at(server) <= before
            said = stream.status()
            assert int(said["durable"]["at"], 16) <= before, "what is in the first place alone is durable nowhere"
            assert said["lag_bytes"] != 0 and said["lag_ms"] >= AWAY_SECONDS * 1000 - 500
            told = streamed.run("stream", "--status", expect=INCOMPLETE).out
            assert f"also in    {streamed.places[1]}: NOT KEPT THERE: " in told
            assert f"also in    {streamed.places[2]}: keeps up" in told
        finally:
            minio.start()
        missed = wait_until_everywhere(stream, server)
        assert reaches(streamed, streamed.places[1], missed - 1)


def test_one_that_is_not_required_is_brought_later_what_it_missed(server, streamed, minio):
    """Even by another process."""
    writer = Writer(server)
    minio.stop()
    try:
        with Stream(streamed, env={"REQUIRED_DESTINATIONS": "2"}) as stream:
            stream.wait_until_streaming()
            writer.write(5)
            position = streaming.number(streaming.position(server))
            wait_for(lambda: slot_at(server) >= position, "two of three are enough")
    finally:
        minio.start()
    assert not reaches(streamed, streamed.places[1], position - 1)
    with Stream(streamed) as stream:
        stream.wait_until(lambda status: status["others"] and status["others"][0]["keeps_up"], "it is caught up")
    assert reaches(streamed, streamed.places[1], position - 1)


def test_a_synchronous_commit_is_in_every_place_when_it_returns(server, streamed):
    writer = Writer(server)
    stream = Stream(streamed, env={"STREAM_SYNCHRONOUS": "true"})
    stream.wait_until_streaming()
    server.sql("ALTER SYSTEM SET synchronous_standby_names = '\"auth-service-backup\"'")
    server.reload()
    try:
        wait_for(lambda: server.sql("SELECT sync_state FROM pg_stat_replication") == [("sync",)], "synchronous")
        stream.wait_until(lambda status: all(other["keeps_up"] for other in status["others"]), "all keep up")
        writer.write(10)
        stream.running.signal(signal.SIGSTOP)
        position = streaming.number(server.value("SELECT pg_current_wal_flush_lsn()::text"))
        assert all(reaches(streamed, place, position - 1) for place in streamed.places)
    finally:
        stream.kill()
        server.sql("ALTER SYSTEM RESET synchronous_standby_names")
        server.reload()


def test_the_log_does_not_go_where_no_backup_is_that_it_goes_on_from(server, streamed, gcs):
    """It may be a folder that is not mounted; `sync` brings the backup, and the stream the log from then on."""
    streamed.settings["GCS_BUCKET"] = str(gcs.new_bucket())
    writer = Writer(server)
    with Stream(streamed, env={"REQUIRED_DESTINATIONS": "2"}) as stream:
        stream.wait_until_streaming()
        writer.write(5)
        stream.wait_until(lambda status: "problem" in status["others"][1], "the empty one is named")
        assert "is away" in stream.status()["others"][1]["problem"]
        streamed.run("sync")
        stream.wait_until(lambda status: status["others"][1]["keeps_up"], "it is kept there after a sync")
    assert streamed.run("list", "--set", f"REPOSITORY=gs://{streamed.settings['GCS_BUCKET']}", "--json").json()["backups"]


def test_another_place_takes_over_when_the_first_goes_away(server, streamed, tmp):
    writer = Writer(server)
    with Stream(streamed, env={"REQUIRED_DESTINATIONS": "2"}) as stream:
        stream.wait_until_streaming()
        writer.write(5)
        wait_until_everywhere(stream, server)
        streamed.repository.rename(tmp / "unmounted")
        writer.write(5)
        position = streaming.number(streaming.position(server))
        wait_for(lambda: slot_at(server) >= position, "the others go on")
        assert all(reaches(streamed, place, position - 1) for place in streamed.places[1:])
        assert not streamed.repository.exists()
        (tmp / "unmounted").rename(streamed.repository)
        wait_for(lambda: reaches(streamed, streamed.places[0], position - 1), "the first is brought what it missed")
    assert len(streamed.run("list", "--json").json()["backups"]) == 1


def test_a_folder_that_is_not_mounted_begins_nothing_anew(server, streamed, tmp):
    """Neither a log nor a chain: both go on in the buckets."""
    writer = Writer(server)
    with Stream(streamed) as stream:
        stream.wait_until_streaming()
        writer.write(5)
        wait_until_everywhere(stream, server)
    mounted = streamed.repository
    mounted.rename(tmp / "unmounted")
    assert "pg_drop_replication_slot" not in streamed.run("check", expect=None).out
    with Stream(streamed, env={"REQUIRED_DESTINATIONS": "2"}) as stream:
        stream.wait_until_streaming()
        writer.write(5)
        position = streaming.number(streaming.position(server))
        wait_for(lambda: slot_at(server) >= position, "the buckets are enough")
    assert not mounted.exists()
    report = streamed.run("backup", "--type", "incremental", "--json").json()
    assert "promoted_to" not in report
    assert any(warning.startswith(f"{mounted} lacks {report['parent']}") for warning in report["warnings"])
