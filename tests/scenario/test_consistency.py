"""Why this exists: a backup of a busy server must be the state of one moment: everything that was
committed up to the position that the manifest names, and nothing of what came after."""

import contextlib
import threading
import time

import pytest
from lib.postgres import BACKUP_PASSWORD, BACKUP_ROLE, PostgresServer
from lib.product import Product

# Large enough for the copy to take a while in which the writer commits; not compressed by the server.
FILLER = """
CREATE TABLE filler (content text);
ALTER TABLE filler ALTER COLUMN content SET STORAGE EXTERNAL;
INSERT INTO filler SELECT repeat(md5(n::text), 200) FROM generate_series(1, 8000) n;
"""
JOURNAL = """
CREATE TABLE journal (id bigint PRIMARY KEY, amount bigint NOT NULL, padding text NOT NULL);
CREATE TABLE account (id integer PRIMARY KEY, balance bigint NOT NULL, entries bigint NOT NULL);
INSERT INTO account VALUES (1, 0, 0);
"""
COMMITS_BEFORE_MIN = 200
COMMITS_AFTER_MIN = 100
SECONDS_MAX = 60


def position(text):
    """A WAL position as a number: "0/2000100"."""
    high, low = text.split("/")
    return (int(high, 16) << 32) + int(low, 16)


class Writer:
    """Commits numbered transactions, one after another, until it is stopped. `commits[n]` holds the WAL
    positions between which the commit of transaction n + 1 lies; its `tables`, those made by number."""

    def __init__(self, server):
        self.server = server
        self.commits = []
        self.tables = {}
        self.error = None
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._stop.set()
        self._thread.join()
        if self.error:
            raise self.error

    def wait_for_more(self, count):
        """Returns once `count` further transactions are committed."""
        wanted, deadline = len(self.commits) + count, time.monotonic() + SECONDS_MAX
        while len(self.commits) < wanted:
            assert self._thread.is_alive() and time.monotonic() < deadline, f"the writer stopped: {self.error}"
            time.sleep(0.01)

    def _run(self):
        try:
            with contextlib.closing(self.server.connect("busy")) as connection:
                while not self._stop.is_set():
                    self._commit_one(connection, len(self.commits) + 1)
        except Exception as error:  # told to the thread that waits
            self.error = error

    def _commit_one(self, connection, number):
        with connection.transaction():
            connection.execute("INSERT INTO journal VALUES (%s, %s, %s)", (number, number * 3, "x" * (number % 700)))
            connection.execute(
                "UPDATE account SET balance = balance + %s, entries = entries + 1 WHERE id = 1", (number * 3,)
            )
            if number % 25 == 0:
                self._change_schema(connection, number)
            before = self._insert_position(connection)
        self.commits.append((before, self._insert_position(connection)))

    def _change_schema(self, connection, number):
        connection.execute(f"CREATE TABLE made_{number} AS SELECT n FROM generate_series(1, {number}) n")
        connection.execute(f"CREATE INDEX made_{number}_n ON made_{number} (n)")
        if number % 100 == 0:
            connection.execute(f"DROP TABLE made_{number - 50}")
        self.tables[number] = number - 50 if number % 100 == 0 else None

    @staticmethod
    def _insert_position(connection):
        return position(connection.execute("SELECT pg_current_wal_insert_lsn()::text").fetchone()[0])


class Scenario:
    """A backup taken while the writer wrote, and the server that was started over what came back."""

    def __init__(self, writer, committed_before, facts, restored):
        self.writer, self.committed_before, self.restored = writer, committed_before, restored
        self.start, self.end = position(facts["start_lsn"]), position(facts["end_lsn"])
        self.count = restored.value("SELECT count(*) FROM journal", "busy")


@pytest.fixture(scope="module", params=["primary", "again after a restart"])
def scenario(request, busy_server, major, module_tmp):
    if request.param != "primary":
        busy_server.restart("immediate")
    busy_server.sql("DROP DATABASE IF EXISTS busy")
    busy_server.sql("CREATE DATABASE busy")
    busy_server.sql(JOURNAL, "busy")
    folder = module_tmp / f"{major}-{request.param}".replace(" ", "-")
    product = Product(folder, database_url=busy_server.url(BACKUP_ROLE, BACKUP_PASSWORD))
    with Writer(busy_server) as writer:
        writer.wait_for_more(COMMITS_BEFORE_MIN)
        committed_before = len(writer.commits)
        facts = product.run("backup", "--json").json()["engines"]["postgresql"]
        writer.wait_for_more(COMMITS_AFTER_MIN)
    product.run("restore", "--backup-file", "latest", "--target-dir", folder / "restored")
    folder.chmod(0o755)
    with PostgresServer.on(major, folder / "restored", folder / "second") as restored:
        yield Scenario(writer, committed_before, facts, restored)


@pytest.fixture(scope="module")
def busy_server(major, module_tmp):
    # pytest may come back to a version.
    with PostgresServer.create(major, module_tmp / f"busy-{len(list(module_tmp.iterdir()))}", autovacuum_naptime="1s") as server:
        server.create_minimal_role()
        server.sql(FILLER)
        yield server


def test_the_writer_committed_before_during_and_after_the_backup(scenario):
    during = [before for before, after in scenario.writer.commits if scenario.start < before and after < scenario.end]
    assert len(during) >= 20
    assert scenario.committed_before >= COMMITS_BEFORE_MIN
    assert len(scenario.writer.commits) >= scenario.count + COMMITS_AFTER_MIN


def test_what_came_back_is_a_prefix_without_holes(scenario):
    smallest, largest, total = scenario.restored.sql("SELECT min(id), max(id), sum(amount) FROM journal", "busy")[0]
    assert (smallest, largest) == (1, scenario.count)
    assert total == sum(3 * number for number in range(1, scenario.count + 1))
    assert scenario.restored.sql("SELECT balance, entries FROM account", "busy") == [(total, scenario.count)]


def test_everything_committed_before_the_backup_began_is_there(scenario):
    assert scenario.count >= scenario.committed_before


def test_exactly_the_commits_up_to_the_manifests_position_are_there(scenario):
    certainly_in = sum(after <= scenario.end for _, after in scenario.writer.commits)
    possibly_in = sum(before < scenario.end for before, _ in scenario.writer.commits)
    assert possibly_in - certainly_in <= 1  # the one whose commit straddles the position
    assert certainly_in <= scenario.count <= possibly_in


def test_tables_and_indexes_made_meanwhile_belong_to_the_same_moment(scenario):
    expected = set()
    for number, dropped in scenario.writer.tables.items():
        if number <= scenario.count:
            expected.add(f"made_{number}")
            expected.discard(f"made_{dropped}")
    found = scenario.restored.sql("SELECT tablename FROM pg_tables WHERE tablename LIKE 'made%'", "busy")
    assert {name for (name,) in found} == expected
    newest = max(int(name.split("_")[1]) for name in expected)
    assert newest == scenario.count // 25 * 25
    plan = "SET enable_seqscan = off; EXPLAIN (COSTS off) SELECT n FROM made_{0} WHERE n = {0}".format(newest)
    assert f"made_{newest}_n" in str(scenario.restored.sql(plan, "busy"))
    query = f"SET enable_seqscan = off; SELECT n FROM made_{newest} WHERE n = {newest}"
    assert scenario.restored.sql(query, "busy") == [(newest,)]


def test_every_index_agrees_with_its_table(scenario):
    scenario.restored.sql("CREATE EXTENSION IF NOT EXISTS amcheck", "busy")
    checked = scenario.restored.sql(
        """SELECT count(bt_index_check(c.oid, heapallindexed => true))
           FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_am a ON a.oid = c.relam
           WHERE a.amname = 'btree' AND c.relpersistence = 'p' AND i.indisvalid""", "busy"
    )
    assert checked[0][0] > 50
