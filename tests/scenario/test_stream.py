"""Why this exists: `stream` keeps PostgreSQL's log in the repository while it is written. What is kept must be
the server's own bytes, without a gap; and what it says of itself must be so."""

import shutil
import time

import pytest
from lib import streaming
from lib.log_objects import StreamedLog
from lib.postgres import BACKUP_PASSWORD, BACKUP_ROLE
from lib.product import Product
from lib.streaming import Stream, Writer, check_equal_to_wal, new_server, product_for, wait_for

INCOMPLETE, REFUSED, DATABASE, NOT_FOUND, BUSY = 3, 5, 6, 10, 11
SYNCHRONOUS = {"STREAM_SYNCHRONOUS": "true"}


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


def test_every_committed_row_is_kept_within_seconds(server, streamed):
    writer = Writer(server)
    with Stream(streamed) as stream:
        stream.wait_until_streaming()
        writer.write(200)
        stream.wait_until_durable(streaming.position(server))
        check_equal_to_wal(streamed, server)
        server.sql("SELECT pg_switch_wal()")
        writer.write(1)
        stream.wait_until_durable(streaming.position(server))
    check_equal_to_wal(streamed, server)
    assert streaming.commits_in(server, streamed) >= writer.committed


def test_an_idle_server_costs_no_object(server, streamed):
    with Stream(streamed) as stream:
        stream.wait_until_streaming()
        Writer(server).write(1)
        stream.wait_until_durable(streaming.position(server))
        server.sql("CHECKPOINT")
        stream.wait_until_durable(streaming.position(server))
        before = streamed.objects("*.log.gz.enc")
        time.sleep(2.5)
        assert streamed.objects("*.log.gz.enc") == before


def test_the_slot_is_moved_on_only_after_the_bytes_are_durable(server, streamed):
    def restart_of(slot):
        return server.value(f"SELECT restart_lsn::text FROM pg_replication_slots WHERE slot_name = '{slot}'")

    writer = Writer(server)
    with Stream(streamed, env={"STREAM_SECONDS": 60}) as stream:
        stream.wait_until_streaming()
        (slot,) = streaming.slots(server)
        assert slot == "auth_service_backup_" + StreamedLog(streamed).id
        before = stream.status()["durable"]["at"]
        writer.write(20)
        time.sleep(1)
        # Of the slot first: what is kept only grows.
        told = streaming.number(restart_of(slot))
        assert told <= (check_equal_to_wal(streamed, server) or int(before, 16))
        assert told < streaming.number(streaming.position(server))
    # What was taken is put and confirmed before it goes.
    wait_for(lambda: streaming.number(restart_of(slot)) > int(before, 16), "the slot was moved on")
    assert streaming.number(restart_of(slot)) <= check_equal_to_wal(streamed, server)
    assert streaming.commits_in(server, streamed) >= writer.committed


def test_many_small_objects_become_a_large_one(server, streamed):
    writer = Writer(server)
    with Stream(streamed, env={**SYNCHRONOUS, "STREAM_SEAL_OBJECTS": 20}) as stream:
        stream.wait_until_streaming()
        with writer.beside():
            stream.wait_until(lambda status: status["merged"] >= 2, "merged twice")
        stream.wait_until_durable(streaming.position(server))
        written = stream.status()["objects"]
    kept = StreamedLog(streamed).objects()
    assert len(kept) < written
    assert max(one.header["commits"] for one in kept) >= 20
    check_equal_to_wal(streamed, server)
    assert streaming.commits_in(server, streamed) >= writer.committed


def test_the_status_says_how_far_a_stream_is_and_whether_it_lives(server, streamed):
    streamed.run("stream", "--status", expect=NOT_FOUND)
    with Stream(streamed) as stream:
        stream.wait_until_streaming()
        Writer(server).write(10)
        stream.wait_until_durable(streaming.position(server))
        said = streamed.run("stream", "--status", "--json").json()
        assert (said["running"], said["state"], said["lag_bytes"]) == (True, "streaming", 0)
        assert said["objects"] >= 1 and said["pid"] == stream.running.process.pid
        assert "stream: streaming" in streamed.run("stream", "--status").out
    ended = streamed.run("stream", "--status", expect=INCOMPLETE)
    assert "NOT RUNNING" in ended.out


def test_a_second_stream_of_the_same_log_is_refused(server, streamed):
    with Stream(streamed) as first:
        first.wait_until_streaming()
        assert "in use" in Stream(streamed).wait(expect=BUSY).err
        without_slot = Stream(streamed, env={"POSTGRES_SLOT": "off"}).wait(expect=BUSY)
        assert "another stream of the log" in without_slot.err
        assert first.is_alive and first.status()["state"] == "streaming"


def test_a_second_stream_leaves_the_status_of_the_first_alone(server, streamed):
    with Stream(streamed) as first:
        first.wait_until_streaming()
        second = Stream(streamed)
        while second.is_alive:
            assert first.status()["pid"] == first.running.process.pid
            time.sleep(0.01)
        second.wait(expect=BUSY)
        assert first.status()["state"] == "streaming"


def test_a_log_folder_that_is_removed_is_made_again(server, streamed):
    with Stream(streamed) as stream:
        stream.wait_until_streaming()
        shutil.rmtree(streamed.logs)
        wait_for(stream.status, "the status is written again")
        time.sleep(2.5)
    warning = f"{streamed.logs} was gone and is made again"
    assert (streamed.logs / "stream.log").read_text().count(warning) == 1


def test_the_slot_of_a_running_stream_is_not_dropped(server, streamed):
    with Stream(streamed) as stream:
        stream.wait_until_streaming()
        (slot,) = streaming.slots(server)
        refused = streamed.run("stream", "--drop-slot", expect=BUSY)
        assert f"the slot {slot} is in use" in refused.err and "stop the stream first" in refused.err
        assert streaming.slots(server) == [slot] and stream.is_alive


def test_a_refused_password_ends_it(server, streamed):
    streamed.database_url = server.url(user=BACKUP_ROLE, password="another-password-than-it-has")
    done = Stream(streamed).wait(expect=DATABASE, timeout=20)
    assert "refuses" in done.err and "trying again" not in done.err
    streamed.database_url = server.url(user=BACKUP_ROLE, password=BACKUP_PASSWORD)


def test_without_a_backup_one_is_taken_first(server, tmp):
    product = Product(tmp / "product", database_url=server.url(user=BACKUP_ROLE, password=BACKUP_PASSWORD))
    refused = Stream(product, "--no-promote").wait(expect=INCOMPLETE)
    assert "no backup" in refused.err and product.objects("*.manifest.json") == []
    writer = Writer(server)
    with Stream(product) as stream:
        stream.wait_until_streaming()
        writer.write(5)
        stream.wait_until_durable(streaming.position(server))
    assert len(product.objects("*.manifest.json")) == 1
    assert "a full backup is taken" in (product.logs / "stream.log").read_text()
    check_equal_to_wal(product, server)
    dropped = product.run("stream", "--drop-slot", "--json").json()["dropped"]
    assert dropped == ["auth_service_backup_" + StreamedLog(product).id] and streaming.slots(server) == []
    assert product.run("stream", "--drop-slot").out == "the server has no slot of ours\n"


def test_without_encryption_and_compression_objects_are_the_wal_itself(server, streamed):
    plain = {"ENCRYPTION_ENABLED": "false", "COMPRESSION_ENABLED": "false", "BACKUP_ENCRYPTION_KEY": None}
    refused = Stream(streamed)
    refused.wait_until_streaming()
    refused.kill()
    assert "was begun with encryption" in Stream(streamed, env=plain).wait(expect=REFUSED).err
    other = Product(streamed.folder / "other", database_url=streamed.database_url)
    with Stream(other, env=plain) as stream:
        stream.wait_until_streaming()
        Writer(server).write(5)
        stream.wait_until_durable(streaming.position(server))
    check_equal_to_wal(other, server)
    assert all(not one.encrypted and one.header["compression"] == "none" for one in StreamedLog(other).objects())
    other.run("stream", "--drop-slot")


def test_each_major_is_followed(major, tmp):
    with new_server(major, tmp / "pg") as server:
        product = product_for(server, tmp / "product")
        writer = Writer(server)
        with Stream(product) as stream:
            stream.wait_until_streaming()
            writer.write(50, filler_bytes=20_000)
            stream.wait_until_durable(streaming.position(server))
        check_equal_to_wal(product, server)
