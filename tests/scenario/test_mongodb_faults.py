"""Why this exists: a MongoDB that is down, refuses, is another one than was meant, or goes away in the middle
of a backup: the right exit code, the fix said, and nothing published."""

import re
import signal
import time

import pytest
from lib import crash
from lib.fail_points import at_step
from lib.mongodb import ADMIN_PASSWORD, BACKUP, KINDS, MongoServer
from lib.mongodb_data import insert
from lib.postgres import free_port
from lib.small_disk import small_disk
from lib.tcp_proxy import TcpProxy

DATABASE, SPACE = 6, 9
MIDDLE = 3 * 1024 * 1024  # of more than 20 MB that a copy of the data sends


@pytest.fixture(scope="module", params=KINDS)
def own(request, module_tmp):
    """A server that a test may stop, but must start again."""
    with MongoServer.create(request.param, module_tmp / f"own-{request.param}") as server:
        filler = "x" * 1000
        insert(server.database().filler, ({"_id": n, "filler": filler} for n in range(20_000)))
        yield server


def assert_nothing_came_of_it(product):
    assert [name for name in product.objects() if name != "RESTORE.txt"] == []
    assert product.run("list").out == f"no backups in {product.repository}\n"


def refused(product, url, *texts, code=DATABASE):
    """`backup`, its dry run and `check` all end alike and say the same."""
    product.database_url = url
    for words in (("backup",), ("backup", "--dry-run"), ("check",)):
        done = product.run(*words, expect=code)
        for text in texts:
            assert text in done.err + done.out, (words, text, done)
    assert not product.repository.exists() or product.objects() == []


def test_a_server_that_is_down(product):
    port = free_port()
    refused(product, f"mongodb://127.0.0.1:{port}/?serverSelectionTimeoutMS=1000", f"127.0.0.1:{port}", "bindIp")


def test_a_wrong_password(product, mongo):
    refused(product, mongo.url(password="not-the-password"), BACKUP, "DATABASE_URL")


def test_a_user_who_does_not_exist(product, mongo):
    refused(product, mongo.url("nobody", "any-password"), "nobody")


def test_no_user_at_all(product, mongo):
    refused(product, f"mongodb://127.0.0.1:{mongo.port}/?replicaSet=secantus", "authSource=admin")


def test_the_name_of_another_replica_set(product, mongo):
    refused(product, mongo.url(replicaSet="another"), "another", "secantus")


def test_an_address_that_is_none(product):
    refused(product, "mongodb://user:not-so-secret@/?x", "DATABASE_URL", code=2)


def test_a_srv_address_that_no_name_server_knows(product):
    refused(product, "mongodb+srv://backup:not-so-secret@cluster.auth.invalid/auth", "cluster.auth.invalid",
            "check the host name of mongodb+srv")


def test_an_option_of_the_url_that_does_not_fit(product):
    refused(product, "mongodb://127.0.0.1/?readPreference=whatever", "DATABASE_URL", code=2)


def running_backup(product, server, proxy):
    product.database_url = proxy.url(server.url(db="auth", directConnection="true"), server)
    running = product.popen("backup")
    proxy.wait_until_holding()
    return running


def test_a_server_killed_in_the_middle_of_the_dump(product, own):
    try:
        with TcpProxy(own.port, hold_after=MIDDLE) as proxy:
            running = running_backup(product, own, proxy)
            own.kill()
            proxy.release()
            done = running.wait(expect=DATABASE)
        assert f"127.0.0.1:{proxy.port}" in done.err
        assert_nothing_came_of_it(product)
    finally:
        own.start()
    product.database_url = own.url(db="auth")
    product.run("backup")


def test_a_line_that_is_cut_in_the_middle(product, own):
    with TcpProxy(own.port, hold_after=MIDDLE) as proxy:
        running = running_backup(product, own, proxy)
        proxy.cut()
        running.wait(expect=DATABASE)
    assert_nothing_came_of_it(product)


def test_a_slow_server_is_waited_for(product, own):
    with TcpProxy(own.port, hold_after=MIDDLE) as proxy:
        running = running_backup(product, own, proxy)
        time.sleep(3)
        proxy.release()
        running.wait()
    product.run("verify", "latest")


def test_sigterm_in_the_middle_stops_cleanly_and_soon(product, own):
    with TcpProxy(own.port, hold_after=MIDDLE) as proxy:
        running = running_backup(product, own, proxy)
        begun = time.monotonic()
        running.signal(signal.SIGTERM)
        running.wait(expect=143)
        assert time.monotonic() - begun < 5
    assert_nothing_came_of_it(product)


def test_an_oplog_that_rolls_over_during_the_dump(product, tmp):
    with MongoServer.create("rs", tmp / "short", auth=False, options={"oplog-max-entries": 500}) as server:
        insert(server.database().filler, ({"_id": n, "filler": "x" * 1000} for n in range(20_000)))
        with TcpProxy(server.port, hold_after=MIDDLE) as proxy:
            running = running_backup(product, server, proxy)
            roll_over(server)
            proxy.release()
            done = running.wait(expect=DATABASE)
    assert "oplog" in done.err
    assert "hint: " in done.err
    assert_nothing_came_of_it(product)


def roll_over(server, entries=3000):
    """Writes until the oldest change of now is forgotten."""
    oldest = server.client().local["oplog.rs"].find_one(sort=[("ts", 1)])["ts"]
    for n in range(20):
        insert(server.database("other").noise, ({"_id": n * entries + i} for i in range(entries)))
        if server.client().local["oplog.rs"].find_one(sort=[("ts", 1)])["ts"] > oldest:
            return
        time.sleep(0.5)
    raise AssertionError("the server never forgot a change")


def test_a_rename_during_the_dump_stops_it_by_name(product, own):
    own.database().before.insert_one({"_id": 1})
    with TcpProxy(own.port, hold_after=MIDDLE) as proxy:
        running = running_backup(product, own, proxy)
        own.database().before.rename("after")
        proxy.release()
        done = running.wait(expect=DATABASE)
    own.database().after.drop()
    assert "renameCollection on auth.before" in done.err
    assert_nothing_came_of_it(product)


def other_cursor(data):
    """A reply as it would be had the client asked with a cursor that the server has forgotten."""
    return re.sub(rb"(\x12id\0)(?!\0{8})(.{8})", lambda found: found[1] + found[2][::-1], data, flags=re.DOTALL)


def test_a_cursor_that_the_server_no_longer_knows(product, own):
    with TcpProxy(own.port, change=other_cursor) as proxy:
        product.database_url = proxy.url(own.url(db="auth", directConnection="true"), own)
        done = product.run("backup", expect=DATABASE)
    assert "cursor" in done.err and "auth.filler" in done.err and "hint: " in done.err
    assert_nothing_came_of_it(product)


PRIMARY, NO_PRIMARY = b"\x08isWritablePrimary\0\x01", b"\x08isWritablePrimary\0\x00"


def test_a_primary_that_steps_down_in_the_middle_is_named(product, own):
    with TcpProxy(own.port, hold_after=MIDDLE) as proxy:
        running = running_backup(product, own, proxy)
        proxy.change = lambda data: data.replace(PRIMARY, NO_PRIMARY)
        proxy.release()
        done = running.wait(expect=DATABASE)
    assert "was primary when the backup began" in done.err and "hint: " in done.err
    assert_nothing_came_of_it(product)


def told_as_major(number):
    """What makes of the server another major version in its own buildInfo."""
    return lambda data: re.sub(rb"(versionArray\0.{4}[\x10\x12]0\0)\x08", rb"\g<1>" + bytes([number]), data, flags=re.DOTALL)


@pytest.mark.parametrize("number, fix", [(4, "upgrade the server"), (9, "use a newer release of auth-service-backup")])
def test_a_version_that_is_not_supported(product, own, number, fix):
    with TcpProxy(own.port, change=told_as_major(number)) as proxy:
        refused(product, proxy.url(own.url(directConnection="true"), own), "is not supported (5.0 to 8.x are)", fix)


def test_a_full_disk_at_the_repository(product, own, tmp):
    with small_disk(tmp / "small", "4m") as folder:
        product.repository = folder / "repo"
        product.database_url = own.url()
        done = product.run("backup", expect=SPACE)
        assert "space" in done.err
        assert [name for name in product.objects() if name != "RESTORE.txt"] == []


def test_killed_at_durable_steps_nothing_is_listed_and_the_next_run_tidies_up(product, own):
    product.database_url = own.url(db="small")
    own.database("small").things.insert_one({"_id": 1})
    steps = crash.steps_of(product, "backup")
    for number in crash.chosen(steps, 6):
        crash.outlive_the_second()
        # As empty as when the steps were counted: what a dead run left costs the next one steps of its own.
        product.repository = product.folder / f"repo-{number}"
        product.run("backup", env=at_step(number, "kill"), expect=crash.KILLED)
        crash.verify(product, crash.listed(product))
    crash.outlive_the_second()
    product.run("backup")
    crash.check_nothing_stays(product, crash.listed(product))


def test_no_password_shows_in_verbose_output(product, own):
    product.keep_secret(ADMIN_PASSWORD)
    product.database_url = own.url(db="auth")
    product.run("backup", "--verbose")
