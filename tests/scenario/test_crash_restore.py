"""Why this exists: a full backup killed at any durable step publishes nothing that does not verify and leaves
nothing on the server; a data directory that a killed restore leaves is whole or is not there."""

import shutil

import pytest
from lib import cluster, crash
from lib.postgres import BACKUP_PASSWORD, BACKUP_ROLE, PostgresError, PostgresServer
from lib.product import Product

# The steps at the end, when the control file and then the names are put in place.
LAST_KINDS = ("restore.control", "restore.publish", "restore.take_mark")
TALLY = crash.Tally("full backups and restored data directories", 90)
RESTORE_POINTS = 40


@pytest.fixture(scope="module")
def stage(module_tmp):
    """A server with two databases and a tablespace, a product, and its full backup."""
    with PostgresServer.create(15, module_tmp / "pg15") as server:
        server.create_minimal_role()
        server.load_auth_data(rows=60)
        yield Stage(module_tmp, server)


class Stage:
    def __init__(self, folder, server):
        self.folder, self.server = folder, server
        tablespace = server.create_tablespace("fast")
        server.sql("CREATE TABLE placed (id integer PRIMARY KEY) TABLESPACE fast; INSERT INTO placed VALUES (7)", "auth")
        self.product = Product(folder / "product", database_url=server.url(BACKUP_ROLE, BACKUP_PASSWORD))
        self.target, self.placed = folder / "restored", folder / "placed"
        self.restore_arguments = ("restore", "-f", "latest", "--target-dir", self.target, "--tablespace",
                                  f"{tablespace}={self.placed}")
        self.configuration = folder / "app.conf"
        self.configuration.write_text("issuer = https://auth.example.org\n")
        self.product.run("backup", "--type", "full")
        self.names = crash.listed(self.product)
        crash.outlive_the_second()
        crash.copy_of(self.product.repository, folder / "template")
        self.before = cluster.fingerprints(server, ("auth",))

    def reset(self):
        crash.copy_of(self.folder / "template", self.product.repository)

    def back_up(self, kind="full", env=None, expect=0):
        files = {"CONFIG_PATHS": self.configuration} if kind == "config" else {}
        return self.product.run("backup", "--type", kind, "--json", env={**files, **(env or {})}, expect=expect)

    def restore(self, env=None, expect=0):
        return self.product.run(*self.restore_arguments, env=env, expect=expect)

    def clear(self):
        for place in (self.target, self.placed):
            shutil.rmtree(place, ignore_errors=True)

    def beside(self):
        """What restores have made in the folder of the target, beside target and tablespace."""
        return [name for name in names_in(self.folder) if "restor" in name and name != self.target.name]

    def check_starts(self):
        with PostgresServer.on(15, self.target, self.folder / "second", restart_after_crash="off") as second:
            cluster.assert_same(self.before, cluster.fingerprints(second, ("auth",)))
            assert second.value("SELECT id FROM placed", "auth") == 7


def names_in(folder):
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize("action", ["kill", "stop"])
def test_a_full_backup_ended_at_any_step_leaves_nothing_on_the_server_and_only_what_is_whole(stage, action):
    stage.reset()
    steps = crash.steps_of(stage.product, "backup", "--type", "full")
    assert steps.count("store.local.rename") == 3
    for number in crash.chosen(steps):
        kind = steps[number - 1]
        stage.reset()
        done = stage.back_up(env=crash.armed(number, action), expect=crash.OUTCOMES[action])
        now = crash.listed(stage.product)
        new = [name for name in now if name not in stage.names]
        assert len(new) <= 1 and len(now) == len(new) + 1
        if done.code != crash.KILLED:
            assert len(new) == (done.code == 0)
        crash.verify(stage.product, new)
        # The next run may be of any type; the same type at the first and the last step.
        again = stage.back_up("full" if number in (1, len(steps)) else "config").json()["name"]
        crash.check_nothing_stays(stage.product, [*now, again])
        crash.check_no_slot(stage.server)
        TALLY.add(f"{kind} of a full backup")


@pytest.mark.parametrize("action", ["eio", "enospc"])
def test_a_full_backup_that_the_disk_refuses_publishes_nothing(stage, action):
    stage.reset()
    steps = crash.steps_of(stage.product, "backup", "--type", "full")
    for number in crash.chosen(steps, 1):
        stage.reset()
        stage.back_up(env=crash.armed(number, action), expect=crash.STORE if action == "eio" else crash.SPACE)
        assert crash.listed(stage.product) == stage.names
        crash.check_nothing_stays(stage.product, stage.names)
        crash.check_no_slot(stage.server)
        TALLY.add(f"{steps[number - 1]} of a full backup")


def test_a_killed_restore_leaves_a_whole_data_directory_or_none_and_the_next_needs_no_help(stage):
    stage.reset()
    stage.clear()
    steps = crash.steps_of(stage.product, *stage.restore_arguments)
    stage.clear()
    numbers = crash.chosen(steps, RESTORE_POINTS)
    for number in numbers:
        # Each run is also the next one after the run that was killed before it, to the same target.
        stage.restore(crash.armed(number, "kill"), expect=crash.KILLED)
        assert len(stage.beside()) <= 2, "what earlier dead runs left is gone: at most this one's two folders"
        TALLY.add(f"{steps[number - 1]} of a data directory")
        if stage.target.exists():
            stage.check_starts()
            stage.clear()
    stage.restore()
    stage.check_starts()
    assert stage.beside() == []
    stage.clear()


def test_after_a_kill_at_each_of_the_last_steps_the_next_restore_brings_everything_back(stage):
    stage.reset()
    stage.clear()
    steps = crash.steps_of(stage.product, *stage.restore_arguments)
    assert {"restore.file.create", "restore.file.sync", "restore.folder.sync", *LAST_KINDS} == {*steps}
    for name in LAST_KINDS:
        stage.clear()
        stage.restore(crash.armed(steps.count(name), "kill", name), expect=crash.KILLED)
        if stage.target.exists():
            stage.check_starts()
            stage.clear()
        stage.restore()
        assert stage.beside() == []
        stage.check_starts()
        TALLY.add(f"{name} of a data directory")
    stage.clear()


@pytest.mark.parametrize("action, names", [
    ("eio", ("restore.file.create", "restore.file.sync", "restore.folder.sync", *LAST_KINDS)),
    ("enospc", ("restore.file.create", "restore.file.sync")),
    ("stop", ("restore.file.create", "restore.file.sync", "restore.control")),
])
def test_a_restore_that_fails_or_is_stopped_leaves_nothing(stage, action, names):
    stage.reset()
    for name in names:
        stage.clear()
        done = stage.restore(crash.armed(1, action, name), expect=crash.OUTCOMES[action])
        assert stage.beside() == []
        assert stage.target.exists() == stage.placed.exists() == (done.code == 0)
        # A mark that could not be taken away does no harm; the control file comes after the last look for a stop.
        assert (done.code == 0) == ((action, name) in (("eio", "restore.take_mark"), ("stop", "restore.control")))
        TALLY.add(f"{name} of a data directory")


def test_a_directory_without_its_control_file_does_not_start(stage):
    """Why the product writes global/pg_control last."""
    stage.reset()
    stage.clear()
    stage.restore()
    (stage.target / "global" / "pg_control").unlink()
    with pytest.raises(PostgresError, match="could not (open|find)"):
        PostgresServer.on(15, stage.target, stage.folder / "second")
    stage.clear()


def test_the_campaign_was_large_enough():
    TALLY.check()
