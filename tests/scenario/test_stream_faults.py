"""Why this exists: a stream, its server and the network between them end at any moment, and servers change their
roles. Nothing that was acknowledged may be missing then, and nothing may be there twice or out of place."""

import random
import time

import pytest
from lib import crash, streaming
from lib.log_objects import StreamedLog
from lib.postgres import BACKUP_PASSWORD, BACKUP_ROLE, PostgresServer
from lib.streaming import Stream, Writer, check_equal_to_wal, new_server, product_for, wait_for

SEED = 20240115
INCOMPLETE = 3
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


def test_a_stream_that_is_killed_again_and_again_misses_nothing(server, streamed):
    moments = random.Random(SEED)
    writer = Writer(server)
    with writer.beside():
        for _ in range(4):
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
        "log.seal": 1, "log.seal_erase": 2, "store.local.erase": 2,
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
            for _ in range(2):
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
