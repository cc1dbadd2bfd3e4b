"""Why this exists: a run that is killed, refused by the disk or stopped at any durable step of a configuration
backup or of a restore of files leaves only what is whole, and the next run needs no help."""

import shutil

import pytest
from lib import crash
from lib.folder_state import folder_state
from lib.product import Product
from lib.stored_backup import random_files

ACTIONS = ("kill", "eio", "enospc", "stop")
TWO_SEGMENTS = 17  # MiB
TALLY = crash.Tally("configuration backups and files", 180)


@pytest.fixture(scope="module")
def stage(module_tmp):
    """A product, a small and a large folder to back up, and what a repository may look like before a run."""
    return Stage(module_tmp)


class Stage:
    def __init__(self, folder):
        self.product = Product(folder / "product")
        self.small, self.large = random_files(folder / "small", 0), random_files(folder / "large", TWO_SEGMENTS)
        (self.small / "folder").mkdir()
        (self.small / "folder" / "link").symlink_to("../app.conf")
        self.templates = {
            "new": folder / "is-not-there",
            "used": self._template(folder / "used"),
            "after a death": self._template(folder / "dead"),
        }
        self._let_it_die_before_its_manifest(self.templates["after a death"])

    def environment(self, source=None):
        return {"CONFIG_PATHS": source or self.small}

    def back_up(self, env=None, expect=0, source=None):
        return self.product.run("backup", "config", "--json", env={**self.environment(source), **(env or {})},
                                expect=expect)

    def put(self, state):
        """Gives the product the repository of that state; returns the names of its backups."""
        crash.copy_of(self.templates[state], self.product.repository)
        return [] if state == "new" else self.names

    def steps(self, state, source=None):
        self.put(state)
        return crash.steps_of(self.product, "backup", "config", env=self.environment(source))

    def _template(self, folder):
        """One good backup, and beside it, for the second template, what a run left behind."""
        if not self.product.repository.exists():
            self.back_up()
            self.names = crash.listed(self.product)
            crash.outlive_the_second()
        crash.copy_of(self.product.repository, folder)
        return folder

    def _let_it_die_before_its_manifest(self, template):
        """Body and index of a backup that never was, and the unfinished file of its manifest."""
        shutil.rmtree(self.product.repository)
        template.rename(self.product.repository)
        self.back_up(crash.armed(3, "kill", "store.local.rename"), expect=crash.KILLED)
        self.product.repository.rename(template)
        assert len(list(template.iterdir())) == len(crash.objects_of(self.names)) + 3


@pytest.mark.parametrize("state", ["new", "used", "after a death"])
def test_killed_at_any_step_a_backup_leaves_only_what_is_whole(stage, state):
    steps = stage.steps(state)
    assert {"store.local.write", "store.local.sync", "store.local.rename", "store.local.sync_folder"} <= {*steps}
    assert ("store.local.erase" in steps) == (state == "after a death")
    run_into(stage, state, steps, "kill", crash.chosen(steps))


@pytest.mark.parametrize("action", ["eio", "enospc"])
@pytest.mark.parametrize("state", ["new", "after a death"])
def test_refused_by_the_disk_at_any_step_a_backup_leaves_only_what_is_whole(stage, state, action):
    steps = stage.steps(state)
    run_into(stage, state, steps, action, crash.chosen(steps, None if state == "new" else 1))


@pytest.mark.parametrize("state", ["used", "after a death"])
def test_stopped_at_each_kind_of_step_a_backup_leaves_only_what_is_whole(stage, state):
    steps = stage.steps(state)
    codes = run_into(stage, state, steps, "stop", crash.chosen(steps, 1))
    assert codes[0] == crash.STOPPED


def run_into(stage, state, steps, action, numbers):
    """A backup from that state for each of the steps, and what must hold after it; the exit codes."""
    codes = []
    for number in numbers:
        before = stage.put(state)
        done = stage.back_up(crash.armed(number, action), expect=crash.OUTCOMES[action])
        check_what_it_left(stage, before, done, steps[number - 1])
        codes.append(done.code)
    return codes


def test_killed_at_any_step_of_a_backup_of_two_segments(stage):
    steps = stage.steps("new", stage.large)
    assert steps.count("store.local.write") > stage.steps("new").count("store.local.write")
    for number in crash.chosen(steps):
        kind = steps[number - 1]
        stage.put("new")
        done = stage.back_up(crash.armed(number, "kill"), expect=crash.KILLED, source=stage.large)
        check_what_it_left(stage, [], done, f"{kind} of two segments")


def check_what_it_left(stage, before, done, kind):
    product = stage.product
    now = crash.listed(product)
    new = [name for name in now if name not in before]
    assert len(now) == len(before) + len(new) and len(new) <= 1, f"{kind}: {before} became {now}"
    if done.code != crash.KILLED:
        # Whoever could end by itself has tidied up, and says by its exit code whether there is a backup.
        assert len(new) == (done.code == 0), f"{kind}\n{done!r}"
        assert len(new) == 0 or done.json()["name"] == new[0]
    if new:
        crash.verify(product, new)
    again = stage.back_up().json()["name"]
    crash.verify(product, [again])
    assert again not in now
    crash.check_nothing_stays(product, [*now, again])
    TALLY.add(kind)


def test_what_was_published_before_the_kill_comes_back(stage, tmp):
    """At the very last step the manifest has its name, and so the backup exists."""
    number = len(stage.steps("used", stage.large))
    stage.put("used")
    stage.back_up(crash.armed(number, "kill"), expect=crash.KILLED, source=stage.large)
    (new,) = set(crash.listed(stage.product)) - set(stage.names)
    for name, source in ((new, stage.large), (stage.names[0], stage.small)):
        stage.product.run("restore", "-f", name, "--components", "config", "--files-dir", tmp / name)
        assert folder_state(tmp / name / "config" / str(source)[1:]) == folder_state(source)


def restore_files(stage, target, env=None, expect=0):
    return stage.product.run("restore", "-f", stage.names[0], "--components", "config", "--files-dir", target,
                             "--force", env=env, expect=expect)


@pytest.mark.parametrize("action", ACTIONS)
def test_files_are_the_old_or_the_new_ones_whatever_step_a_restore_ends_at(stage, action, tmp):
    stage.put("used")
    target = tmp / "target"
    restore_files(stage, target)
    new = folder_state(target / "config")
    steps = crash.steps_of(stage.product, "restore", "-f", stage.names[0], "--components", "config", "--files-dir",
                           target, "--force")
    assert {"restore.file.create", "restore.file.sync", "restore.publish"} <= {*steps}
    for number in crash.chosen(steps):
        kind = steps[number - 1]
        shutil.rmtree(target)
        old_files(target)
        old = folder_state(target / "config")
        done = restore_files(stage, target, crash.armed(number, action), expect=crash.OUTCOMES[action])
        found = folder_state(target / "config")
        assert found == new if done.code == 0 else found in (old, new), kind
        if done.code not in (0, crash.KILLED):
            assert (found, names_in(target)) == (old, ["config"]), kind
        restore_files(stage, target)
        assert folder_state(target / "config") == new
        check_only_kept_ones_stay(target, old)
        TALLY.add(f"{kind} of files")


def old_files(target):
    (target / "config").mkdir(parents=True)
    (target / "config" / "old.conf").write_text("what was there before\n")


def names_in(folder):
    return sorted(path.name for path in folder.iterdir())


def check_only_kept_ones_stay(target, old):
    """Beside what was asked for only what was there before, under its printed name; no staging folder."""
    others = [path for path in target.iterdir() if path.name != "config"]
    assert [path for path in others if not path.name.startswith("config.before-")] == []
    assert old in [folder_state(path) for path in others]


def test_the_campaign_was_large_enough():
    TALLY.check()
