"""Why this exists: one small collection, table or database out of a large backup costs what it costs itself: what is
read, and what a dry run says of it, is the segments in which it lies, and not the whole archive."""

import os

import pytest
from lib.mongodb import KINDS, MongoServer
from lib.mongodb_fingerprint import differences
from lib.postgres import PostgresServer
from lib.stored_backup import SEGMENT_BYTES, only_backup

MEGABYTE = 1024 * 1024
LARGE = 112  # MB that nothing compresses: seven segments
# What comes first in the archive, the piece itself, the oplog at its end, and the list of all entries, read apart.
SEGMENTS_MAX = 4


@pytest.fixture
def mongo_with_data(product, tmp):
    with MongoServer.create(KINDS[0], tmp / "server") as server:
        database = server.database()
        database.small.insert_many([{"_id": n} for n in range(100)])
        for _ in range(LARGE // 8):
            database.large.insert_many([{"x": os.urandom(MEGABYTE)} for _ in range(8)])
        product.database_url = server.url(db="auth")
        product.run("backup")
        server.before = server.fingerprint("auth")
        database.small.drop()
        product.database_url = server.restore_url(db="auth")
        yield server


def pieces(product, *words):
    """The plan and the report of a restore of these words."""
    line = ("restore", "-f", "latest", "--json", *(part for word in words for part in ("--only", word)))
    return product.run(*line, "--dry-run").json(), product.run(*line).json()


def assert_little_was_read(product, plan, report):
    whole = only_backup(product).body.stat().st_size
    assert report["stored_bytes_read"] == plan["stored_bytes"] <= SEGMENTS_MAX * SEGMENT_BYTES < whole
    assert whole > LARGE * MEGABYTE


def test_a_small_collection_beside_a_large_one(product, mongo_with_data):
    assert_little_was_read(product, *pieces(product, "auth.small"))
    assert mongo_with_data.database().small.count_documents({}) == 100


def test_a_collection_in_many_parts_comes_back_whole(product, mongo_with_data):
    server = mongo_with_data
    server.database().large.delete_many({})
    product.run("restore", "-f", "latest", "--force", "--drop-old")
    assert differences(server.before, server.fingerprint("auth")) == []


def test_damage_in_the_large_one_does_not_hinder(product, mongo_with_data):
    stored = only_backup(product)
    with stored.flipped(stored.body, stored.body.stat().st_size // 2):
        pieces(product, "auth.small")
        product.run("restore", "-f", "latest", "--force", expect=4)
    assert mongo_with_data.database().small.count_documents({}) == 100


def test_a_small_database_beside_a_large_one_in_a_logical_backup(product, tmp):
    with PostgresServer.create(15, tmp / "server") as server:
        for name in ("large", "small"):
            server.sql(f"CREATE DATABASE {name}")
        server.sql("CREATE TABLE things AS SELECT generate_series(1, 100) AS n", "small")
        with server.connect("large") as connection:
            for _ in range(LARGE):
                connection.execute("SELECT lo_from_bytea(0, %b)", [os.urandom(MEGABYTE)])
        product.database_url = server.url()
        product.run("backup", env={"POSTGRES_BACKUP_METHOD": "logical"})
        server.sql("DROP DATABASE small")
        assert_little_was_read(product, *pieces(product, "small"))
        server.sql("DROP TABLE things", "small")
        assert_little_was_read(product, *pieces(product, "small.public.things"))
        assert server.value("SELECT count(*) FROM things", "small") == 100
