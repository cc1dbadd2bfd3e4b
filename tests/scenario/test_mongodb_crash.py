"""Why this exists: a restore into MongoDB that dies at any step leaves the old or the new data, whole and under
the right names; and the next restore finishes or removes what it left."""

import pytest
from lib import crash
from lib.mongodb import KINDS, MongoServer
from lib.mongodb_data import insert
from lib.mongodb_fingerprint import differences
from lib.product import Product

TALLY = crash.Tally("restores into MongoDB", 16)
POINTS = 14  # on each server
HIDDEN = ("__restore_", "__before_", "asb_restore_journal")


@pytest.fixture(scope="module", params=KINDS)
def stage(request, module_tmp):
    with MongoServer.create(request.param, module_tmp / f"server-{request.param}") as server:
        yield Stage(server, module_tmp / f"product-{request.param}")


class Stage:
    """A server whose database `auth` has changed since its backup."""

    def __init__(self, server, folder):
        self.server = server
        self.product = Product(folder, database_url=server.url(db="auth"))
        database = server.database()
        insert(database.users, ({"_id": n, "email": f"u{n}@example.org"} for n in range(200)))
        database.users.create_index("email", unique=True)
        insert(database.sessions, ({"_id": n} for n in range(50)))
        database.create_collection("living", viewOn="users", pipeline=[{"$match": {"_id": {"$gt": 5}}}])
        self.new = self.visible()
        self.product.run("backup")
        self.product.database_url = server.restore_url(db="auth")
        self.change()

    def change(self):
        """Makes the data another than the backed-up."""
        database = self.server.database()
        database.users.delete_many({"_id": {"$mod": [2, 0]}})
        database.living.drop()
        database.create_collection("living", viewOn="users", pipeline=[])
        database.added.drop()
        database.added.insert_one({"_id": 1})
        self.old = self.visible()

    def visible(self):
        """What users of the database see under the names that they know."""
        found = self.server.fingerprint("auth").get("auth", {})
        return {name: what for name, what in found.items() if not any(mark in name for mark in HIDDEN)}

    def all_names(self):
        return [name for name in self.server.database().list_collection_names() if not name.startswith("system.")]

    def restore(self, env=None, expect=0):
        return self.product.run("restore", "-f", "latest", "--force", "--drop-old", env=env, expect=expect)

    def steps(self):
        steps = crash.steps_of(self.product, "restore", "-f", "latest", "--force", "--drop-old")
        assert differences(self.new, self.visible()) == []
        self.change()
        return steps


def collection_by_collection(stage):
    """Each name shows its old or its new content, or, in the one moment between two renames, none."""
    for name, found in stage.visible().items():
        assert found in (stage.old.get(name), stage.new.get(name)), name


def test_killed_at_any_step_nothing_is_lost_and_the_next_run_tidies_up(stage):
    steps = stage.steps()
    for number in crash.chosen(steps, POINTS):
        kind = steps[number - 1]
        among_its_kind = steps[:number].count(kind)
        stage.restore(env=crash.armed(among_its_kind, "kill", kind), expect=crash.KILLED)
        collection_by_collection(stage)
        stage.restore()
        assert differences(stage.new, stage.visible()) == [], kind
        assert {*stage.all_names()} == {*stage.new}, kind
        TALLY.add(kind)
        stage.change()


def test_stopped_at_any_step_the_old_or_the_new_data_is_whole_at_once(stage):
    steps = stage.steps()
    for number in crash.chosen(steps, POINTS // 2):
        kind = steps[number - 1]
        done = stage.restore(env=crash.armed(steps[:number].count(kind), "stop", kind), expect=(crash.STOPPED, 0))
        expected = stage.new if done.code == 0 else stage.old
        assert differences(expected, stage.visible()) == [], (kind, done)
        assert {*stage.all_names()} == {*expected}, kind
        TALLY.add(kind)
        if done.code == 0:
            stage.change()


def test_enough_points_were_hit():
    TALLY.check()
