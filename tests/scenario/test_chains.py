"""Why this exists: a chain is as good as its weakest link. `verify --chain` proves all of it, and `check` says
beforehand whether the next incremental backup can go on from it."""

import re

import pytest
from lib.postgres import BACKUP_PASSWORD, BACKUP_ROLE, PostgresServer


@pytest.fixture(scope="module")
def server(module_tmp):
    with PostgresServer.create(15, module_tmp / "pg", max_wal_size="32MB", wal_keep_size="0") as server:
        server.create_minimal_role()
        server.sql("CREATE TABLE numbers (n int)")
        yield server


@pytest.fixture
def product_of(server, product):
    """Each test begins without slots of others."""
    for (slot,) in server.sql("SELECT slot_name FROM pg_replication_slots WHERE NOT active"):
        server.sql(f"SELECT pg_drop_replication_slot('{slot}')")
    product.database_url = server.url(BACKUP_ROLE, BACKUP_PASSWORD)
    return product


def take(product, kind, **env):
    return product.run("backup", "--type", kind, "--json", env=env).json()["name"]


def chain(product, server, links=2):
    """Without a slot from the beginning on, this server may have forgotten its WAL before the first incremental one."""
    names = [take(product, "full", POSTGRES_SLOT="on")]
    for _ in range(links):
        server.sql("INSERT INTO numbers SELECT generate_series(1, 1000)")
        names.append(take(product, "incremental"))
    return names


def body_of(product, name):
    (body,) = [path for path in product.repository.iterdir() if path.name.startswith(name + ".tar")]
    return body


def line(product, subject):
    (found,) = [item for item in product.run("check", "--json").json()["checks"] if item["subject"] == subject]
    return found


def test_a_whole_chain_is_proved(product_of, server):
    names = chain(product_of, server)
    proved = product_of.run("verify", "--chain", "latest", "--json").json()
    assert proved["chain"] == names
    assert proved["log_bytes"] > 100_000
    # Of a full backup: everything that goes on from it.
    assert product_of.run("verify", "--chain", names[0], "--json").json()["chain"] == names
    assert product_of.run("verify", "--chain", names[1], "--json").json()["chain"] == names[:2]
    said = product_of.run("verify", "--chain", "latest").out
    assert "is good: 3 backups" in said
    assert f"recovery to the end of {names[2]}\n" in said


@pytest.mark.parametrize("link", [0, 1, 2])
def test_one_damaged_link_damages_the_chain(product_of, server, link):
    names = chain(product_of, server)
    body = body_of(product_of, names[link])
    whole = bytearray(body.read_bytes())
    whole[len(whole) // 2] ^= 1
    body.write_bytes(whole)
    done = product_of.run("verify", "--chain", "latest", expect=4)
    assert names[link] in done.err
    assert (f"hint: without it, restore --backup-file {names[link - 1]} reaches where that one ends, 20" if link
            else "hint: restore --target-time with an earlier instant") in done.err
    # What comes before it is still good.
    if link == 2:
        product_of.run("verify", "--chain", names[1])


@pytest.mark.parametrize("part", ["the body", ".index", ".manifest.json"])
def test_a_missing_link_is_a_broken_chain(product_of, server, part):
    names = chain(product_of, server)
    lost = body_of(product_of, names[1]) if part == "the body" else product_of.repository / (names[1] + part)
    lost.unlink()
    for reference in (names[2], "latest"):
        done = product_of.run("verify", "--chain", reference, expect=4)
        assert re.search(f"the chain of {names[2]} is broken: nothing covers 0/[0-9A-F]+ to 0/[0-9A-F]+\nhint: the nearest one is "
                         "20[^ ]+ [^ ]+ before it;", done.err), done.err
    product_of.run("verify", "--chain", names[0])


def test_a_chain_without_its_full_backup_is_broken(product_of, server):
    names = chain(product_of, server)
    body_of(product_of, names[0]).unlink()
    done = product_of.run("verify", "--chain", names[2], expect=4)
    assert f"the chain of {names[2]} is broken: no full backup is kept in {product_of.repository} from which" in done.err


def test_check_shows_the_slot_and_what_is_not_kept_yet(product_of, server):
    take(product_of, "full")
    assert "none: the first incremental backup or stream makes it" in line(product_of, "replication slot")["detail"]
    newest = take(product_of, "incremental")
    server.sql("INSERT INTO numbers SELECT generate_series(1, 10000)")
    slot = line(product_of, "replication slot")
    assert slot["verdict"] == "ok"
    assert "auth_service_backup_" in slot["detail"] and "not in use just now" in slot["detail"]
    log = line(product_of, "log since the last backup")
    assert log["verdict"] == "ok"
    assert log["detail"].endswith(f"not yet in the repository, since {newest}")
    limit = line(product_of, "max_slot_wal_keep_size")
    assert limit["verdict"] == "warn"
    assert "ALTER SYSTEM SET max_slot_wal_keep_size" in limit["fix"]


def test_check_foresees_that_the_next_one_will_be_full(product_of, server):
    take(product_of, "full")
    take(product_of, "incremental")
    ((slot,),) = server.sql("SELECT slot_name FROM pg_replication_slots")
    server.sql(f"SELECT pg_drop_replication_slot('{slot}')")
    for _ in range(4):
        server.sql("INSERT INTO numbers SELECT generate_series(1, 100000)")
        server.sql("SELECT pg_switch_wal()")
        server.sql("CHECKPOINT")
    log = line(product_of, "log since the last backup")
    assert log["verdict"] == "warn"
    assert "the server has already removed the WAL" in log["detail"]
    assert "will be a full one" in log["fix"]
    assert product_of.run("backup", "--type", "incremental", "--json").json()["promoted_to"] == "full"
    assert line(product_of, "log since the last backup")["verdict"] == "ok"


def test_check_names_a_slot_that_was_left_behind(product_of, server):
    server.sql("SELECT pg_create_physical_replication_slot('auth_service_backup_0123456789ab', true)")
    left = line(product_of, "replication slot")
    assert left["verdict"] == "warn"
    assert "auth_service_backup_0123456789ab is of another repository, or was left behind" in left["detail"]
    assert "pg_drop_replication_slot('auth_service_backup_0123456789ab')" in left["fix"]
