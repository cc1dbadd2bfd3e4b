"""Why this exists: of an application's logs an incremental backup takes only what was written since, follows them
when they are rotated, and gives each of them back as it was at that very backup, to the last byte."""

import gzip
import json
import os
import pathlib
import subprocess

import pytest
from lib import fail_points
from lib.folder_state import folder_state
from lib.postgres import BACKUP_PASSWORD, BACKUP_ROLE, SUPERUSER_PASSWORD
from lib.product import Product
from lib.stored_backup import StoredBackup

USAGE, INCOMPLETE, NO_ROOM, NOT_FOUND, KILLED = 2, 3, 9, 10, 137
EARLIER = "earlier line\n" * 20_000  # 260 KB, which must not be stored twice


class Application:
    """Its logs, its configuration, and their backups: each with the state of the logs when it was taken."""

    def __init__(self, folder, product):
        self.product, self.logs, self.config = product, folder / "app-log", folder / "app.conf"
        self.logs.mkdir()
        self.config.write_text("issuer = https://auth.example.org\n")
        self.write("app.log", EARLIER)
        self.write("audit.log", "audit begins\n")
        (self.logs / "current").symlink_to("app.log")
        self.states = {}

    def write(self, name, text):
        with open(self.logs / name, "a", encoding="utf-8") as file:
            file.write(text)

    def rotate(self, name):
        """As logrotate does with `delaycompress`: the one before last becomes a compressed file."""
        first, second = (self.logs / f"{name}.{number}" for number in (1, 2))
        if first.exists():
            (self.logs / f"{name}.2.gz").write_bytes(gzip.compress(first.read_bytes(), mtime=0))
            first.unlink()
        assert not second.exists()
        (self.logs / name).rename(first)
        (self.logs / name).touch()

    def settings(self):
        return {"LOG_PATHS": self.logs, "CONFIG_PATHS": self.config}

    def back_up(self, kind):
        state = folder_state(self.logs)
        name = self.product.run("backup", kind, "--json", env=self.settings()).json()["name"]
        self.states[name] = state
        self.config.write_text("changed since\n")
        return name

    def files(self, name):
        """What the backup holds of the logs: name -> bytes."""
        prefix = "logs" + str(self.logs) + "/"
        document = self.product.run("list", "--contents", name, "--json").json()
        return {
            item["name"].removeprefix(prefix): item["bytes"]
            for item in document["contents"] if item["name"].startswith(prefix) and item["kind"] != "link"
        }

    def restore(self, name, place, *words, components="logs", expect=0):
        return self.product.run(
            "restore", "-f", name, "--components", components, "--files-dir", place, "--json", *words, expect=expect
        ).json()

    def restored(self, place):
        return pathlib.Path(f"{place}/logs{self.logs}")


def application_with(server, folder):
    product = Product(folder / "product", database_url=server.url(BACKUP_ROLE, BACKUP_PASSWORD, "auth"))
    product.keep_secret(SUPERUSER_PASSWORD)
    return Application(folder, product)


@pytest.fixture(scope="module", autouse=True)
def no_slots_left(pg15):
    yield
    pg15.sql("SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots")


@pytest.fixture(scope="module")
def application(pg15, module_tmp):
    """Shared by the module, with its chain: leave both as they were."""
    return application_with(pg15, module_tmp)


@pytest.fixture(scope="module")
def chain(application):
    """A full backup; one after lines were added; one after a rotation; one after the next."""
    names = [application.back_up("full")]
    application.write("app.log", "two\n")
    names.append(application.back_up("incremental"))
    application.write("app.log", "end of the first file\n")
    application.rotate("app.log")
    application.write("app.log", "the second file\n")
    names.append(application.back_up("incremental"))
    application.rotate("app.log")
    application.write("app.log", "3\n")
    application.write("audit.log", "audit\n")
    names.append(application.back_up("incremental"))
    return names


def test_each_backup_of_a_chain_stores_what_is_new_and_gives_back_what_was_there(application, chain, tmp):
    full, appended, rotated, again = chain
    size = len(EARLIER)
    assert application.files(full) == {"app.log": size, "audit.log": 13}
    assert application.files(appended) == {f"app.log from byte {size}": 4}
    assert application.files(rotated) == {f"app.log.1 from byte {size + 4}": 22, "app.log": 16}
    compressed = os.path.getsize(application.logs / "app.log.2.gz")
    assert application.files(again) == {
        "app.log": 2, "app.log.1 from byte 16": 0, "app.log.2.gz": compressed, "audit.log from byte 13": 6,
    }
    for name in chain:
        done = application.restore(name, tmp / name)
        assert folder_state(application.restored(tmp / name)) == application.states[name]
        assert done["incomplete"] == []
    assert done["backups"] == 4


def test_configuration_comes_from_the_full_backup_of_the_chain(application, chain, tmp):
    dry = application.restore(chain[2], tmp / "back", "--dry-run", components="config,logs")
    assert dry["backups"] == 3 and not (tmp / "back").exists()
    application.restore(chain[2], tmp / "back", components="config,logs")
    config = pathlib.Path(f"{tmp}/back/config{application.config}")
    assert config.read_text() == "issuer = https://auth.example.org\n"
    assert folder_state(application.restored(tmp / "back")) == application.states[chain[2]]


def test_the_database_and_the_logs_come_back_together(application, chain, tmp, pg15):
    target = tmp / "target"
    application.restore(chain[3], tmp / "back", "--target-dir", target, components="database,logs")
    assert (target / "PG_VERSION").read_text() == "15\n"
    assert folder_state(application.restored(tmp / "back")) == application.states[chain[3]]


@pytest.fixture
def without_full(application, chain):
    """For a test, the full backup is not there."""
    manifest = StoredBackup(application.product.repository, chain[0]).manifest
    manifest.rename(manifest.with_name("aside"))
    yield
    manifest.with_name("aside").rename(manifest)


@pytest.mark.usefixtures("without_full")
def test_without_the_full_backup_the_pieces_come_back_and_what_is_missing_is_named(application, chain, tmp):
    done = application.restore(chain[3], tmp / "back", expect=INCOMPLETE)
    log = f"logs{application.logs}/audit.log"
    assert done["incomplete"] == [f"{log}: its first 13 bytes are in a backup that is not here"]
    back = application.restored(tmp / "back")
    assert (back / "audit.log").read_text() == "audit\n"
    for whole in ("app.log", "app.log.1", "app.log.2.gz"):
        assert (back / whole).read_bytes() == (application.logs / whole).read_bytes()
    refused = application.product.run(
        "restore", "-f", chain[3], "--components", "config,logs", "--files-dir", tmp / "other", expect=NOT_FOUND
    )
    assert chain[0] in refused.err and "--components logs" in refused.err
    assert not (tmp / "other").exists()


def test_one_file_alone_is_refused_with_what_to_do_instead(application, chain, tmp):
    done = application.product.run(
        "restore", "-f", chain[1], "--components", "logs", "--only", "*/app.log", "--files-dir", tmp / "back",
        expect=USAGE,
    )
    assert "--components logs --files-dir" in done.err
    assert not (tmp / "back").exists()


def test_an_instant_brings_the_logs_of_the_last_backup_before_it(application, chain, tmp):
    manifest = json.loads(StoredBackup(application.product.repository, chain[1]).manifest.read_text())
    application.product.run(
        "restore", "--components", "database,logs", "--target-time", manifest["finished_at"],
        "--target-dir", tmp / "data", "--files-dir", tmp / "back",
    )
    assert folder_state(application.restored(tmp / "back")) == application.states[chain[1]]


def test_a_parent_that_does_not_open_makes_the_logs_whole_again(pg15, tmp):
    application = application_with(pg15, tmp)
    application.back_up("full")
    application.write("app.log", "2\n")
    application.product.key = "another-key-that-nobody-has-used-yet-0123456789"
    name = application.back_up("incremental")
    assert application.files(name) == {"app.log": len(EARLIER) + 2, "audit.log": 13}
    application.restore(name, tmp / "back")
    assert folder_state(application.restored(tmp / "back")) == application.states[name]


def unpack(product, name, place):
    stored = StoredBackup(product.repository, name)
    place.mkdir(exist_ok=True)
    iterations = subprocess.run(
        ["sed", "-n", r's/.*"iterations":\([0-9]*\).*/\1/p', stored.manifest], capture_output=True, text=True, check=True
    ).stdout.strip()
    command = f"openssl enc -d -aes-256-cbc -pbkdf2 -iter {iterations} -md sha256 -pass env:KEY -in {stored.body}"
    subprocess.run(
        f"{command} | tar -xz -C {place}", shell=True, check=True, timeout=60, env={**os.environ, "KEY": product.key}
    )


def test_stock_tools_put_a_log_together(application, chain, tmp):
    for name in chain:
        unpack(application.product, name, tmp / "unpacked")
    place = f"{application.logs}/audit.log".lstrip("/")
    together = subprocess.run(
        f"cat logs/{place} log-pieces/{place}/*", shell=True, check=True, capture_output=True, cwd=tmp / "unpacked"
    ).stdout
    assert together == (application.logs / "audit.log").read_bytes()


def test_interrupted_at_any_step_a_restore_of_a_chain_leaves_all_or_nothing(application, chain, tmp):
    command = ("restore", "-f", chain[2], "--components", "logs", "--files-dir")
    steps = fail_points.steps_of(application.product, *command, tmp / "counted")
    assert "restore.file.append" in steps
    for number in range(1, len(steps) + 1):
        place = tmp / f"back-{number}"
        application.product.run(*command, place, env=fail_points.at_step(number, "enospc"), expect=NO_ROOM)
        assert not place.exists()
        application.product.run(*command, place, env=fail_points.at_step(number, "kill"), expect=KILLED)
        assert not (place / "logs").exists()
        application.product.run(*command, place)
        assert folder_state(application.restored(place)) == application.states[chain[2]]
        assert [child.name for child in place.iterdir()] == ["logs"]
