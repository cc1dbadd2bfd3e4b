"""Why this exists: whatever goes wrong while a MongoDB is restored, what was there is there unharmed under its
name, nothing half-made shows, and the exit code says what to do."""

import os
import signal
import subprocess

import bson
import pytest
from bson import Code, Timestamp
from lib.mongodb import ADMIN, ADMIN_PASSWORD, BACKUP, BACKUP_PASSWORD, KINDS, MongoServer, tool
from lib.mongodb_data import insert
from lib.mongodb_fingerprint import differences
from lib.processes import wait_until
from lib.product import Product
from lib.small_disk import small_disk
from lib.tcp_proxy import TcpProxy

DAMAGED, DATABASE, INCOMPLETE, SPACE, BUSY = 4, 6, 3, 9, 11
MEGABYTE = 1024 * 1024
JOURNAL = "asb_restore_journal"
MIDDLE = 8000  # bytes of the server's answers: after the staging has begun, before the swap


@pytest.fixture(scope="module", params=KINDS)
def stage(request, module_tmp):
    with MongoServer.create(request.param, module_tmp / f"server-{request.param}") as server:
        yield Stage(server, module_tmp / f"stage-{request.param}")


class Stage:
    """A server whose database `auth` has changed since its backup."""

    def __init__(self, server, folder):
        self.server = server
        self.product = Product(folder, database_url=server.url(db="auth"))
        database = server.database()
        insert(database.users, ({"_id": n, "email": f"u{n}@example.org", "x": "x" * 1000} for n in range(5000)))
        database.users.create_index("email", unique=True)
        insert(database.sessions, ({"_id": n} for n in range(100)))
        self.product.run("backup")
        database.users.update_many({"_id": {"$lt": 10}}, {"$set": {"x": "changed"}})
        database.sessions.drop()
        database.newer.insert_one({"_id": 1})
        self.old = server.fingerprint("auth")
        server.restart()  # a checkpoint: secantusd-py forgets what is younger when it is killed

    def popen(self, proxy, *words):
        self.product.database_url = proxy.url(self.server.restore_url(db="auth", directConnection="true"), self.server)
        return self.product.popen("restore", "-f", "latest", "--force", *words)

    def run(self, *words, **how):
        self.product.database_url = self.server.restore_url(db="auth")
        return self.product.run("restore", "-f", "latest", *words, **how)


def test_a_server_that_goes_away_in_the_middle(stage):
    try:
        with TcpProxy(stage.server.port, hold_after=MIDDLE) as proxy:
            running = stage.popen(proxy)
            proxy.wait_until_holding()
            stage.server.kill()
            proxy.release()
            done = running.wait(expect=DATABASE)
    finally:
        stage.server.start()
    assert "127.0.0.1" in done.err
    visible = {n: c for n, c in stage.server.fingerprint("auth")["auth"].items() if "__restore_" not in n and n != JOURNAL}
    assert differences(stage.old["auth"], visible) == []
    stage.run("--force", "--drop-old")
    assert {*stage.server.database().list_collection_names()} == {"users", "sessions"}


def test_sigterm_in_the_middle_leaves_nothing(stage):
    before = stage.server.fingerprint("auth")
    with TcpProxy(stage.server.port, hold_after=MIDDLE) as proxy:
        running = stage.popen(proxy)
        proxy.wait_until_holding()
        running.signal(signal.SIGTERM)
        proxy.release()
        running.wait(expect=143)
    assert differences(before, stage.server.fingerprint("auth")) == []


def test_a_wrong_password(stage):
    stage.product.database_url = stage.server.url("restore", "not-the-password", db="auth")
    done = stage.product.run("restore", "-f", "latest", "--force", expect=DATABASE)
    assert "DATABASE_URL" in done.err


def test_a_role_that_may_only_read_says_what_it_lacks(stage):
    before = stage.server.fingerprint("auth")
    stage.product.database_url = stage.server.url(BACKUP, BACKUP_PASSWORD, db="auth")
    done = stage.product.run("restore", "-f", "latest", "--force", expect=DATABASE)
    assert "user 'backup' may not " in done.err
    assert "['restore', 'readWriteAnyDatabase']" in done.err
    # secantusd-py makes the collection before it refuses the insert, and nobody else may remove it.
    stage.server.database("auth").drop_collection("asb_restore_journal")
    assert differences(before, stage.server.fingerprint("auth")) == []


def test_a_damaged_archive_leaves_the_target_as_it_was(stage, tmp):
    before = stage.server.fingerprint("auth")
    (name,) = stage.product.objects("*.tar.gz.enc")
    body = stage.product.repository / name
    whole = body.read_bytes()
    try:
        body.write_bytes(whole[: len(whole) // 2] + b"\0\1\2\3" + whole[len(whole) // 2 + 4:])
        stage.run("--force", expect=DAMAGED)
    finally:
        body.write_bytes(whole)
    assert differences(before, stage.server.fingerprint("auth")) == []


def test_a_disk_of_the_server_that_fills_up_leaves_the_old_data(tmp, stage):
    """The test servers do not survive that, whoever writes; what they held is there once they have room again."""
    with small_disk(tmp / "disk", 48 * MEGABYTE) as disk, MongoServer.create(stage.server.kind, disk / "server") as server:
        large = stage.server.database("large").large
        for _ in range(7):
            large.insert_many([{"x": os.urandom(MEGABYTE)} for _ in range(8)])
        product = Product(tmp / "product", database_url=stage.server.url(db="large"))
        product.run("backup")
        stage.server.client().drop_database("large")
        server.database("large").large.insert_one({"_id": "ours"})
        server.restart()  # a checkpoint
        product.database_url = server.restore_url(db="large", serverSelectionTimeoutMS=5000)
        done = product.run("restore", "-f", "latest", "--force", "--drop-old", expect=(DATABASE, SPACE))
        assert f"127.0.0.1:{server.port}" in done.err
        server.kill()
        subprocess.run(["mount", "-o", f"remount,size={1024 * MEGABYTE}", disk], check=True)
        server.start()
        assert server.database("large").large.find_one() == {"_id": "ours"}
        product.run("restore", "-f", "latest", "--force", "--drop-old")
        assert server.database("large").list_collection_names() == ["large"]
        assert server.database("large").large.count_documents({}) == 56


def test_an_index_that_cannot_be_built_is_named_and_the_data_is_in(stage, tmp):
    """Two values that differ until the position of the backup do not, and the index is unique."""
    product = Product(tmp / "product")
    server = stage.server
    things = server.database("indexed").things
    things.drop()
    insert(things, ({"_id": n, "key": n} for n in range(100)))
    things.create_index("key", unique=True, name="only once")
    tool_dump = tmp / "dump"
    tool("mongodump", "--uri", server.url(ADMIN, ADMIN_PASSWORD, db="indexed"), "--out", tool_dump)
    data = tool_dump / "indexed" / "things.bson"
    data.write_bytes(data.read_bytes().replace(b"\x10key\0\x07\0\0\0", b"\x10key\0\x08\0\0\0"))
    product.database_url = server.restore_url(db="indexed")
    done = product.run("restore", "--from-mongodump", tool_dump, "--force", "--drop-old", expect=INCOMPLETE)
    assert "only once" in done.out
    assert things.count_documents({}) == 100
    assert {*things.index_information()} == {"_id_"}
    server.client().drop_database("indexed")


def test_keys_that_a_damaged_oplog_holds_twice(stage, tmp):
    """The same insert twice is one document; another document with the key of the first is in, its index is not."""
    server = stage.server
    things = server.database("doubled").things
    insert(things, ({"_id": n, "key": n} for n in range(100)))
    things.create_index("key", unique=True, name="only once")
    dump = tmp / "dump"
    tool("mongodump", "--uri", server.url(ADMIN, ADMIN_PASSWORD, db="doubled"), "--out", dump)
    added = [{"_id": 100, "key": 100}, {"_id": 100, "key": 100}, {"_id": 101, "key": 7}]
    (dump / "oplog.bson").write_bytes(b"".join(
        bson.encode({"ts": Timestamp(1_700_000_000, n), "t": 1, "v": 2, "op": "i", "ns": "doubled.things", "o": document})
        for n, document in enumerate(added, 1)
    ))
    product = Product(tmp / "product", database_url=server.restore_url(db="doubled"))
    done = product.run("restore", "--from-mongodump", dump, "--force", "--drop-old", expect=INCOMPLETE)
    assert "only once" in done.out
    assert [one for one in things.find({"_id": {"$gte": 100}}, sort=[("_id", 1)])] == [added[0], added[2]]
    assert things.count_documents({}) == 102 and {*things.index_information()} == {"_id_"}
    server.client().drop_database("doubled")


def test_two_restores_at_once_do_not_mix(stage):
    before = {*stage.server.database().list_collection_names()}
    stage.product.database_url = stage.server.restore_url(db="auth")
    first = stage.product.popen("restore", "-f", "latest", "--force", "--drop-old")
    try:
        wait_until(lambda: stage.server.database()[JOURNAL].find_one(), "the first restore has begun")
        first.signal(signal.SIGSTOP)
        done = stage.run("--force", expect=BUSY)
        assert "another restore" in done.err
    finally:
        first.signal(signal.SIGCONT)
    first.wait()
    assert {*stage.server.database().list_collection_names()} <= before | {"users", "sessions"}


def test_functions_that_cannot_be_merged_are_said_to_be_all_that_is_missing(stage, tmp):
    stage.server.database()["system.js"].insert_one({"_id": "twice", "value": Code("function (x) { return 2 * x; }")})
    product = Product(tmp / "with-functions", database_url=stage.server.url(db="auth"))
    product.run("backup")
    product.database_url = stage.server.restore_url(db="auth")
    failing = {"ASB_FAIL_POINT": "mongo.users:1:eio"}
    done = product.run("restore", "-f", "latest", "--force", "--drop-old", env=failing, expect=1)
    assert "every collection is in place, but users, roles and functions are not all merged" in done.err
    assert "hint: " in done.err
    assert JOURNAL not in stage.server.database().list_collection_names()
    product.run("restore", "-f", "latest", "--force", "--drop-old")
