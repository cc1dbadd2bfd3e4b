"""Why this exists: what no list of steps foresees: kill -9 at any moment of a full backup, of a restore to a
folder and of a restore into the database. The moments are drawn with a fixed seed."""

import random
import shutil

import pytest
from lib import cluster, crash
from lib.fingerprint import differences
from lib.postgres import PostgresServer
from lib.product import Product

SEED = 20240115
BACKUPS, DIRECTORIES, DATABASES = 10, 6, 4
LONGEST_SECONDS = 60


@pytest.fixture(scope="module")
def stage(module_tmp):
    with PostgresServer.create(15, module_tmp / "pg15") as server:
        server.load_auth_data(rows=60)
        yield Stage(module_tmp, server)


class Stage:
    def __init__(self, folder, server):
        self.folder, self.server = folder, server
        self.product = Product(folder / "product", database_url=server.url(db="auth"))
        self.product.temporary.chmod(0o755)
        self.moments = random.Random(SEED)
        self.before = server.fingerprint("auth")

    def kill_at_random(self, usual_seconds, *arguments):
        """Kills the run some time before it would have ended; it may be faster than that."""
        running = self.product.popen(*arguments)
        crash.wait_or_kill(running, self.moments.uniform(0, usual_seconds))
        return running.wait(expect=(0, crash.KILLED), timeout=LONGEST_SECONDS)


def test_a_full_backup_killed_at_any_moment(stage):
    usual = crash.seconds_of(stage.product, "backup", "--type", "full")
    known = crash.listed(stage.product)
    for _ in range(BACKUPS):
        done = stage.kill_at_random(usual, "backup", "--type", "full")
        now = crash.listed(stage.product)
        new = [name for name in now if name not in known]
        assert now[: len(known)] == known and len(new) <= 1
        assert new or done.code == crash.KILLED
        crash.verify(stage.product, new)
        crash.check_no_slot(stage.server)
        known = now
    again = stage.product.run("backup", "--json").json()["name"]
    crash.verify(stage.product, [again])
    crash.check_nothing_stays(stage.product, [*known, again])


def test_a_restore_to_a_folder_killed_at_any_moment(stage):
    target = stage.folder / "restored"
    arguments = ("restore", "-f", "latest", "--target-dir", target)
    stage.product.run("backup")
    usual = crash.seconds_of(stage.product, *arguments)
    for _ in range(DIRECTORIES):
        shutil.rmtree(target, ignore_errors=True)
        stage.kill_at_random(usual, *arguments)
        if target.exists():
            check_starts(stage, target)
    shutil.rmtree(target, ignore_errors=True)
    stage.product.run(*arguments)
    check_starts(stage, target)
    assert [path.name for path in stage.folder.iterdir() if ".restoring-" in path.name] == []


def check_starts(stage, target):
    with PostgresServer.on(15, target, stage.folder / "second") as second:
        cluster.assert_same({"auth": stage.before}, cluster.fingerprints(second, ("auth",)))


def test_a_restore_into_the_database_killed_at_any_moment(stage):
    arguments = ("restore", "-f", "latest", "--force", "--drop-old")
    stage.product.run("backup")
    usual = crash.seconds_of(stage.product, *arguments)
    for _ in range(DATABASES):
        stage.kill_at_random(usual, *arguments)
        crash.check_no_process(stage.product.temporary)
        assert differences(stage.before, stage.server.fingerprint("auth")) == []
    stage.product.run(*arguments)
    assert differences(stage.before, stage.server.fingerprint("auth")) == []
    assert stage.server.value("SELECT count(*) FROM pg_database WHERE datname LIKE '%\\_\\_restore\\_%'") == 0
    assert list(stage.product.temporary.iterdir()) == []
