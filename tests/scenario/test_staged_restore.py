"""Why this exists: a restore that was prepared waits, whole and checked, until somebody publishes it; until then
nothing on the target has changed, and afterwards nothing of it waits any more. Whatever happens in between, it is
there or it is not."""

import fcntl
import os
import shutil
import signal
import time

import pytest
from lib import cluster, crash, fail_points
from lib.folder_state import folder_state, names_below
from lib.postgres import BACKUP_PASSWORD, BACKUP_ROLE
from lib.product import Product
from lib.small_disk import small_disk
from lib.stored_backup import SEGMENT_BYTES, StoredBackup, random_files

USAGE, INCOMPLETE, DAMAGED, REFUSED, SPACE, NOT_FOUND, BUSY, WRONG_KEY = 2, 3, 4, 5, 9, 10, 11, 12
MEGABYTE = 1024 * 1024
BODY = "auth-service-backup-staged.tar"
PREPARED = [BODY.replace(".tar", ".index"), BODY.replace(".tar", ".json"), BODY]


@pytest.fixture
def source(tmp):
    folder = random_files(tmp / "etc", 20)
    (folder / "deep").mkdir(mode=0o750)
    (folder / "deep" / ("n" * 200)).write_text("a long name\n")
    (folder / "deep" / "hard").hardlink_to(folder / "app.conf")
    (folder / "deep" / "soft").symlink_to("../app.conf")
    return folder


@pytest.fixture
def stored(product, source):
    done = product.run("backup", "config", "--json", env={"CONFIG_PATHS": source})
    return StoredBackup(product.repository, done.json()["name"])


def prepare(product, stored, staging, *words, expect=0, env=None):
    return product.run("restore", "-f", stored.name, "--staging", staging, "--json", *words, env=env, expect=expect).json()


def files_to(place):
    return "--components", "config", "--files-dir", place


def resume(product, staging, *words, expect=0, env=None):
    return product.run("restore", "--resume", "--staging", staging, "--json", *words, env=env, expect=expect).json()


def below(place, source):
    return place / "config" / str(source).lstrip("/")


def test_what_was_prepared_is_published_later_without_repository_or_key(product, tmp, stored, source):
    staging, place = tmp / "staging", tmp / "back"
    done = prepare(product, stored, staging, *files_to(place))
    assert done["publish"] == f"auth-service-backup restore --resume --staging {staging}"
    assert done["stored_bytes_read"] == stored.body.stat().st_size
    assert names_below(staging) == PREPARED and not place.exists()
    assert staging.stat().st_mode & 0o777 == 0o700
    assert {(staging / name).stat().st_mode & 0o777 for name in PREPARED} == {0o600}
    product.repository.rename(tmp / "away")
    resume(product, staging, env={"BACKUP_ENCRYPTION_KEY": None})
    assert folder_state(below(place, source)) == folder_state(source)
    assert not staging.exists()


def test_a_folder_that_was_there_stays_and_the_short_form_works(product, tmp, stored, source):
    (tmp / "staging").mkdir()
    prepare(product, stored, tmp / "staging", *files_to(tmp / "back"))
    product.run("restore", "--resume", tmp / "staging")
    assert folder_state(below(tmp / "back", source)) == folder_state(source)
    assert names_below(tmp / "staging") == []


def test_a_piece_is_prepared_alone(product, tmp, stored, source):
    done = prepare(product, stored, tmp / "staging", "--only", f"{source}/app.conf", "--files-dir", tmp / "back")
    assert (tmp / "staging" / BODY).stat().st_size < MEGABYTE and done["stored_bytes_read"] <= 3 * SEGMENT_BYTES
    below(tmp / "back", source).mkdir(parents=True)
    (below(tmp / "back", source) / "app.conf").write_text("mine\n")
    resume(product, tmp / "staging", expect=REFUSED)
    resume(product, tmp / "staging", "--force")
    assert (below(tmp / "back", source) / "app.conf").read_text() == (source / "app.conf").read_text()
    assert len(names_below(below(tmp / "back", source))) == 2


def test_a_dry_run_says_what_it_would_do_and_writes_nothing(product, tmp, stored):
    words = files_to(tmp / "back")
    plan = prepare(product, stored, tmp / "staging", *words, "--dry-run")
    assert plan["staging"] == str(tmp / "staging") and plan["stored_bytes"] == stored.body.stat().st_size
    assert not (tmp / "staging").exists()
    prepare(product, stored, tmp / "staging", *words)
    before = folder_state(tmp / "staging")
    assert resume(product, tmp / "staging", "--dry-run")["plan"] == plan["plan"]
    assert folder_state(tmp / "staging") == before and not (tmp / "back").exists()


def test_a_target_or_key_that_is_wrong_is_found_before_anything_is_prepared(product, tmp, stored):
    (tmp / "back" / "config").mkdir(parents=True)
    (tmp / "back" / "config" / "mine").touch()
    prepare(product, stored, tmp / "staging", *files_to(tmp / "back"), expect=REFUSED)
    prepare(product, stored, tmp / "staging", "--components", "config", expect=USAGE)
    prepare(product, stored, tmp / "staging", *files_to(tmp / "new"), env={"BACKUP_ENCRYPTION_KEY": "f" * 64},
            expect=WRONG_KEY)
    with stored.flipped(stored.body, SEGMENT_BYTES + 5):
        prepare(product, stored, tmp / "staging", *files_to(tmp / "new"), expect=DAMAGED)
    assert not (tmp / "staging").exists()


def test_only_an_empty_folder_is_taken(product, tmp, stored):
    staging = tmp / "staging"
    staging.mkdir(mode=0o755)
    (staging / "work").mkdir()
    error = prepare(product, stored, staging, *files_to(tmp / "back"), expect=REFUSED)["error"]
    assert error["fact"] == f"{staging} is not empty"
    assert names_below(staging) == ["work"] and staging.stat().st_mode & 0o777 == 0o755
    (staging / "work").rmdir()
    prepare(product, stored, staging, *files_to(tmp / "back"))
    error = prepare(product, stored, staging, *files_to(tmp / "back"), expect=REFUSED)["error"]
    assert "already prepared" in error["fact"] and "--resume" in error["hint"]


def test_there_must_be_something_to_resume(product, tmp):
    resume(product, tmp / "nothing", expect=NOT_FOUND)
    (tmp / "empty").mkdir()
    resume(product, tmp / "empty", expect=NOT_FOUND)
    product.run("restore", "--resume", expect=USAGE)
    product.run("restore", "--resume", "--list", "--staging", tmp / "empty", expect=USAGE)


def test_options_said_again_must_say_the_same(product, tmp, stored, source):
    prepare(product, stored, tmp / "staging", *files_to(tmp / "back"))
    for words in (("--files-dir", tmp / "other"), ("--target-dir", tmp / "other"), ("--components", "logs"),
                  ("--only", "/x"), ("-f", "latest"), ("--all-databases",)):
        error = resume(product, tmp / "staging", *words, expect=USAGE)["error"]
        assert "contradicts what was prepared" in error["fact"], words
    resume(product, tmp / "staging", *files_to(tmp / "back"), "-f", stored.name, "--force")
    assert folder_state(below(tmp / "back", source)) == folder_state(source)


def test_what_waits_is_checked_again(product, tmp, stored):
    staging = tmp / "staging"
    prepare(product, stored, staging, *files_to(tmp / "back"))
    for name in PREPARED:
        for offset in (10, -40):
            waiting = staging / name
            content = waiting.read_bytes()
            at = offset if offset > 0 else len(content) + offset
            waiting.write_bytes(content[:at] + bytes([content[at] ^ 1]) + content[at + 1:])
            assert "prepare the restore anew" in resume(product, staging, expect=DAMAGED)["error"]["hint"], name
            waiting.write_bytes(content)
    (staging / BODY).write_bytes((staging / BODY).read_bytes()[:-512])
    resume(product, staging, expect=DAMAGED)
    assert not (tmp / "back").exists()
    staging.chmod(0o777)
    assert "open to others" in resume(product, staging, expect=REFUSED)["error"]["fact"]


def test_two_runs_do_not_work_in_one_folder(product, tmp, stored):
    prepare(product, stored, tmp / "staging", *files_to(tmp / "back"))
    other = os.open(tmp / "staging", os.O_RDONLY)
    fcntl.flock(other, fcntl.LOCK_EX)
    resume(product, tmp / "staging", expect=BUSY)
    os.close(other)
    resume(product, tmp / "staging")


@pytest.mark.parametrize("action, code", [("kill", 137), ("stop", 143), ("eio", 1), ("enospc", 9)])
def test_a_preparation_ended_at_any_step_is_whole_or_none(product, tmp, stored, source, action, code):
    words = ("restore", "-f", stored.name, "--staging", tmp / "staging", *files_to(tmp / "back"))
    steps = fail_points.steps_of(product, *words)
    assert {"staging.folder", "staging.write", "staging.sync", "staging.index", "staging.state"} <= set(steps)
    for number in range(1, len(steps) + 1):
        for waiting in (tmp / "staging").glob("*"):
            waiting.unlink()
        if (tmp / "staging").exists():
            (tmp / "staging").rmdir()
        done = product.run(*words, env=fail_points.at_step(number, action), expect=(code, 0))
        there = names_below(tmp / "staging")
        if there == PREPARED:
            resume(product, tmp / "staging", "--dry-run")
            continue
        assert done.code == code
        if action != "kill":
            assert not (tmp / "staging").exists()
        if BODY in there:
            error = resume(product, tmp / "staging", expect=REFUSED)["error"]
            assert "not prepared to its end" in error["fact"] and "prepare it again" in error["hint"]
        product.run(*words)
        assert names_below(tmp / "staging") == PREPARED
    assert not (tmp / "back").exists()
    resume(product, tmp / "staging")
    assert folder_state(below(tmp / "back", source)) == folder_state(source)


@pytest.mark.parametrize("action, code", [("kill", 137), ("stop", 143), ("eio", 1)])
def test_a_publication_ended_at_any_step_can_be_run_again(product, tmp, stored, source, action, code):
    prepare(product, stored, tmp / "template", *files_to(tmp / "back"), "--force")
    words = ("restore", "--resume", "--staging", tmp / "staging")

    def begin_anew():
        for place in ("staging", "back"):
            shutil.rmtree(tmp / place, ignore_errors=True)
        shutil.copytree(tmp / "template", tmp / "staging")

    begin_anew()
    steps = fail_points.steps_of(product, *words)
    assert "staging.remove" in steps
    for number in fail_points.spread(len(steps), 15):
        begin_anew()
        done = product.run(*words, env=fail_points.at_step(number, action), expect=(code, 0, INCOMPLETE))
        assert done.code != INCOMPLETE or "remove it" in done.out and steps[number - 1] == "staging.remove"
        if action != "kill":
            assert names_below(tmp / "staging") == (PREPARED if done.code else []), steps[number - 1]
        if set(PREPARED) <= set(names_below(tmp / "staging")):
            product.run(*words)
        assert folder_state(below(tmp / "back", source)) == folder_state(source)


def test_a_stop_in_the_middle_leaves_nothing(product, tmp, stored):
    """At a moment that is no step: while data is on its way."""
    for wait in (0.02, 0.05, 0.1):
        running = product.popen("restore", "-f", stored.name, "--staging", tmp / "staging", *files_to(tmp / "back"))
        time.sleep(wait)
        running.signal(signal.SIGTERM)
        done = running.wait(expect=(0, 143))
        assert names_below(tmp / "staging") == (PREPARED if done.code == 0 else [])
        if done.code == 0:
            resume(product, tmp / "staging", "--force")


def test_a_disk_that_is_too_small_is_found_before(product, tmp, stored):
    for size, expect in ((16, SPACE), (24, 0)):
        with small_disk(tmp / "disk", size * MEGABYTE) as disk:
            done = prepare(product, stored, disk, *files_to(tmp / "back"), expect=expect)
            assert names_below(disk) == ([] if expect else PREPARED)
            assert not expect or "the prepared restore needs 20.0 MiB" in done["error"]["fact"]


def test_a_disk_that_fills_up_meanwhile_leaves_nothing(product, tmp, stored):
    """No file can be made any more: the room is there, but a file system has other limits too."""
    for inodes in (1, 2):  # none beside the disk's own folder; the body alone
        with small_disk(tmp / "disk", 64 * MEGABYTE, inodes) as disk:
            done = prepare(product, stored, disk, *files_to(tmp / "back"), expect=SPACE)
            assert "No space left on device" in done["error"]["fact"] and names_below(disk) == []


class Target:
    """A full backup of a server with files beside, and the server to restore to."""

    def __init__(self, folder, server):
        self.server = server
        self.product = Product(folder / "product", database_url=server.url(BACKUP_ROLE, BACKUP_PASSWORD))
        (folder / "app.conf").write_text("issuer = https://auth.example.org\n")
        done = self.product.run("backup", "--json", env={"CONFIG_PATHS": folder / "app.conf"})
        self.stored = StoredBackup(self.product.repository, done.json()["name"])
        self.before = cluster.fingerprints(server, ("auth",))
        self.settings = {"DATABASE_URL": server.url(db="auth")}


@pytest.fixture(scope="module")
def target(module_tmp, pg15):
    return Target(module_tmp, pg15)


def test_a_database_and_files_are_prepared_and_published_later(target, tmp, pg15):
    product, staging = target.product, tmp / "staging"
    words = ("--components", "database,config", "--files-dir", tmp / "back", "--force", "--drop-old")
    prepare(product, target.stored, staging, *words, env=target.settings)
    assert pg15.url(db="auth") not in (staging / PREPARED[1]).read_text()
    pg15.sql("CREATE TABLE later (id integer)", "auth")
    oid = pg15.value("SELECT oid FROM pg_database WHERE datname = 'auth'")
    resume(product, staging, env={"DATABASE_URL": None}, expect=USAGE)
    assert names_below(staging) == PREPARED
    assert pg15.value("SELECT oid FROM pg_database WHERE datname = 'auth'") == oid
    resume(product, staging, env=target.settings)
    cluster.assert_same(target.before, cluster.fingerprints(pg15, ("auth",)))
    assert (tmp / "back" / "config").is_dir() and not staging.exists()
    assert pg15.sql("SELECT datname FROM pg_database WHERE datname LIKE 'auth\\_\\_%'") == []


def test_a_publication_killed_in_the_swap_can_be_run_again(target, tmp, pg15):
    product, staging = target.product, tmp / "staging"
    prepare(product, target.stored, staging, "--force", "--drop-old", env=target.settings)
    for step in ("swap.roles", "swap.check"):
        for action, code in (("kill", 137), ("stop", 143)):
            resume_words = ("restore", "--resume", "--staging", staging)
            product.run(*resume_words, env={**target.settings, **crash.armed(1, action, step)}, expect=code)
            assert set(PREPARED) <= set(names_below(staging))
            cluster.assert_same(target.before, cluster.fingerprints(pg15, ("auth",)))
    resume(product, staging, env=target.settings)
    cluster.assert_same(target.before, cluster.fingerprints(pg15, ("auth",)))
    assert not staging.exists()


def test_a_file_of_a_full_backup_comes_back_alone(target, tmp):
    """From physical PostgreSQL and files: nothing of the database is read for it but what shares its segment."""
    word = f"{tmp.parent}/*/app.conf"
    done = target.product.run("restore", "-f", target.stored.name, "--only", word, "--files-dir", tmp / "back", "--json")
    assert done.json()["report"][0].endswith("/app.conf, 34 B")
    (back,) = (tmp / "back").rglob("app.conf")
    assert back.read_text() == "issuer = https://auth.example.org\n"


def test_a_data_directory_is_prepared_and_published_later(target, tmp):
    prepare(target.product, target.stored, tmp / "staging", "--target-dir", tmp / "data")
    assert not (tmp / "data").exists()
    resume(target.product, tmp / "staging")
    assert (tmp / "data" / "PG_VERSION").read_text() == "15\n"
