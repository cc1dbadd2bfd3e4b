"""Why this exists: a disk fills up when nobody looks. Whatever phase it meets, in the repository or at the
target: exit 9 and the place named, nothing published, everything as before, and the next run works."""

import shutil

import pytest
from lib.fail_points import at_step, steps_of
from lib.folder_state import folder_state, names_below
from lib.postgres import PostgresServer, hand_over
from lib.product import Product
from lib.small_disk import PAGE_BYTES, small_disk, used_bytes
from lib.stored_backup import assert_restores_to, back_up_files, only_backup, random_files

MEGABYTE = 1024 * 1024
NO_ROOM = "No space left on device"


@pytest.fixture(scope="module")
def source(module_tmp):
    """More than fits on the disks below, and nothing in it can be compressed."""
    return random_files(module_tmp / "source", 24)


@pytest.fixture(scope="module")
def files(module_tmp, source):
    product = Product(module_tmp / "files")
    return product, back_up_files(product, source)


@pytest.fixture(scope="module")
def full(module_tmp, pg15):
    product = Product(module_tmp / "full", database_url=pg15.url())
    product.run("backup")
    return product, only_backup(product)


def published(repository):
    return [name for name in names_below(repository) if name not in ("RESTORE.txt", "lost+found")]


def back_up(product, source, repository, expect=0):
    return product.run("backup", "config", env={"CONFIG_PATHS": source, "BACKUP_DIR": repository}, expect=expect)


def test_a_repository_without_room_is_noticed_before_anything_is_written(product, tmp, source):
    with small_disk(tmp / "disk", 8 * MEGABYTE) as disk:
        for words in ((), ("--dry-run",)):
            done = product.run("backup", "config", *words, env={"CONFIG_PATHS": source, "BACKUP_DIR": disk}, expect=9)
            assert f"{disk} has 8.0 MiB free; this backup needs at least 19.0 MiB" in done.err
            assert "hint: free some space there, or set BACKUP_DIR to a larger disk" in done.err
            assert names_below(disk) == []


def test_a_disk_that_will_soon_be_full_is_told_while_backups_still_work(product, tmp):
    with small_disk(tmp / "disk", 100 * MEGABYTE) as disk:
        settings = {"CONFIG_PATHS": random_files(tmp / "config", 1), "BACKUP_DIR": disk, "BACKUP_DIR_LIMIT_PERCENT": 60}
        assert product.run("backup", "config", "--json", env=settings).json()["warnings"] == []
        (disk / "other").write_bytes(bytes(70 * MEGABYTE))
        told = product.run("backup", "config", "--json", env=settings)
        (warning,) = told.json()["warnings"]
        assert warning.startswith(f"the disk of {disk} is 7") and "above BACKUP_DIR_LIMIT_PERCENT=60" in warning
        assert warning in told.err
        assert f"warn repository: {warning}" in product.run("check", env=settings, expect=None).out


def test_a_repository_that_fills_up_keeps_nothing(product, tmp, source):
    with small_disk(tmp / "disk", 22 * MEGABYTE) as disk:
        done = back_up(product, source, disk, expect=9)
        assert str(disk) in done.err
        assert NO_ROOM in done.err
        assert "hint: " in done.err
        assert published(disk) == []
        assert used_bytes(disk) < MEGABYTE
        small = random_files(tmp / "small", 1)
        back_up(product, small, disk)  # without help
        product.run("verify", "latest", env={"BACKUP_DIR": disk})
        earlier = folder_state(disk)
        back_up(product, source, disk, expect=9)
        assert folder_state(disk) == earlier


def test_the_last_pages_decide_and_never_half(product, tmp, files, source):
    """Body, index and manifest each meet the end of the disk once."""
    _, stored = files
    pages = -(-stored.body.stat().st_size // PAGE_BYTES)
    codes = []
    for more in range(-1, 8):
        with small_disk(tmp / "disk", (pages + more) * PAGE_BYTES) as disk:
            done = back_up(product, source, disk, expect=(0, 9))
            codes.append(done.code)
            if done.code == 9:
                assert published(disk) == []
            else:
                product.run("verify", "latest", env={"BACKUP_DIR": disk})
    assert codes == sorted(codes, reverse=True)
    assert codes.count(9) >= 3, codes
    assert codes[-1] == 0, codes


def test_a_repository_out_of_inodes_keeps_nothing(product, tmp, source):
    for inodes in (1, 2, 3, 4):
        with small_disk(tmp / "disk", 64 * MEGABYTE, inodes) as disk:
            done = back_up(product, source, disk, expect=9)
            assert NO_ROOM in done.err
            assert published(disk) == []


def test_every_step_of_a_backup_may_meet_a_full_disk(product, tmp):
    small = random_files(tmp / "small", 1)
    words, settings = ("backup", "config"), {"CONFIG_PATHS": small}
    steps = steps_of(product, *words, env=settings)
    assert {"store.local.create", "store.local.write", "store.local.sync"} <= set(steps), steps
    for number in range(1, len(steps) + 1):
        shutil.rmtree(product.repository)
        done = product.run(*words, env={**settings, **at_step(number, "enospc")}, expect=9)
        assert NO_ROOM in done.err, steps[number - 1]
        assert published(product.repository) == [], steps[number - 1]
    product.run(*words, env=settings)
    product.run("verify", "latest")


# -- the target ------------------------------------------------------------------------------------------


def restore_files(product, stored, place, expect=0, **settings):
    return product.run(
        "restore", "--backup-file", stored.name, "--components", "config", "--files-dir", place, env=settings, expect=expect
    )


def test_files_that_do_not_fit_are_refused_at_once(files, tmp, source):
    product, stored = files
    with small_disk(tmp / "disk", 20 * MEGABYTE) as disk:
        done = restore_files(product, stored, disk / "place", expect=9)
        assert f"the files need 24.0 MiB, and {disk}/place has room for 20.0 MiB" in done.err
        assert "hint: free some space there, or choose another --files-dir" in done.err
        assert names_below(disk) == []
    assert_restores_to(product, stored, source, tmp / "out")


def test_files_that_fill_the_target_are_taken_back(product, tmp):
    """Many small ones: each takes a page, which no sum of sizes tells."""
    many = tmp / "many"
    many.mkdir()
    for number in range(600):
        (many / f"{number:03}").write_text("x")
    stored = back_up_files(product, many)
    with small_disk(tmp / "disk", 1 * MEGABYTE) as disk:
        (disk / "neighbour").write_text("not ours")
        before = folder_state(disk)
        done = restore_files(product, stored, disk / "place", expect=9)
        assert NO_ROOM in done.err and "hint: " in done.err
        assert folder_state(disk) == before
    with small_disk(tmp / "disk", 64 * MEGABYTE, 300) as disk:
        assert NO_ROOM in restore_files(product, stored, disk / "place", expect=9).err
        assert names_below(disk) == []
    assert_restores_to(product, stored, many, tmp / "out")


def test_every_step_of_a_restore_of_files_may_meet_a_full_disk(product, tmp):
    stored = back_up_files(product, random_files(tmp / "small", 1))
    place = tmp / "place"
    (place / "config").mkdir(parents=True)
    (place / "config" / "precious").write_text("ours")
    words = ("restore", "--backup-file", stored.name, "--components", "config", "--files-dir", place, "--force")
    before = folder_state(place)
    steps = steps_of(product, *words[:-2], tmp / "elsewhere", "--force")
    for number in range(1, len(steps) + 1):
        assert NO_ROOM in product.run(*words, env=at_step(number, "enospc"), expect=9).err, steps[number - 1]
        assert folder_state(place) == before, steps[number - 1]
    product.run(*words)


def restore_folder(product, stored, place, expect=0, **settings):
    return product.run("restore", "--backup-file", stored.name, "--target-dir", place, env=settings, expect=expect)


def test_a_data_directory_that_does_not_fit_is_refused_at_once(full, tmp):
    product, stored = full
    with small_disk(tmp / "disk", 16 * MEGABYTE) as disk:
        hand_over(disk)
        done = restore_folder(product, stored, disk / "place", expect=9)
        assert str(disk) in done.err and "hint: " in done.err
        assert names_below(disk) == []


@pytest.mark.parametrize("inodes", [2, 20, 300, 900])
def test_a_data_directory_that_fills_the_disk_is_taken_back(full, tmp, inodes):
    product, stored = full
    with small_disk(tmp / "disk", 400 * MEGABYTE, inodes) as disk:
        hand_over(disk)
        done = restore_folder(product, stored, disk / "place", expect=9)
        assert NO_ROOM in done.err
        assert names_below(disk) == []
    with small_disk(tmp / "disk", 400 * MEGABYTE) as disk:
        hand_over(disk)
        restore_folder(product, stored, disk / "place")
        assert (disk / "place" / "PG_VERSION").read_text() == "15\n"


def test_every_kind_of_step_of_a_data_directory_may_meet_a_full_disk(full, tmp):
    product, stored = full
    words = ("restore", "--backup-file", stored.name, "--target-dir")
    with small_disk(tmp / "quick", 600 * MEGABYTE) as disk:  # in memory: to sync costs nothing
        hand_over(disk)
        steps = steps_of(product, *words, disk / "place")
        shutil.rmtree(disk / "place")
        for kind in sorted(set(steps)):
            number = len(steps) - steps[::-1].index(kind)  # the last of its kind
            done = product.run(*words, disk / "place", env=at_step(number, "enospc"), expect=9)
            assert NO_ROOM in done.err, kind
            assert names_below(disk) == [], kind


def test_a_scratch_place_that_is_full_leaves_the_server_alone(full, tmp, pg15):
    product, stored = full
    before = pg15.sql("SELECT oid, datname FROM pg_database ORDER BY 1")
    settings = {"DATABASE_URL": pg15.url(db="auth")}
    for inodes in (2, 400):
        with small_disk(tmp / "disk", 400 * MEGABYTE, inodes) as disk:
            hand_over(disk)
            done = product.run(
                "restore", "--backup-file", stored.name, "--force", env={**settings, "TMPDIR": disk}, expect=9
            )
            assert NO_ROOM in done.err
            assert names_below(disk) == []
    with small_disk(tmp / "disk", 16 * MEGABYTE) as disk:
        hand_over(disk)
        product.run("restore", "--backup-file", stored.name, "--force", env={**settings, "TMPDIR": disk}, expect=9)
        assert names_below(disk) == []
    assert pg15.sql("SELECT oid, datname FROM pg_database ORDER BY 1") == before


def test_a_server_whose_disk_is_full_keeps_what_it_had(full, tmp):
    """Its databases lie on a small disk, its WAL does not, so that it goes on."""
    product, stored = full
    with small_disk(tmp / "disk", 60 * MEGABYTE) as disk, PostgresServer(15, tmp / "target") as server:
        server.initialise()
        shutil.move(server.data / "base", disk / "base")
        (server.data / "base").symlink_to(disk / "base")
        hand_over(tmp)
        server.start()
        server.sql("CREATE DATABASE auth")
        server.sql("CREATE TABLE precious AS SELECT generate_series(1, 100) AS n", "auth")
        server.sql("CHECKPOINT")  # what is written for the first time now has its place
        databases = server.sql("SELECT oid, datname FROM pg_database ORDER BY 1")
        free = 60 * MEGABYTE - used_bytes(disk)
        settings = {"DATABASE_URL": server.url(db="auth")}
        # The first cannot even be created; the second meets the end of the disk while it is filled.
        for room in (MEGABYTE, 7 * MEGABYTE // 2):
            (disk / "ballast").write_bytes(bytes(free - room))
            done = product.run("restore", "--backup-file", stored.name, "--force", env=settings, expect=9)
            assert NO_ROOM in done.err
            assert server.sql("SELECT oid, datname FROM pg_database ORDER BY 1") == databases
            assert server.value("SELECT sum(n) FROM precious", "auth") == 5050
            (disk / "ballast").unlink()
        product.run("restore", "--backup-file", stored.name, "--force", env=settings)
        assert server.value("SELECT count(*) FROM auth.users", "auth") == 1000
