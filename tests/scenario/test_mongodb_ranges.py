"""Why this exists: a large collection is read in ranges of _id by several readers. Whatever types its _ids have,
each document is in exactly one of them, and where that cannot be proved of a server one cursor reads it all.

secantusd-py gives a range in the order of its index, as mongod does. secantusd-rs reads the whole collection
for each and gives it in no order: there nothing is proved, and nothing is read in ranges."""

import datetime
import random
import re
import uuid

import bson
import pytest
from bson import Binary, Decimal128, Int64, MaxKey, MinKey, ObjectId, Timestamp
from lib.mongodb import WHOLE_DEPLOYMENT, MongoServer
from lib.mongodb_data import insert
from lib.mongodb_fingerprint import differences
from lib.product import Product
from lib.tcp_proxy import TcpProxy

READERS, RANGES = 2, 8
SPLIT = {"BACKUP_JOBS": READERS, "MONGODB_SPLIT_MIN_MB": 1}
EACH_TYPE = 150  # so that the ranges' bounds are of several types
FILLER = "x" * 1000
MIDDLE = 1024 * 1024  # of about 1.9 MB that the collection has
# Options of `find` with these names are documents too, and change nothing.
PASSED_OVER = {"min": {b"\3min\0": b"\3let\0"}, "max": {b"\3max\0": b"\3let\0"},
               "min and max": {b"\3min\0": b"\3let\0", b"\3max\0": b"\3let\0"}}


def mixed_ids():
    """In no order."""
    begin = datetime.datetime(2024, 1, 1)
    ids = [None, MinKey(), MaxKey(), True, False, "", float("nan"), float("-inf"), Binary(b"")]
    for n in range(EACH_TYPE):
        ids += [
            n, Int64(2**40 + n), n + 0.5, f"text {n}", {"a": n}, {"b": {"c": n}}, Binary(b"%d" % n),
            Binary(uuid.UUID(int=n * 7919).bytes, 4), ObjectId(f"{n:024x}"), begin + datetime.timedelta(seconds=n),
            Timestamp(n + 1, 1), Decimal128(f"{n}.25"),
        ]
    random.Random(1).shuffle(ids)
    return ids


def documents(ids):
    return [{"_id": one, "filler": FILLER} for one in ids]


def load(db):
    """`mixed` may be split; every other collection may not."""
    insert(db.mixed, documents(mixed_ids()))
    db.mixed.create_index("filler")
    db.create_collection("capped", capped=True, size=4 << 20)
    db.create_collection("german", collation={"locale": "de", "strength": 1})
    db.create_collection("clustered", clusteredIndex={"key": {"_id": 1}, "unique": True, "name": "by id"})
    for name in ("capped", "german", "clustered"):
        insert(db[name], documents(f"key {n * 7919 % 2000}" for n in range(2000)))
    insert(db.small, documents(range(500)))
    db.create_collection("view", viewOn="mixed", pipeline=[])


@pytest.fixture(scope="module")
def source(module_tmp):
    with MongoServer.create("py", module_tmp / "ranges") as server:
        load(server.database())
        server.before = server.fingerprint()
        yield server


class Stage:
    """A backup in ranges, and what it said."""

    def __init__(self, source, folder):
        self.source, self.folder = source, folder
        self.product = Product(folder / "product", database_url=source.url())
        self.done = self.product.run("backup", "--json", "--verbose", env=SPLIT, expect=WHOLE_DEPLOYMENT)

    def contents(self):
        return self.product.run("list", "--contents", "latest", "--json").json()


@pytest.fixture(scope="module")
def stage(source, module_tmp):
    return Stage(source, module_tmp / "stage")


def split_collections(done):
    """{collection: its ranges}, as the run said."""
    return {name: int(count) for name, count in re.findall(r"(\S+) is read in (\d+) ranges of _id", done.err)}


def test_the_large_collection_is_read_in_ranges_and_no_other_is(stage):
    assert split_collections(stage.done) == {"auth.mixed": RANGES}
    assert "is read by one cursor" not in stage.done.err


def test_each_document_is_in_the_archive_once(stage):
    assert_each_document_is_stored_once(stage.product, stage.source)


def assert_each_document_is_stored_once(product, source):
    contents = product.run("list", "--contents", "latest", "--json").json()["contents"]
    stored = {line["name"]: line["bytes"] for line in contents}
    for name in ("mixed", "capped", "german", "clustered", "small"):
        assert stored[f"auth.{name}"] == sum(len(bson.encode(one)) for one in source.database()[name].find()), name


def test_each_range_is_a_part_of_its_own(stage, tmp):
    whole = Product(tmp / "whole", database_url=stage.source.url())
    never = {**SPLIT, "MONGODB_SPLIT_MIN_MB": 0}
    done = whole.run("backup", "--verbose", env=never, expect=WHOLE_DEPLOYMENT)
    assert split_collections(done) == {}
    entries = whole.run("list", "--contents", "latest", "--json").json()["entries"]
    assert stage.contents()["entries"] == entries + RANGES - 1


def test_it_comes_back_byte_for_byte(stage):
    with MongoServer.create(stage.source.kind, stage.folder / "target") as target:
        stage.product.database_url = target.restore_url(db="")
        stage.product.run("restore", "-f", "latest", "--all-databases", expect=WHOLE_DEPLOYMENT)
        assert differences(stage.source.before, target.fingerprint()) == []
        ids = [[one["_id"] for one in server.database().capped.find()] for server in (stage.source, target)]
        assert ids[0] == ids[1]


def test_one_reader_reads_no_ranges(product, source):
    product.database_url = source.url(db="auth")
    done = product.run("backup", "--verbose", env={**SPLIT, "BACKUP_JOBS": 1})
    assert split_collections(done) == {}


@pytest.fixture
def moving(source):
    """A database of the test's own."""
    yield source.database("moving")
    for name in ("moving", "moved"):
        source.client().drop_database(name)


def test_what_changes_while_ranges_are_read_is_as_it_was_at_the_end(product, source, moving):
    insert(moving.mixed, documents(mixed_ids()))
    with TcpProxy(source.port, hold_after=MIDDLE) as proxy:
        product.database_url = proxy.url(source.url(db="moving", directConnection="true"), source)
        running = product.popen("backup", "--verbose", env=SPLIT)
        proxy.wait_until_holding()
        for n in range(0, EACH_TYPE, 10):
            moving.mixed.delete_many({"_id": {"$in": [n, f"text {n}", {"a": n}]}})
            moving.mixed.insert_many(documents([f"text {n}", f"new {n}", -n - 1]))
        moving.mixed.update_many({"_id": {"$type": "objectId"}}, {"$set": {"changed": True}})
        proxy.release()
        assert split_collections(running.wait()) == {"moving.mixed": RANGES}
    expected = source.fingerprint("moving")["moving"]
    product.database_url = source.restore_url(db="moved")
    product.run("restore", "-f", "latest")
    assert differences(expected, source.fingerprint("moved")["moved"]) == []


def assert_one_cursor_read_it(done, product, source):
    assert split_collections(done) == {}
    assert re.search("auth.mixed is read by one cursor: a range does not (begin|end) where", done.err)
    assert_each_document_is_stored_once(product, source)


@pytest.mark.parametrize("option", PASSED_OVER)
def test_a_server_that_passes_over_a_bound_is_read_by_one_cursor(product, source, option):
    with TcpProxy(source.port, replace_asked=PASSED_OVER[option]) as proxy:
        product.database_url = proxy.url(source.url(db="auth", directConnection="true"), source)
        done = product.run("backup", "--verbose", env=SPLIT)
    assert_one_cursor_read_it(done, product, source)


def test_a_server_that_gives_a_range_in_no_order_is_read_by_one_cursor(product, tmp):
    with MongoServer.create("rs", tmp / "no-order") as server:
        load(server.database())
        product.database_url = server.url(db="auth")
        done = product.run("backup", "--verbose", env=SPLIT)
        assert_one_cursor_read_it(done, product, server)
