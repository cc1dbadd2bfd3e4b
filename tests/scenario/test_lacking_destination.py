"""Why this exists: one destination may lack what the others have: it was full, or is a folder that somebody did not mount. What
is whole elsewhere must go on from there, and not begin anew in every place because of the one."""

import shutil

import pytest
from lib.log_writer import LogWriter, assert_is, lsn_text
from lib.places import ManyPlaces
from lib.postgres import PostgresServer
from lib.recovered import back_up, let_the_server_read, recovered
from lib.small_disk import small_disk
from lib.streaming import Stream

INCOMPLETE = 3
MEGABYTE = 1 << 20


@pytest.fixture
def server(tmp):
    """It forgets its WAL as soon as no slot keeps it; a full backup of it does not fit into some megabytes."""
    with PostgresServer.create(15, tmp / "pg15", max_prepared_transactions=20) as made:
        made.sql("CREATE TABLE ballast AS SELECT md5(i::text) || md5((-i)::text) AS text FROM generate_series(1, 1000000) i")
        yield made


@pytest.fixture
def disk(tmp):
    with small_disk(tmp / "disk", 200 * MEGABYTE) as made:
        yield made


@pytest.fixture
def product(server, disk, tmp, minio, gcs):
    """It writes to a bucket and to a folder whose disk can be filled."""
    made = ManyPlaces(tmp / "product", minio, gcs, database_url=server.url())
    made.settings |= {"BACKUP_DIR": str(disk / "repository"), "GCS_BUCKET": None}
    yield made
    made.run("stream", "--drop-slot", expect=None)


def fill(disk):
    """But for the room that incremental backups need."""
    (disk / "other").write_bytes(bytes(shutil.disk_usage(disk).free - 40 * MEGABYTE))


def full_that_lacks_room(product):
    done = product.run("backup", "--type", "full", "--json", expect=INCOMPLETE)
    assert [one["ok"] for one in done.json()["destinations"]] == [False, True]


def forget_wal(server):
    server.sql("SELECT pg_switch_wal()")
    server.sql("CHECKPOINT")


def check_one_whole_log(server, product):
    (chain,) = product.run("list", "--json", "--repository", f"s3://{product.settings['S3_BUCKET']}").json()["chains"]
    assert chain["gaps"] == []
    assert server.value("SELECT count(*) FROM pg_replication_slots") == 1


def test_incrementals_go_on_from_a_full_backup_that_only_the_bucket_has(server, product, disk, tmp):
    fill(disk)
    full_that_lacks_room(product)
    writer = LogWriter(server)
    for _ in range(3):
        writer.rows(3)
        report = back_up(product)
        assert "promoted_to" not in report
        forget_wal(server)
    writer.close()
    check_one_whole_log(server, product)
    assert "pg_drop_replication_slot" not in product.run("check", expect=None).out
    let_the_server_read(product)
    last = writer.commits[-1]
    target = ("--target-position", lsn_text(last.after_lsn), "--repository", f"s3://{product.settings['S3_BUCKET']}")
    with recovered(product, tmp / "restored", *target) as restored:
        assert_is(restored, last)


def test_a_folder_that_misses_one_full_backup_tears_no_chain_of_the_others(server, product, disk):
    """It has an older chain of its own, whose end the server has forgotten since."""
    back_up(product, "full")
    back_up(product)
    fill(disk)
    full_that_lacks_room(product)
    writer = LogWriter(server)
    for _ in range(3):
        forget_wal(server)
        writer.rows(3)
        assert "promoted_to" not in back_up(product)
    writer.close()
    check_one_whole_log(server, product)


def test_a_full_backup_beside_an_empty_folder_goes_on_with_the_log(server, product, disk):
    """Somebody did not mount it. The bucket knows the log, and each instant before the full backup stays reachable."""
    back_up(product, "full")
    back_up(product)
    (disk / "repository").rename(disk / "unmounted")
    (disk / "repository").mkdir(mode=0o700)
    writer = LogWriter(server)
    writer.rows(3)
    back_up(product, "full")
    writer.close()
    check_one_whole_log(server, product)
    product.run("explain", "--target-position", lsn_text(writer.commits[-1].after_lsn))


def test_a_stream_goes_on_where_the_full_backup_is_that_it_had_to_take(server, product, disk):
    product.settings["REQUIRED_DESTINATIONS"] = "1"
    back_up(product, "full")
    fill(disk)
    server.sql("SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots")
    LogWriter(server).close()
    forget_wal(server)
    with Stream(product) as stream:
        stream.wait_until_streaming()
        assert stream.status()["log"] in product.run("list", "--json", expect=None).out
    assert server.value("SELECT count(*) FROM pg_replication_slots") == 1
