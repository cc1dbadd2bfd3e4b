"""Why this exists: an incremental backup may die at any step, and so may the server below it. The next one goes on to
the byte, nothing is missing, and nothing of the dead run stays."""

import json
import random
import time

import pytest
from lib import crash
from lib.log_writer import LogWriter, assert_is
from lib.postgres import BACKUP_PASSWORD, BACKUP_ROLE, PostgresServer
from lib.product import Product
from lib.recovered import back_up, recovered, windows

SEED = 20240115
DATABASE = 6
SERVER_KILLS = max(2, 6 // crash.SAMPLE)
TALLY = crash.Tally("incremental backups and the fulls that close the log", 45)


@pytest.fixture(scope="module")
def stage(module_tmp):
    settings = {"wal_keep_size": "2GB", "max_prepared_transactions": 20}
    with PostgresServer.create(15, module_tmp / "pg15", **settings) as server:
        server.create_minimal_role()
        yield Stage(module_tmp, server)


class Stage:
    """A server that is written to, and a chain of backups of it."""

    def __init__(self, folder, server):
        self.folder, self.server = folder, server
        self.product = Product(folder / "product", database_url=server.url(BACKUP_ROLE, BACKUP_PASSWORD))
        self.writer = LogWriter(server)
        back_up(self.product, "full")
        self.writer.rows()
        back_up(self.product)

    def slots(self):
        return [name for (name,) in self.server.sql("SELECT slot_name FROM pg_replication_slots")]

    def goes_on(self):
        """The next incremental backup begins where the last backup ends, and nothing is left over."""
        known = crash.listed(self.product)
        self.writer.rows()
        said = back_up(self.product)
        assert said.get("promoted_because") is None and said["parent"] == known[-1]
        parent, child = (self.ranges(name) for name in (known[-1], said["name"]))
        assert child[0]["start"] == parent[-1]["end"]
        crash.verify(self.product, [said["name"]])
        crash.check_nothing_stays(self.product, [*known, said["name"]])
        crash.wait_until(lambda: len(self.slots()) == 1, "no slot but the log's is left")
        crash.wait_until(lambda: self.server.value("SELECT count(*) FROM pg_stat_replication") == 0, "no walsender is left")

    def ranges(self, name):
        return json.loads((self.product.repository / f"{name}.manifest.json").read_text())["log"]["ranges"]

    def check_restores(self):
        """All that was ever committed, in one window without a hole."""
        assert len(windows(self.product)) == 1
        with recovered(self.product, self.folder / "restored", "--target-time", "latest") as restored:
            assert_is(restored, self.writer.commits[-1])

    def killed(self, kind, number, action="kill"):
        """A run that meets its end at that step; at most one backup more, which is whole."""
        known = crash.listed(self.product)
        self.writer.rows()
        done = self.product.run("backup", "--type", kind, env=crash.armed(number, action), expect=crash.OUTCOMES[action])
        new = [name for name in crash.listed(self.product) if name not in known]
        assert len(new) <= 1
        crash.verify(self.product, new)
        return done


@pytest.mark.parametrize("action", ["kill", "stop"])
@pytest.mark.parametrize("kind", ["incremental", "full"])
def test_ended_at_any_step_the_next_one_goes_on_to_the_byte(stage, kind, action):
    stage.writer.rows()
    steps = crash.steps_of(stage.product, "backup", "--type", kind)
    assert "postgres.move_slot" in steps
    # Who is asked to stop meets the same few questions everywhere.
    for number in crash.chosen(steps, 1 if action == "stop" else None):
        stage.killed(kind, number, action)
        stage.goes_on()
        TALLY.add(f"{steps[number - 1]} of {kind}")
    stage.check_restores()


def test_killed_when_it_makes_its_slot(stage):
    (slot,) = stage.slots()
    stage.server.sql(f"SELECT pg_drop_replication_slot('{slot}')")
    stage.killed("incremental", 1)  # of all steps
    stage.product.run("backup", "--type", "incremental", env=crash.armed(1, "kill", "postgres.create_slot"), expect=crash.KILLED)
    assert stage.slots() == []
    TALLY.add("postgres.create_slot of incremental")
    stage.goes_on()
    assert stage.slots() == [slot]


def test_killed_when_it_drops_a_slot_that_keeps_nothing(stage):
    (slot,) = stage.slots()
    stage.server.sql(f"SELECT pg_drop_replication_slot('{slot}'); SELECT pg_create_physical_replication_slot('{slot}')")
    stage.product.run("backup", "--type", "incremental", env=crash.armed(1, "kill", "postgres.drop_slot"), expect=crash.KILLED)
    TALLY.add("postgres.drop_slot of incremental")
    stage.goes_on()
    assert stage.slots() == [slot]


@pytest.mark.parametrize("both", [False, True], ids=["the server", "both"])
def test_a_server_that_dies_below_it_goes_on_as_well(stage, both):
    moments = random.Random(SEED)
    for _ in range(SERVER_KILLS):
        for _ in range(4):
            stage.writer.rows(4000, filler_bytes=3200)
        running = stage.product.popen("backup", "--type", "incremental")
        time.sleep(moments.uniform(0, 0.4))
        stage.writer.close()
        stage.server.stop("immediate")
        if both:
            running.kill()
        done = running.wait(expect=(0, DATABASE, crash.KILLED), timeout=60)
        assert both or done.code != crash.KILLED
        stage.server.start()
        stage.writer.connect()
        stage.goes_on()
        TALLY.add("the server")
    stage.check_restores()


def test_the_campaign_was_large_enough():
    TALLY.check()
