"""Why this exists: a repository may hold the logs of several databases, and of several keys. Another database's log must
never come back over this one, and a chain that no one key opens must never be made."""

import secrets
import time

import pytest
from lib.mongodb import MongoServer
from lib.postgres import BACKUP_PASSWORD, BACKUP_ROLE, PostgresServer
from lib.product import KEY_NAME, Product
from lib.recovered import back_up, let_the_server_read, recovered, windows
from lib.streaming import Stream, new_server, position, slots

USAGE, INCOMPLETE = 2, 3


@pytest.fixture(scope="module")
def server(module_tmp):
    with new_server(15, module_tmp / "pg15") as made:
        yield made


@pytest.fixture
def product(server, tmp):
    product = Product(tmp / "product", database_url=server.url(BACKUP_ROLE, BACKUP_PASSWORD))
    yield product
    product.run("stream", "--drop-slot")


def now():
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())


def other_key():
    return {KEY_NAME: secrets.token_hex(32)}


# -- several databases ---------------------------------------------------------------------------------


def test_of_two_clusters_side_by_side_one_must_be_named(server, product, tmp):
    with PostgresServer.create(15, tmp / "other") as other:
        other.create_minimal_role()
        of_other = {"DATABASE_URL": other.url(BACKUP_ROLE, BACKUP_PASSWORD)}
        full = back_up(product, "full")["name"]
        theirs = back_up(product, "full", env=of_other)["name"]
        server.sql("CREATE TABLE ours AS SELECT 1 AS n")
        back_up(product)
        back_up(product, env=of_other)
        for env in (None, of_other):
            done = product.run("explain", "latest", env=env, expect=USAGE)
            assert "the logs of 2 databases" in done.err and full in done.err and theirs in done.err
            assert "--backup-file NAME" in done.err
            product.run("restore", "--target-time", "latest", "--target-dir", tmp / "place", env=env, expect=USAGE)
            assert not (tmp / "place").exists()
        assert product.run("explain", "latest", "--backup-file", theirs, "--json").json()["base"] == theirs
        let_the_server_read(product)
        with recovered(product, tmp / "restored", "--target-time", "latest", "--backup-file", full) as restored:
            assert restored.value("SELECT n FROM ours") == 1
        product.run("stream", "--drop-slot", env=of_other)


def test_a_database_that_took_the_place_of_another_goes_on_in_its_windows(server, product, tmp):
    back_up(product, "full")
    with PostgresServer.create(15, tmp / "next") as following:
        following.create_minimal_role()
        product.run("stream", "--drop-slot")
        time.sleep(1.1)
        product.database_url = following.url(BACKUP_ROLE, BACKUP_PASSWORD)
        newest = back_up(product, "full")["name"]
        assert product.run("explain", "latest", "--json").json()["base"] == newest
        product.run("stream", "--drop-slot")
    product.database_url = server.url(BACKUP_ROLE, BACKUP_PASSWORD)


def test_of_two_mongodb_databases_the_one_of_the_url_comes_back(tmp):
    with MongoServer.create("rs", tmp / "rs") as server:
        client = server.client()
        product = Product(tmp / "product")
        for name in ("auth", "other"):
            client[name].things.insert_one({"_id": 1, "of": name})
        urls = {name: {"DATABASE_URL": server.url(db=name)} for name in ("auth", "other")}
        for env in urls.values():
            back_up(product, "full", env=env)
        for name in urls:
            client[name].things.insert_one({"_id": 2, "of": name})
        for env in urls.values():
            back_up(product, env=env)
        with MongoServer.create("rs", tmp / "restored") as restored:
            for name in urls:
                env = {"DATABASE_URL": restored.restore_url(db=name)}
                product.run("restore", "--target-time", "latest", "--force", env=env)
                assert list(restored.client()[name].things.find()) == [{"_id": n, "of": name} for n in (1, 2)]
        done = product.run("explain", "latest", env={"DATABASE_URL": server.url(db="")}, expect=USAGE)
        assert "database auth" in done.err and "database other" in done.err


# -- several keys --------------------------------------------------------------------------------------


def test_an_incremental_backup_of_another_key_is_a_full_one_and_begins_another_log(server, product, tmp):
    first = back_up(product, "full")
    old = back_up(product)
    env = other_key()
    done = product.run("backup", "--type", "incremental", "--no-promote", env=env, expect=INCOMPLETE)
    assert f"the encryption key is not the one of {old['name']}" in done.err
    before = slots(server)
    new = back_up(product, env=env)
    assert (new["type"], new["promoted_to"]) == ("full", "full")
    assert "parent" not in new and before != slots(server) and len(slots(server)) == 1
    server.sql("CREATE TABLE after_the_change AS SELECT 1 AS n")
    assert back_up(product, env=env)["parent"] == new["name"]
    assert len(windows(product)) == 2
    product.run("verify", "--chain", "latest", env=env)
    product.run("verify", "--chain", old["name"])
    let_the_server_read(product)
    product.key, kept = env[KEY_NAME], product.key
    with recovered(product, tmp / "restored", "--target-time", "latest") as restored:
        assert restored.value("SELECT n FROM after_the_change") == 1
    product.key = kept
    with recovered(product, tmp / "restored", "--target-time", "latest", "--backup-file", first["name"]) as restored:
        assert restored.value("SELECT to_regclass('after_the_change')") is None


def test_a_stream_of_another_key_begins_another_log(server, product):
    back_up(product, "full")
    with Stream(product) as stream:
        stream.wait_until_streaming()
        stream.wait_until_durable(position(server))
    env = other_key()
    with Stream(product, env=env) as stream:
        stream.wait_until_streaming()
        server.sql("CREATE TABLE IF NOT EXISTS streamed AS SELECT 1 AS n")
        stream.wait_until_durable(position(server))
    product.run("verify", "--chain", "latest", env=env)
    assert len(slots(server)) == 1
    # The first key goes on working as well.
    with Stream(product) as stream:
        stream.wait_until_streaming()
        stream.wait_until_durable(position(server))
    product.run("verify", "--chain", "latest")
