"""Why this exists: a restore into DATABASE_URL that dies at any step leaves the old or the new data, whole and
under the right name; its private server dies with it, and the next restore removes what it left."""

import pytest
from lib import crash
from lib.fingerprint import differences
from lib.postgres import PostgresServer
from lib.product import Product

TALLY = crash.Tally("restores into a database", 30)
CREATED_FILES = 3  # points spread over the private server's data directory


@pytest.fixture(scope="module")
def stage(module_tmp):
    """A server whose database `auth` has changed since its backup."""
    with PostgresServer.create(15, module_tmp / "pg15") as server:
        server.load_auth_data(rows=60)
        yield Stage(module_tmp, server)


class Stage:
    def __init__(self, folder, server):
        self.server = server
        self.product = Product(folder / "product", database_url=server.url(db="auth"))
        self.product.temporary.chmod(0o755)
        self.new = server.fingerprint("auth")
        self.product.run("backup", "--type", "full")
        self.change()
        self.others = self.databases()

    def change(self):
        """Makes the data another than the backed-up."""
        self.server.sql("DELETE FROM auth.audit_log WHERE id % 2 = 0; CREATE TABLE added (id integer PRIMARY KEY)", "auth")
        self.old = self.server.fingerprint("auth")

    def databases(self):
        return [name for (name,) in self.server.sql("SELECT datname FROM pg_database ORDER BY 1")]

    def restore(self, *more, env=None, expect=0):
        return self.product.run("restore", "-f", "latest", "--force", *more, env=env, expect=expect)

    def arguments(self, *more):
        return "restore", "-f", "latest", "--force", *more

    def which(self):
        """Whether `auth` holds the old or the new data; nothing else is right."""
        found = self.server.fingerprint("auth")
        if differences(self.old, found) == []:
            return "old"
        assert differences(self.new, found) == []
        return "new"

    def check_private_server_is_gone(self):
        crash.check_no_process(self.product.temporary)

    def leftovers(self):
        """Databases that restores have made and not removed."""
        return [name for name in self.databases() if "__restore_" in name]

    def put_back_the_old(self):
        if self.which() == "new":
            self.change()

    def steps(self):
        steps = crash.steps_of(self.product, *self.arguments("--drop-old"))
        assert self.which() == "new"
        self.change()
        return steps


def test_killed_at_any_step_the_old_or_the_new_data_is_whole_and_the_next_run_tidies_up(stage):
    steps = stage.steps()
    assert {"swap.roles", "swap.create_database", "swap.comment", "swap.restore", "swap.check", "swap.rename",
            "swap.drop_old", "restore.control", "restore.publish"} <= {*steps}
    for number in crash.chosen(steps, CREATED_FILES):
        kind = steps[number - 1]
        # By its place among its kind: a run that first drops what the dead one before it left has more steps.
        among_its_kind = steps[:number].count(kind)
        stage.restore("--drop-old", env=crash.armed(among_its_kind, "kill", kind), expect=crash.KILLED)
        stage.check_private_server_is_gone()
        stage.which()
        assert len(stage.leftovers()) <= 1, kind
        stage.put_back_the_old()
        TALLY.add(f"{kind} of a swap")
    check_the_next_one_tidies_up(stage)


def check_the_next_one_tidies_up(stage):
    stage.restore("--drop-old")
    assert stage.which() == "new"
    assert stage.leftovers() == []
    assert list(stage.product.temporary.iterdir()) == []
    stage.change()


@pytest.mark.parametrize("name", ["swap.create_database", "swap.comment", "swap.restore", "swap.check", "swap.rename"])
def test_what_a_kill_left_on_the_server_is_gone_after_the_next_restore(stage, name):
    stage.restore(env=crash.armed(1, "kill", name), expect=crash.KILLED)
    assert len(stage.leftovers()) == (name != "swap.create_database")
    assert stage.which() == "old"
    check_the_next_one_tidies_up(stage)
    TALLY.add(f"{name} of a swap")


@pytest.mark.parametrize("action", ["eio", "enospc", "stop"])
def test_a_restore_that_fails_or_is_stopped_takes_back_what_it_did(stage, action):
    before = stage.databases()
    for name in ("restore.file.create", "restore.control", "swap.roles", "swap.comment", "swap.restore", "swap.check",
                 "swap.rename"):
        done = stage.restore(env=crash.armed(1, action, name), expect=crash.OUTCOMES[action])
        if done.code != 0:
            assert stage.which() == "old"
            assert stage.databases() == before
        else:
            # The wish to stop came when the short step could no longer be stopped.
            assert (action, name, stage.which()) == ("stop", "swap.rename", "new")
            stage.change()
        stage.check_private_server_is_gone()
        assert list(stage.product.temporary.iterdir()) == []
        TALLY.add(f"{name} of a swap")


def test_the_campaign_was_large_enough(stage):
    TALLY.check()
