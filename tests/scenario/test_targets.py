"""Why this exists: a restore may only ever add to what is there: an occupied target is refused (exit 5),
and a damaged full backup leaves a folder and a running server exactly as they were."""

import pytest
from lib.folder_state import folder_state, names_below
from lib.postgres import PostgresServer, hand_over
from lib.product import Product
from lib.stored_backup import assert_restores_to, back_up_files, only_backup, random_files


@pytest.fixture(scope="module")
def full(module_tmp, pg15):
    """A product whose only backup is a full one of pg15."""
    product = Product(module_tmp / "full", database_url=pg15.url())
    product.run("backup", env={"CONFIG_PATHS": random_files(module_tmp / "files", 1)})
    return product, only_backup(product)


@pytest.fixture(scope="module")
def target(module_tmp):
    """A running server to restore into, with data of its own in `auth`, and an empty database `empty`."""
    with PostgresServer.create(15, module_tmp / "target") as server:
        server.sql("CREATE DATABASE auth")
        server.sql("CREATE TABLE precious AS SELECT generate_series(1, 100) AS n", "auth")
        server.sql("CREATE DATABASE empty")
        yield server


def server_state(server):
    """What may not change in a refused restore: databases, roles, rows, and what lies about."""
    return (
        server.sql("SELECT oid, datname, datacl::text FROM pg_database ORDER BY 1"),
        server.sql("SELECT oid, rolname FROM pg_roles ORDER BY 1"),
        server.sql("SELECT sum(n) FROM precious", "auth"),
        names_below(server.folder / "data" / "pg_replslot"),
    )


def assert_nothing_left(*products_and_folders):
    for folder in products_and_folders:
        assert [name for name in names_below(folder) if "staging" in name or "auth-service-backup-" in name] == []


@pytest.mark.parametrize("content", ["file", "folder", "link"])
def test_an_occupied_target_folder_is_refused(full, tmp, content):
    product, _ = full
    place = tmp / "place"
    place.mkdir()
    hand_over(place)
    {
        "file": lambda: (place / "PG_VERSION").write_text("15\n"),
        "folder": lambda: (place / "sub").mkdir(),
        "link": lambda: (place / "link").symlink_to("/nowhere"),
    }[content]()
    before = folder_state(tmp)
    done = product.run("restore", "--backup-file", "latest", "--target-dir", place, expect=5)
    assert f"{place} is not empty" in done.err
    assert "hint: " in done.err
    assert folder_state(tmp) == before


def test_a_target_folder_that_is_a_file_is_refused(full, tmp):
    product, _ = full
    (tmp / "place").write_text("precious")
    before = folder_state(tmp)
    done = product.run("restore", "--backup-file", "latest", "--target-dir", tmp / "place", expect=5)
    assert str(tmp / "place") in done.err
    assert folder_state(tmp) == before


def test_the_folder_of_a_running_server_is_refused_even_with_force(full, target):
    product, _ = full
    done = product.run("restore", "--backup-file", "latest", "--target-dir", target.data, "--force", expect=5)
    assert "runs" in done.err or "running" in done.err
    assert target.value("SELECT sum(n) FROM precious", "auth") == 5050


def test_occupied_places_for_files_are_refused(product, tmp):
    source = random_files(tmp / "source", 1)
    stored = back_up_files(product, source)
    place = tmp / "place"
    (place / "config").mkdir(parents=True)
    words = ("restore", "--backup-file", stored.name, "--components", "config", "--files-dir", place)
    product.run(*words)  # an empty folder is free
    (place / "config" / "precious").write_text("ours")
    before = folder_state(tmp / "place")
    done = product.run(*words, expect=5)
    assert f"{place}/config is not empty\nhint: choose another --files-dir, or add --force" in done.err
    assert folder_state(tmp / "place") == before
    done = product.run(*words, "--force")
    (kept,) = place.glob("config.before-*")
    assert f"what was in {place}/config is kept as {kept}" in done.out
    assert (kept / "precious").read_text() == "ours"
    assert_restores_to(product, stored, source, tmp / "again")


@pytest.mark.parametrize("more", [(), ("--all-databases",)])
def test_an_occupied_database_is_refused(full, target, more):
    product, _ = full
    before = server_state(target)
    done = product.run("restore", "--backup-file", "latest", *more, env={"DATABASE_URL": target.url(db="auth")}, expect=5)
    assert "auth" in done.err
    assert "--force" in done.err
    assert server_state(target) == before
    assert_nothing_left(product.temporary)


def damages(stored):
    """Places in a full backup's body: first segment, its middle, the WAL and inner manifest at the end."""
    length = stored.body.stat().st_size
    return [20, length // 3, length // 2, length - 40_000, length - 1]


def test_a_damaged_full_backup_leaves_no_data_directory(full, tmp):
    product, stored = full
    (tmp / "beside").mkdir()
    for offset in damages(stored):
        with stored.flipped(stored.body, offset):
            done = product.run("restore", "--backup-file", stored.name, "--target-dir", tmp / "new" / "place", expect=4)
            assert "does not match its digest in the index" in done.err
            assert names_below(tmp) == ["beside"]
            assert "does not match its digest" in product.run("verify", stored.name, expect=4).err
    whole = stored.body.read_bytes()
    for content in (whole[:-1], whole + b"\0", whole[:16], b""):
        with stored.changed(stored.body, content):
            product.run("restore", "--backup-file", stored.name, "--target-dir", tmp / "new" / "place", expect=4)
            assert names_below(tmp) == ["beside"]


@pytest.mark.parametrize("force", [(), ("--force",)])
def test_a_damaged_full_backup_leaves_a_server_as_it_was(full, target, force):
    product, stored = full
    database = "auth" if force else "empty"
    before = server_state(target)
    for offset in damages(stored)[1::2]:
        with stored.flipped(stored.body, offset):
            done = product.run(
                "restore", "--backup-file", stored.name, *force, "--all-databases" if force else "--components=database",
                env={"DATABASE_URL": target.url(db=database)}, expect=4,
            )
            assert "does not match its digest in the index" in done.err
            assert server_state(target) == before
            assert_nothing_left(product.temporary)


def test_a_wrong_key_leaves_target_and_server_as_they_were(full, target, tmp):
    product, stored = full
    before = server_state(target)
    wrong = {"BACKUP_ENCRYPTION_KEY": "0" * 64, "DATABASE_URL": target.url(db="empty")}
    product.run("restore", "--backup-file", stored.name, "--target-dir", tmp / "place", env=wrong, expect=12)
    product.run("restore", "--backup-file", stored.name, env=wrong, expect=12)
    assert names_below(tmp) == []
    assert server_state(target) == before
