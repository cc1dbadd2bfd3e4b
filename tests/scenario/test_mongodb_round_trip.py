"""Why this exists: what was backed up comes back byte for byte, with every index and option, into an empty
server and beside or instead of what is there, whole or in part, with the least role that can."""

import pytest
from lib.mongodb import BACKUP, BACKUP_PASSWORD, KINDS, RESTORE, WHOLE_DEPLOYMENT, MongoServer
from lib.mongodb_data import APP, APP_PASSWORD
from lib.mongodb_fingerprint import differences
from lib.product import Product
from pymongo.errors import DuplicateKeyError

REFUSED, INCOMPLETE = 5, 3


@pytest.fixture(scope="module")
def stage(mongo, module_tmp):
    """A server with data, its backup, and what was in it."""
    made = Stage(mongo, module_tmp / f"stage-{mongo.kind}")
    made.product.run("backup", expect=WHOLE_DEPLOYMENT)
    return made


class Stage:
    def __init__(self, server, folder):
        self.server, self.folder = server, folder
        self.product = Product(folder / "product", database_url=server.url())
        self.before = server.fingerprint()
        self._made = 0

    def target(self):
        """An empty server of the same kind."""
        self._made += 1
        return MongoServer.create(self.server.kind, self.folder / f"target-{self._made}")

    def restore(self, server, *words, db="auth", expect=(0, INCOMPLETE)):
        """With the restore role. Users with passwords are more than these servers let anybody write."""
        self.product.database_url = server.restore_url(db=db)
        return self.product.run("restore", "-f", "latest", *words, expect=expect)


@pytest.fixture(scope="module")
def restored(stage):
    """Everything, in a server that was empty."""
    with stage.target() as server:
        server.done = stage.restore(server, "--all-databases", db="")
        yield server


def test_every_database_comes_back_byte_for_byte(stage, restored):
    assert differences(stage.before, restored.fingerprint()) == []


def test_nothing_of_the_staging_is_left(stage, restored):
    names = {f"{db}.{name}" for db in restored.databases() for name in restored.database(db).list_collection_names()}
    assert not [name for name in names if "__" in name or "journal" in name]


def test_indexes_do_what_they_did(restored):
    with pytest.raises(DuplicateKeyError, match="email_once"):
        restored.database().users.insert_one({"email": "USER.3@example.ORG"})  # its collation ignores case


def test_the_view_shows_what_it_showed(stage, restored):
    assert restored.database().active_users.count_documents({}) == stage.server.database().active_users.count_documents({})


def test_the_capped_collection_keeps_its_order(stage, restored):
    ids = [[one["_id"] for one in server.database().audit.find()] for server in (stage.server, restored)]
    assert ids[0] == ids[1]


def test_roles_come_back_and_users_come_back_or_are_named(stage, restored):
    roles = restored.database().command("rolesInfo", "session_reader", showPrivileges=True)["roles"]
    assert roles[0]["privileges"] == [{"resource": {"db": "auth", "collection": "sessions"}, "actions": ["find"]}]
    if restored.can_login(APP, APP_PASSWORD):
        assert restored.done.code == 0
    else:
        assert restored.done.code == INCOMPLETE
        assert f"auth.{APP}" in restored.done.out


def test_whoever_restores_and_backs_up_can_still_log_in(stage, restored):
    assert restored.can_login(BACKUP, BACKUP_PASSWORD, db="admin")
    stage.product.database_url = restored.url(db="auth-second")
    stage.product.run("backup", "--dry-run", expect=WHOLE_DEPLOYMENT)


def test_one_database_into_one_of_another_name(stage, tmp):
    product = Product(tmp / "product", database_url=stage.server.url(db="auth-second"))
    product.run("backup")
    with stage.target() as server:
        product.database_url = server.restore_url(db="copy")
        product.run("restore", "-f", "latest")
        assert differences(stage.before["auth-second"], server.fingerprint("copy")["copy"]) == []
        assert server.databases() == ["copy"]


def test_a_target_with_data_is_refused_and_stays_as_it_is(stage):
    with stage.target() as server:
        server.database().users.insert_one({"_id": "mine"})
        before = server.fingerprint()
        done = stage.restore(server, expect=REFUSED)
        assert "--force" in done.err
        assert server.fingerprint() == before


def test_with_force_the_old_data_stays_under_the_printed_name(stage):
    with stage.target() as server:
        server.database().users.insert_one({"_id": "mine"})
        server.database().elsewhere.insert_one({"_id": "also mine"})
        done = stage.restore(server, "--force")
        assert {f"{db}.{name}" for db, found in server.fingerprint().items() for name in found} >= {"auth.users"}
        names = server.database().list_collection_names()
        kept = [name for name in names if name.startswith("users__before")]
        assert len(kept) == 1
        assert kept[0] in done.out
        assert [one["_id"] for one in server.database()[kept[0]].find()] == ["mine"]
        assert differences({}, {n: 1 for n in names if n == "elsewhere"}) == []  # moved aside, too
        found = {n: c for n, c in server.fingerprint("auth")["auth"].items() if "__before" not in n}
        assert differences(stage.before["auth"], found) == []


def test_with_drop_old_nothing_of_it_stays(stage):
    with stage.target() as server:
        server.database().users.insert_one({"_id": "mine"})
        stage.restore(server, "--force", "--drop-old")
        assert differences(stage.before["auth"], server.fingerprint("auth")["auth"]) == []


def test_one_collection_alone(stage):
    with stage.target() as server:
        server.database().things.insert_one({"_id": "mine"})
        stage.restore(server, "--only", "auth.sessions", "--force", expect=0)
        assert {*server.database().list_collection_names()} == {"sessions", "things"}
        found = server.fingerprint("auth")["auth"]
        assert differences(stage.before["auth"]["sessions"], found["sessions"]) == []
        assert [one["_id"] for one in server.database().things.find()] == ["mine"]


def test_a_name_that_is_not_in_the_backup(stage, restored):
    done = stage.restore(restored, "--only", "auth.sesions", "--force", expect=10)
    assert "auth.sesions" in done.err


def test_a_dry_run_says_what_it_would_replace_and_writes_nothing(stage):
    with stage.target() as server:
        server.database().users.insert_one({"_id": "mine"})
        before, optime = server.fingerprint(), server.newest_change()
        out = stage.restore(server, "--force", "--dry-run", expect=0).out
        assert "would replace" in out
        assert "nothing was written" in out
        assert (server.fingerprint(), server.newest_change()) == (before, optime)


@pytest.mark.parametrize("source", KINDS)
def test_from_one_kind_of_server_into_the_other(source, tmp):
    other = {"rs": "py", "py": "rs"}[source]
    product = Product(tmp / "product")
    with MongoServer.create(source, tmp / "source") as one, MongoServer.create(other, tmp / "other") as two:
        for number in range(3):
            one.database()[f"things_{number}"].insert_many([{"_id": n, "x": [n, {"y": n}]} for n in range(500)])
            one.database()[f"things_{number}"].create_index("x.y", sparse=True)
        product.database_url = one.url(db="auth")
        product.run("backup")
        product.database_url = two.restore_url(db="auth")
        product.run("restore", "-f", "latest", expect=(0, INCOMPLETE))
        expected, found = ({n: c["documents"] for n, c in s.fingerprint("auth")["auth"].items()} for s in (one, two))
        assert differences(expected, found) == []
        assert {*two.database().things_0.index_information()} == {"_id_", "x.y_1"}


def test_the_role_that_restores_needs_no_more(stage, restored):
    roles = restored.client().admin.command("usersInfo", RESTORE)["users"][0]["roles"]
    assert {role["role"] for role in roles} == {"restore", "readWriteAnyDatabase", "buckets"}


def test_a_server_without_a_database_is_told_apart_from_one_that_was_saved(stage, tmp):
    """Somebody's new, empty server at the same address: whoever restores its backup must not learn it at the next login."""
    with stage.target() as empty, stage.target() as target:
        product = Product(tmp / "product", database_url=empty.url())
        made = product.run("backup", "--json", expect=WHOLE_DEPLOYMENT).json()
        (warning,) = [line for line in made["warnings"] if "holds no database" in line]
        assert warning.endswith("check that DATABASE_URL names the right server")
        product.database_url = target.restore_url()
        dry = product.run("restore", "-f", "latest", "--all-databases", "--dry-run")
        assert "warning: the full backup holds no database" in dry.out
        for words in (("--backup-file", "latest"), ("--target-time", "latest")):
            done = product.run("restore", *words, "--all-databases", expect=(0, INCOMPLETE))
            assert "warning: the backup holds no database" in done.out and "list shows the other backups" in done.out


def test_what_holds_a_database_is_not_said_to_hold_none(stage, restored):
    assert "holds no database" not in restored.done.out
    made = stage.product.run("backup", "--type", "full", "--json", env={"DATABASE_URL": stage.server.url()}, expect=WHOLE_DEPLOYMENT)
    assert not [line for line in made.json()["warnings"] if "holds no" in line]
