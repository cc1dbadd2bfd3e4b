"""Why this exists: `stream` keeps PostgreSQL's log in the repository while it is written. What is kept must be
the server's own bytes, without a gap, whatever happens to anybody; and what a commit was promised must hold."""

import random
import time

import pytest
from lib import crash, streaming
from lib.log_objects import StreamedLog
from lib.postgres import BACKUP_PASSWORD, BACKUP_ROLE, PostgresServer
from lib.product import Product
from lib.streaming import Stream, Writer, check_equal_to_wal, wait_for

SEED = 20240115
INCOMPLETE, NOT_FOUND, BUSY, DATABASE = 3, 10, 11, 6
SYNCHRONOUS = {"STREAM_SYNCHRONOUS": "true"}


def new_server(major, folder, **settings):
    server = PostgresServer.create(major, folder, wal_keep_size="4GB", **settings)
    server.create_minimal_role()
    server.add_hba("host replication all 127.0.0.1/32 scram-sha-256")
    return server


def product_for(server, folder):
    """A product that has a full backup of the server."""
    product = Product(folder, database_url=server.url(user=BACKUP_ROLE, password=BACKUP_PASSWORD))
    product.run("backup", "--type", "full")
    return product


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


def test_a_stream_that_is_killed_again_and_again_misses_nothing(server, streamed):
    moments = random.Random(SEED)
    writer = Writer(server)
    with writer.beside():
        for _ in range(6):
            stream = Stream(streamed)
            stream.wait_until_streaming()
            time.sleep(moments.uniform(0, 2))
            stream.kill()
    with Stream(streamed) as stream:
        stream.wait_until_durable(streaming.position(server))
    check_equal_to_wal(streamed, server)
    assert streaming.commits_in(server, streamed) >= writer.committed


def test_a_stream_that_is_killed_at_each_of_its_steps_misses_nothing(server, streamed):
    writer = Writer(server)
    settings = {"STREAM_SEAL_OBJECTS": 3}
    Stream(streamed, env=crash.armed(1, "kill", "log.record")).wait(expect=crash.KILLED)
    for name, count in {
        "log.put": 2, "store.local.rename": 3, "store.local.sync_folder": 4, "stream.confirm": 2,
        "log.seal": 1, "log.seal_erase": 2, "store.local.erase": 1,
    }.items():
        stream = Stream(streamed, env={**settings, **SYNCHRONOUS, **crash.armed(count, "kill", name)})
        with writer.beside():
            stream.wait(expect=crash.KILLED)
        check_equal_to_wal(streamed, server)
    with Stream(streamed, env=settings) as stream:
        stream.wait_until_durable(streaming.position(server))
    check_equal_to_wal(streamed, server)
    assert streaming.commits_in(server, streamed) >= writer.committed


def test_a_server_that_is_killed_is_followed_again(server, streamed):
    writer = Writer(server)
    with Stream(streamed) as stream:
        stream.wait_until_streaming()
        for mode in ("immediate", "fast"):
            with writer.beside():
                time.sleep(0.5)
                server.stop(mode)
            server.start()
            writer.write(1)
            stream.wait_until_durable(streaming.position(server))
            assert stream.status()["last_error"]["fact"]
    check_equal_to_wal(streamed, server)
    assert streaming.commits_in(server, streamed) >= writer.committed
    assert "trying again" in (streamed.logs / "stream.log").read_text()


def test_a_synchronous_commit_is_in_the_repository_when_it_returns(tmp):
    with new_server(15, tmp / "pg") as server:
        product = product_for(server, tmp / "product")
        writer = Writer(server)
        with Stream(product, env=SYNCHRONOUS) as stream:
            stream.wait_until_streaming()
            server.sql("ALTER SYSTEM SET synchronous_standby_names = '\"auth-service-backup\"'")
            server.reload()
            assert wait_for(
                lambda: server.sql("SELECT sync_state FROM pg_stat_replication") == [("sync",)], "synchronous"
            )
            for _ in range(3):
                with writer.beside():
                    time.sleep(1)
                    server.stop("immediate")
                    stream.kill()
                # From here on the server's disk is gone, as far as this test looks at it.
                assert len(writer.committed) > 10
                assert streaming.commits_in(server, product) >= writer.committed
                server.start()
                stream = Stream(product, env=SYNCHRONOUS)
                stream.wait_until_streaming()
            stream.running.signal()
            stream.wait(expect=streaming.TERMINATED)
            server.stop("immediate")


def test_the_slot_is_moved_on_only_after_the_bytes_are_durable(server, streamed):
    def restart_of(slot):
        return server.value(f"SELECT restart_lsn::text FROM pg_replication_slots WHERE slot_name = '{slot}'")

    writer = Writer(server)
    with Stream(streamed, env={"STREAM_SECONDS": 60}) as stream:
        stream.wait_until_streaming()
        (slot,) = streaming.slots(server)
        assert slot == "auth_service_backup_" + StreamedLog(streamed).id
        before, kept = stream.status()["durable"]["at"], restart_of(slot)
        writer.write(20)
        time.sleep(1)
        assert stream.status()["durable"]["at"] == before
        assert restart_of(slot) == kept
    # What was taken is put and confirmed before it goes.
    wait_for(lambda: streaming.number(restart_of(slot)) > int(before, 16), "the slot was moved on")
    assert streaming.number(restart_of(slot)) <= check_equal_to_wal(streamed, server)
    assert streaming.commits_in(server, streamed) >= writer.committed


def test_a_promotion_is_followed_to_the_new_timeline(tmp):
    with new_server(15, tmp / "primary") as primary:
        product = product_for(primary, tmp / "product")
        writer = Writer(primary)
        with primary.standby(tmp / "standby", wal_keep_size="4GB") as standby:
            with Stream(product) as stream:
                stream.wait_until_streaming()
                writer.write(50)
                stream.wait_until_durable(streaming.position(primary))
            product.database_url = standby.url(user=BACKUP_ROLE, password=BACKUP_PASSWORD)
            with Stream(product) as stream:
                stream.wait_until_streaming()
                writer.write(50)
                primary.wait_for_standby(standby)
                primary.stop("fast")
                standby.sql("SELECT pg_promote()")
                wait_for(lambda: not standby.value("SELECT pg_is_in_recovery()"), "promoted")
                writer.server = standby
                writer.write(50)
                stream.wait_until_durable(streaming.position(standby))
            kept = StreamedLog(product)
            assert [line for line, _, _ in kept.contiguous()] == [1, 2]
            (branch,) = kept.histories()[2]
            (_, start, old), (_, new_start, _) = kept.contiguous()
            assert branch == {"line": "00000002", "parent": "00000001", "at": f"{new_start:016X}"}
            assert start + len(old) == new_start
            check_equal_to_wal(product, standby, line=2)
            check_equal_to_wal(product, primary, line=1)
            standby.sql("CHECKPOINT")
            backups = product.run("list", "--json").json()["backups"]
            assert [backup["type"] for backup in backups] == ["full"]
            # An incremental backup goes on where the stream ended.
            product.run("backup", "--type", "incremental", "--no-promote")


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
        assert first.is_alive


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


def test_a_gap_is_answered_with_a_full_backup_and_a_new_start(tmp):
    with PostgresServer.create(15, tmp / "pg", wal_keep_size="0", max_wal_size="32MB") as server:
        server.create_minimal_role()
        server.add_hba("host replication all 127.0.0.1/32 scram-sha-256")
        product = product_for(server, tmp / "product")
        with Stream(product) as stream:
            stream.wait_until_streaming()
        product.run("stream", "--drop-slot")
        for _ in range(4):
            server.sql("SELECT pg_switch_wal()")
            server.sql("CHECKPOINT")
        assert "removed" in Stream(product, "--no-promote").wait(expect=INCOMPLETE).err
        with Stream(product) as stream:
            Writer(server).write(5)
            stream.wait_until_streaming()
            stream.wait_until_durable(streaming.position(server))
        assert len(product.objects("*.manifest.json")) == 2


def test_without_encryption_and_compression_objects_are_the_wal_itself(server, streamed):
    plain = {"ENCRYPTION_ENABLED": "false", "COMPRESSION_ENABLED": "false", "BACKUP_ENCRYPTION_KEY": None}
    refused = Stream(streamed)
    refused.wait_until_streaming()
    refused.kill()
    assert "was begun with encryption" in Stream(streamed, env=plain).wait(expect=5).err
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
