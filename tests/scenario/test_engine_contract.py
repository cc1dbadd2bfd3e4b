"""Why this exists: whatever is backed up, an operator may rely on the same promises. One list of them, kept by files
and by every kind of database in every way that it can be backed up."""

import tarfile
from urllib.parse import quote

import pytest
from lib.crash import objects_of
from lib.engines import Files, MongoDb, Postgres
from lib.folder_state import folder_state, names_below
from lib.mongodb import KINDS, MongoServer
from lib.product import Product
from lib.stored_backup import StoredBackup, only_backup

DAMAGED, REFUSED, STOPPED = 4, 5, 143
PLAIN = {"ENCRYPTION_ENABLED": "false", "COMPRESSION_ENABLED": "false"}
NOT_OF_AN_ENGINE = {"manifest-inner.json"}
METHODS = ("physical", "logical")
WAYS = ("files", *METHODS, *KINDS)


@pytest.fixture(scope="module", params=WAYS)
def engine(request, module_tmp):
    """Each engine and way with its source filled; what the tests do to it, they take back or do again."""
    way = request.param
    if way == "files":
        yield Files(module_tmp / "files")
    elif way in METHODS:
        yield Postgres(request.getfixturevalue("pg15"), way)
    else:
        with MongoServer.create(way, module_tmp / f"mongo-{way}") as server:
            yield MongoDb(server)


class Stored:
    """A backup, and what was in it."""

    def __init__(self, engine, folder):
        self.product = Product(folder)
        self.expected = engine.source()
        name = engine.back_up(self.product, "--json").json()["name"]
        self.backup = StoredBackup(self.product.repository, name)


@pytest.fixture(scope="module")
def stored(engine, module_tmp):
    return Stored(engine, module_tmp / f"stored-{engine.way}")


@pytest.fixture
def changed(engine, stored):
    """The target holds other data than the backup; nothing that is put aside outlives the test."""
    engine.change()
    assert engine.restored() != stored.expected
    yield engine.target()
    engine.forget_kept()


def assert_nothing_changed(engine, before):
    assert engine.target() == before
    engine.check_nothing_stays()


# -- backup ----------------------------------------------------------------------------------------------


def test_a_backup_leaves_the_source_as_it_was_and_nothing_beside(engine, product):
    before, newest = (engine.source(), engine.target()), engine.newest_change()
    name = engine.back_up(product, "--json").json()["name"]
    assert (engine.source(), engine.target()) == before
    assert engine.newest_change() == newest
    engine.check_nothing_stays()
    assert names_below(product.temporary) == []
    assert product.objects() == objects_of([name])


def test_a_backup_is_listed_and_verified(engine, stored):
    (listed,) = stored.product.run("list", "--json").json()["backups"]
    assert (listed["state"], listed["incomplete"], listed["inconsistent"]) == ("ok", [], False)
    assert set(listed["engines"]) == engine.engines
    assert stored.backup.name in stored.product.run("list").out
    assert "good, to the last byte" in stored.product.run("verify", stored.backup.name).out
    verified = stored.product.run("verify", stored.backup.name, "--json").json()
    assert (verified["code"], verified["name"], verified["authenticated"]) == ("ok", stored.backup.name, True)
    assert verified["entries"] == listed["entries"] > 0


def test_the_contents_are_listed_and_every_entry_lies_below_its_component(engine, stored, product):
    contents = stored.product.run("list", "--contents", stored.backup.name, "--json").json()["contents"]
    assert {(line["kind"], line["name"]) for line in contents} == engine.contents()
    text = stored.product.run("list", "--contents", stored.backup.name).out
    assert [line["name"] for line in contents if line["name"] not in text] == []
    engine.back_up(product, env=PLAIN)
    with tarfile.open(only_backup(product).body) as archive:
        names = archive.getnames()
    assert [name for name in names if ".." in name.split("/") or name.startswith("/")] == []
    assert [name for name in names if name not in NOT_OF_AN_ENGINE and not f"{name}/".startswith(engine.entries)] == []


def test_a_backup_stopped_in_the_middle_publishes_nothing_and_the_next_one_works(engine, product):
    before = engine.target()
    done = engine.stopped_backup(product)
    assert (done.code, done.json()["code"]) == (STOPPED, "interrupted")
    assert [name for name in product.objects() if name != "RESTORE.txt"] == []
    assert names_below(product.temporary) == []
    assert_nothing_changed(engine, before)
    name = engine.back_up(product, "--json").json()["name"]
    product.run("verify", name)
    assert product.objects() == objects_of([name])


def test_a_source_that_is_not_there_gives_its_exit_code_and_its_name(engine, product):
    settings, code, text = engine.without_source()
    assert text in engine.back_up(product, env=settings, expect=code).err
    assert names_below(product.temporary) == []
    if code != 3:
        assert product.objects("*.manifest.json") == product.objects("*.enc") == []


def test_no_password_shows_anywhere(engine, product, stored):
    """What is printed and logged is searched after each run; here, too, all that is stored, with nothing to hide it."""
    product.keep_secret(*engine.passwords)
    engine.back_up(product, "--verbose", env=PLAIN)
    for words in (("check", "--verbose"), ("config", "show"), ("backup", "--dry-run", "--verbose"), ("list", "--json")):
        product.run(*words, env=engine.backup_settings(), expect=None)
    engine.restore(product, "--force", "--dry-run", "--verbose", env=PLAIN)
    assert (product.logs / "backup.log").exists()
    for repository, forms in ((product.repository, (".tar", ".json", ".index", ".txt")), (stored.product.repository, (".json",))):
        for path in (path for path in repository.iterdir() if path.suffix in forms):
            held = path.read_bytes()
            for secret in (*engine.passwords, *(quote(one, safe="") for one in engine.passwords), product.key):
                assert secret.encode() not in held, (path.name, secret)


# -- restore ---------------------------------------------------------------------------------------------


def test_what_was_lost_comes_back_without_force(engine, stored):
    engine.lose()
    engine.restore(stored.product, name=stored.backup.name)
    assert engine.restored() == stored.expected
    assert engine.kept() == []
    assert names_below(stored.product.temporary) == []
    engine.check_nothing_stays()


def test_a_dry_run_says_what_it_would_do_and_changes_nothing(engine, stored, changed):
    newest = engine.newest_change()
    said = engine.restore(stored.product, "--force", "--dry-run", name=stored.backup.name).out
    assert said.startswith(f"dry run: {stored.backup.name} ") and "would replace " in said
    assert said.endswith("nothing was written\n")
    plan = engine.restore(stored.product, "--force", "--dry-run", "--json", name=stored.backup.name).json()
    assert plan["dry_run"] and plan["plan"] and len(plan["replaces"]) >= 1
    assert [line for line in [*plan["plan"], *plan["replaces"]] if line not in said] == []
    assert plan["stored_bytes"] == stored.backup.body.stat().st_size
    assert_nothing_changed(engine, changed)
    assert engine.newest_change() == newest
    assert names_below(stored.product.temporary) == []


@pytest.mark.parametrize("more", [(), ("--dry-run",)])
def test_a_target_that_holds_data_is_refused(engine, stored, changed, more):
    newest = engine.newest_change()
    refused = engine.restore(stored.product, *more, name=stored.backup.name, expect=REFUSED)
    assert "hint: " in refused.err and "--force" in refused.err
    assert_nothing_changed(engine, changed)
    assert engine.newest_change() == newest


def test_with_force_it_is_as_it_was_at_the_backup_and_a_second_time_the_same(engine, stored, changed):
    done = engine.restore(stored.product, "--force", name=stored.backup.name)
    assert engine.restored() == stored.expected
    kept = engine.kept()
    assert kept and [name for name in kept if name not in done.out] == []
    engine.restore(stored.product, "--force", name=stored.backup.name)
    assert engine.restored() == stored.expected
    assert set(kept) < set(engine.kept())
    assert names_below(stored.product.temporary) == []
    engine.check_nothing_stays()


def test_with_drop_old_nothing_is_kept(engine, stored, changed):
    engine.restore(stored.product, "--force", "--drop-old", name=stored.backup.name)
    assert engine.restored() == stored.expected
    assert engine.kept() == []


def test_a_restore_stopped_in_the_middle_leaves_the_old_data(engine, stored, changed):
    stop = {"ASB_FAIL_POINT": f"{engine.middle_step}:1:stop"}
    done = engine.restore(stored.product, "--force", "--json", name=stored.backup.name, env=stop, expect=STOPPED)
    assert done.json()["code"] == "interrupted"
    assert_nothing_changed(engine, changed)
    assert names_below(stored.product.temporary) == []
    engine.restore(stored.product, "--force", name=stored.backup.name)
    assert engine.restored() == stored.expected


def test_damage_is_refused_and_the_target_stays(engine, stored, changed):
    with stored.backup.flipped(stored.backup.body, stored.backup.body.stat().st_size // 2):
        stored.product.run("verify", stored.backup.name, expect=DAMAGED)
        engine.restore(stored.product, "--force", name=stored.backup.name, expect=DAMAGED)
    assert_nothing_changed(engine, changed)
    assert names_below(stored.product.temporary) == []


def test_a_target_that_cannot_be_reached_gives_its_exit_code_and_its_name(engine, stored):
    settings, words, code, text = engine.without_target()
    done = stored.product.run("restore", "-f", stored.backup.name, "--force", *words, env=settings, expect=code)
    assert text in done.err and "hint: " in done.err
    assert names_below(stored.product.temporary) == []


# -- piece by piece --------------------------------------------------------------------------------------


def test_what_was_prepared_is_published_later_and_until_then_nothing_changes(engine, stored, changed, tmp):
    staging = tmp / "staging"
    done = engine.restore(stored.product, "--force", "--drop-old", "--staging", staging, "--json", name=stored.backup.name).json()
    assert done["prepared"] and done["stored_bytes_read"] == stored.backup.body.stat().st_size
    assert_nothing_changed(engine, changed)
    assert [path for path in staging.rglob("*") for one in engine.passwords
            if path.is_file() and one.encode() in path.read_bytes()] == []
    without_repository = {"BACKUP_DIR": tmp / "nowhere", "BACKUP_ENCRYPTION_KEY": None}
    resume = ("restore", "--resume", "--staging", staging)
    stored.product.run(*resume, env={**engine.restore_settings(), **without_repository})
    assert engine.restored() == stored.expected
    assert engine.kept() == [] and not staging.exists()
    assert names_below(stored.product.temporary) == []


def test_damage_is_found_when_it_is_prepared_and_leaves_nothing(engine, stored, changed, tmp):
    with stored.backup.flipped(stored.backup.body, stored.backup.body.stat().st_size // 2):
        engine.restore(stored.product, "--force", "--staging", tmp / "staging", name=stored.backup.name, expect=DAMAGED)
    assert_nothing_changed(engine, changed)
    assert names_below(tmp / "staging") == []


def test_each_component_comes_back_alone(engine, product, tmp):
    """Of a backup that holds files beside: each without the other."""
    component, setting = engine.beside
    etc, place = tmp / "etc", tmp / "files"
    etc.mkdir()
    (etc / "app.pem").write_text("not a key\n")
    engine.change()
    expected = engine.source()
    engine.back_up(product, env={setting: etc})
    engine.change()
    before = engine.target()
    product.run("restore", "-f", "latest", "--components", component, "--files-dir", place, env=engine.restore_settings())
    assert folder_state(place / component / str(etc).lstrip("/")) == folder_state(etc)
    assert [path.name for path in place.iterdir()] == [component]
    assert_nothing_changed(engine, before)
    engine.restore(product, "--force", "--drop-old")
    assert engine.restored() == expected
    assert [path.name for path in place.iterdir()] == [component]
