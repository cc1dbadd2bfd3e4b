"""Why this exists: an incremental backup that does not go on from where the repository ends is worse than none. Each way
in which a server can stop going on is provoked; the answer is a full backup with the reason, or exit 3, and never a
chain that is shown as restorable and is not."""

import shutil

import pytest
from lib.log_writer import LogWriter
from lib.postgres import PostgresServer, hand_over
from lib.product import Product
from lib.recovered import back_up, names, recovered, remove, wait_until_promoted, windows

INCOMPLETE = 3
KEEPING = {"wal_keep_size": "1GB", "max_prepared_transactions": 20}
# What no slot keeps goes with the next checkpoint.
FORGETFUL = {**KEEPING, "wal_keep_size": "0", "max_wal_size": "32MB", "min_wal_size": "32MB"}


@pytest.fixture(scope="module")
def template(module_tmp):
    """A stopped server with a full backup and an incremental one: (data, product, writer)."""
    return Template(module_tmp)


class Template:
    def __init__(self, folder):
        self.folder = folder
        with PostgresServer.create(15, folder / "pg", **KEEPING) as server:
            server.create_minimal_role()
            self.product = Product(folder / "product", database_url=server.url())
            self.writer = LogWriter(server)
            back_up(self.product, "full")
            self.writer.mixture()
            back_up(self.product)
            self.writer.mixture()
            self.writer.close()
            server.stop()
        self.data = server.data


class Story:
    """A server and a repository of its own that go on from the template's."""

    def __init__(self, template, folder, **settings):
        self.folder = folder
        shutil.copytree(template.data, folder / "pg" / "data", symlinks=True)
        (folder / "pg").chmod(0o755)
        self.server = PostgresServer.on(15, folder / "pg" / "data", folder / "pg", **{**KEEPING, **settings})
        self.product = Product(folder / "product", database_url=self.server.url())
        self.product.key = template.product.key
        shutil.copytree(template.product.repository, self.product.repository)
        self.writer = template.writer
        self.before = names(self.product)
        self.servers = [self.server]

    def on(self, server):
        """From now on this server is the one that is backed up."""
        self.server = server
        self.servers.append(server)
        self.product.database_url = server.url()

    def end(self):
        for server in self.servers:
            server.stop("immediate")

    def write(self, server=None):
        """A row that is committed there; returns its number."""
        return (server or self.server).value(
            "INSERT INTO numbered SELECT coalesce(max(n), 0) + 1 FROM numbered RETURNING n", "app")

    def promoted(self, because):
        """With --no-promote nothing is published; else a full backup says why, and restores."""
        refused = self.product.run("backup", "--type", "incremental", "--no-promote", "--json", expect=INCOMPLETE)
        assert because in refused.json()["error"]["fact"], refused
        assert names(self.product) == self.before
        assert leftovers(self.product) == []
        done = self.product.run("backup", "--type", "incremental", "--json")
        said = done.json()
        assert (said["promoted_to"], said["type"]) == ("full", "full") and because in said["promoted_because"]
        for text in (done.err, (self.product.logs / "backup.log").read_text()):
            assert f"a full backup is taken instead of an incremental one: {said['promoted_because']}" in text
        return self.chain_holds()

    def goes_on(self, parent=None):
        said = back_up(self.product)
        assert said.get("promoted_because") is None and said["type"] == "incremental"
        assert parent is None or said["parent"] == parent
        return said

    def chain_holds(self):
        """Incremental backups go on from here, and the newest instant restores to what the server has now."""
        self.write()
        self.goes_on()
        self.check_windows()
        with recovered(self.product, self.folder / "restored", "--target-time", "latest") as restored:
            assert rows(restored) == rows(self.server)

    def check_windows(self):
        """Both ends of every window that is shown resolve to a stop in the log itself."""
        for window in windows(self.product):
            for instant in (window["from"], window["to"]):
                self.product.run("restore", "--target-time", instant, "--dry-run", "--target-dir", self.folder / "dry")


def rows(server):
    return server.sql("SELECT n FROM numbered ORDER BY n", "app")


def leftovers(product):
    return [name for name in product.objects() if ".tmp" in name or "/." in name] + list(product.temporary.iterdir())


@pytest.fixture
def begin(template, tmp):
    """Begins the story of a test, on a server with these settings."""
    begun = []

    def make(**settings):
        begun.append(Story(template, tmp, **settings))
        return begun[-1]

    yield make
    for one in begun:
        one.end()


@pytest.fixture
def story(begin):
    """On a server that keeps its WAL."""
    return begin()


@pytest.fixture
def forgetful(begin):
    """On a server that removes its WAL as soon as it may."""
    return begin(**FORGETFUL)


def our_slot(server):
    ((slot,),) = server.sql("SELECT slot_name FROM pg_replication_slots")
    return slot


def forget_wal(server):
    """Nothing before now is kept, as far as no slot keeps it."""
    for _ in range(6):
        server.sql("INSERT INTO numbered SELECT coalesce(max(n), 0) + 1 FROM numbered; SELECT pg_switch_wal()", "app")
        server.sql("CHECKPOINT")


def test_a_slot_that_somebody_dropped_costs_the_wal(forgetful):
    forgetful.server.sql(f"SELECT pg_drop_replication_slot('{our_slot(forgetful.server)}')")
    forget_wal(forgetful.server)
    forgetful.promoted("the server has already removed the WAL at ")


def test_a_slot_that_somebody_dropped_is_made_again_while_the_wal_is_there(story):
    story.server.sql(f"SELECT pg_drop_replication_slot('{our_slot(story.server)}')")
    story.write()
    story.goes_on(story.before[-1])
    assert our_slot(story.server)
    story.chain_holds()


def test_a_slot_is_lost_when_it_would_keep_too_much(begin):
    story = begin(**FORGETFUL, max_slot_wal_keep_size="32MB")
    forget_wal(story.server)
    assert story.server.value("SELECT wal_status FROM pg_replication_slots") == "lost"
    story.promoted("the server has already removed the WAL at ")
    assert story.server.value("SELECT wal_status FROM pg_replication_slots") == "reserved"


def test_another_server_is_another_log(story):
    other = PostgresServer.create(15, story.folder / "other", **KEEPING)
    LogWriter(other).close()
    story.on(other)
    story.write()
    story.promoted("the backups in the repository are of the system ")


def put_back(story, meanwhile):
    """The server is a copy of before `meanwhile`, which was backed up."""
    story.server.stop()
    shutil.copytree(story.server.data, story.folder / "yesterday", symlinks=True)
    story.server.start()
    meanwhile()
    story.goes_on()
    story.before = names(story.product)
    story.server.stop()
    shutil.rmtree(story.server.data)
    (story.folder / "yesterday").rename(story.server.data)
    hand_over(story.server.data)
    story.server.start()


def check_other_log(story, before):
    """What was, and what the server writes now, are two logs: no plan leads from one into the other. The slot of
    the first holds nothing back any more."""
    old, new = story.product.run("list", "--json").json()["chains"]
    assert old["windows"] == before and len(new["windows"]) == 1
    assert our_slot(story.server).endswith(new["log"])


def test_a_server_that_was_put_back_to_a_copy_and_went_on_writing_is_noticed(story):
    """The same timeline, the same positions, other bytes."""
    put_back(story, meanwhile=story.write)
    before = windows(story.product)
    for _ in range(20):
        story.server.sql("INSERT INTO numbered SELECT max(n) + 100 FROM numbered", "app")
    story.promoted("is not what it was when")
    check_other_log(story, before)


def test_a_server_that_was_put_back_to_a_copy_and_is_behind_is_noticed(forgetful):
    put_back(forgetful, meanwhile=lambda: forget_wal(forgetful.server))
    before = windows(forgetful.product)
    forgetful.promoted("before the last backup's end at")
    check_other_log(forgetful, before)


def test_a_full_backup_of_a_server_that_was_put_back_to_a_copy_begins_another_log(forgetful):
    put_back(forgetful, meanwhile=lambda: forget_wal(forgetful.server))
    before = windows(forgetful.product)
    back_up(forgetful.product, "full")
    forgetful.chain_holds()
    check_other_log(forgetful, before)


def test_a_server_that_was_restored_to_an_earlier_moment_is_noticed(story):
    window, = windows(story.product)
    data = story.folder / "earlier" / "data"
    story.product.run("restore", "--target-time", window["from"], "--target-dir", data)
    story.server.stop()
    story.on(PostgresServer.on(15, data, story.folder / "earlier", **KEEPING))
    wait_until_promoted(story.server)
    story.write()
    story.promoted("the server left timeline 1 at ")


def test_a_standby_that_was_promoted_without_the_last_wal_is_noticed(story):
    standby = story.server.standby(story.folder / "standby", **KEEPING)
    story.server.wait_for_standby(standby)
    standby.stop()
    story.write()
    story.goes_on()
    story.before = names(story.product)
    story.server.stop("immediate")
    standby.start()
    standby.sql("SELECT pg_promote()")
    wait_until_promoted(standby)
    story.on(standby)
    story.write()
    story.promoted("the server left timeline 1 at ")


def test_promotions_are_followed_up_to_the_fifth_timeline(story):
    for timeline in range(2, 6):
        standby = story.server.standby(story.folder / f"standby-{timeline}", **KEEPING)
        story.write()
        story.goes_on()
        number = story.write()
        story.server.wait_for_standby(standby)
        story.server.stop("immediate")
        standby.sql("SELECT pg_promote()")
        wait_until_promoted(standby)
        story.on(standby)
        story.write()
        said = story.goes_on()
        assert said["engines"]["postgresql"]["timeline"] == timeline
        assert number in [n for (n,) in rows(standby)]
    story.chain_holds()
    assert len(windows(story.product)) == 1


def test_a_standby_gives_incrementals_that_go_on_from_the_primarys_full(story):
    with story.server.standby(story.folder / "standby", **KEEPING) as standby:
        story.write()
        primarys = story.goes_on(story.before[-1])["name"]
        story.write()
        story.server.wait_for_standby(standby)
        story.product.database_url = standby.url()
        said = story.goes_on(primarys)
        assert said["engines"]["postgresql"]["from_standby"] is True
        story.write()
        story.product.database_url = story.server.url()
        assert story.goes_on(said["name"])["engines"]["postgresql"]["from_standby"] is False
        story.chain_holds()


def test_a_standby_that_is_behind_is_no_gap(story):
    with story.server.standby(story.folder / "standby", **KEEPING) as standby:
        standby.stop()
        story.write()
        story.goes_on()
        count = len(names(story.product))
        # Without its primary it cannot catch up.
        story.server.stop()
        standby.start()
        story.product.database_url = standby.url()
        behind = story.product.run("backup", "--type", "incremental", expect=6)
        assert "the standby has received WAL up to" in behind.err and "wait until it has caught up" in behind.err
        assert len(names(story.product)) == count


def test_without_its_parent_the_next_one_fills_the_hole_while_the_server_has_the_wal(story):
    full, incremental = story.before
    remove(story.product, incremental)
    story.goes_on(full)
    story.chain_holds()
    assert len(windows(story.product)) == 1


def test_without_its_parent_and_without_the_wal_a_full_one_is_taken(forgetful):
    forgetful.write()
    incremental = forgetful.goes_on()["name"]
    forget_wal(forgetful.server)
    forgetful.goes_on(incremental)
    last = names(forgetful.product)[-1]
    remove(forgetful.product, last)
    forgetful.server.sql("CHECKPOINT")
    forgetful.before = names(forgetful.product)
    forgetful.promoted("the server has already removed the WAL at ")


def test_a_damaged_parent_is_as_good_as_none(story):
    full, incremental = story.before
    (body,) = story.product.repository.glob(f"{incremental}.tar*")
    body.write_bytes(body.read_bytes()[:-1])
    story.goes_on(full)
    story.chain_holds()


def test_without_the_full_backup_a_new_one_begins(story):
    full, incremental = story.before
    remove(story.product, full)
    story.before = [incremental]
    assert windows(story.product) == []
    story.promoted("no backup")


def test_wal_level_minimal_is_refused_with_what_to_set(story):
    story.server.sql(f"SELECT pg_drop_replication_slot('{our_slot(story.server)}')")
    story.server.stop()
    story.server.settings |= {"wal_level": "minimal", "max_wal_senders": 0}
    story.server.start()
    refused = story.product.run("backup", "--type", "incremental", expect=6)
    assert "max_wal_senders" in refused.err and "hint:" in refused.err


def test_wal_that_was_written_at_level_minimal_is_a_gap(story):
    """What was loaded meanwhile is not in the WAL."""
    story.server.sql(f"SELECT pg_drop_replication_slot('{our_slot(story.server)}')")
    story.server.stop()
    story.server.settings |= {"wal_level": "minimal", "max_wal_senders": 0}
    story.server.start()
    story.server.sql("BEGIN; CREATE TABLE loaded AS SELECT generate_series(1, 1000) n; COMMIT", "app")
    story.server.stop()
    story.server.settings |= {"wal_level": "replica", "max_wal_senders": 10}
    story.server.start()
    story.promoted("wal_level")


def test_slots_are_kept_as_the_setting_says(story):
    slot = our_slot(story.server)
    kept = story.server.value("SELECT restart_lsn::text FROM pg_replication_slots")
    story.write()
    story.goes_on()
    assert our_slot(story.server) == slot
    assert story.server.value(f"SELECT restart_lsn > '{kept}' FROM pg_replication_slots")
    story.server.sql(f"SELECT pg_drop_replication_slot('{slot}')")
    story.product.run("backup", "--type", "incremental", env={"POSTGRES_SLOT": "off"})
    assert story.server.value("SELECT count(*) FROM pg_replication_slots") == 0
    story.product.run("backup", "--type", "full", env={"POSTGRES_SLOT": "auto"})
    assert story.server.value("SELECT count(*) FROM pg_replication_slots") == 0
    story.product.run("backup", "--type", "full", env={"POSTGRES_SLOT": "on"})
    assert our_slot(story.server) == slot
    story.chain_holds()


def test_a_full_backup_closes_the_log_so_that_a_window_goes_on_over_it(forgetful):
    for _ in range(2):
        forget_wal(forgetful.server)
        back_up(forgetful.product, "full")
    forgetful.chain_holds()
    (window,) = windows(forgetful.product)
    assert window["base"] == forgetful.before[0]


def test_two_incrementals_at_once_are_both_good(story):
    story.write()
    runs = [story.product.popen("backup", "--type", "incremental") for _ in range(2)]
    for run in runs:
        run.wait()
    story.chain_holds()
    assert len(names(story.product)) == len(story.before) + 3
