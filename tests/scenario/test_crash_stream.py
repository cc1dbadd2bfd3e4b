"""Why this exists: `stream` runs for months, and what it has acknowledged the server forgets. So it dies here at each of
its steps and at any moment, and so do the server and both, hundreds of times. After each of them all that was kept is
there without a gap and is the server's own, no slot is beyond it, and the next stream needs no help."""

import random
import time

import pytest
from lib import crash, streaming
from lib.crash_lane import LANES, MERGE_STEPS, OBJECT_STEPS, Lane, Stage, sampled, times
from lib.kept_log import KeptLog, SteadyWriter, commits_between, kill_all, rows_of, wal_of
from lib.postgres import BACKUP_PASSWORD, BACKUP_ROLE, hand_over
from lib.recovered import let_the_server_read, recovered
from lib.streaming import SLOT_PREFIX, new_server, wait_for

SEED = 20240115
TALLY = crash.Tally("streams of PostgreSQL", 260)


class PostgresLane(Lane):
    def __init__(self, server, folder):
        self.server = server
        super().__init__(server.url(BACKUP_ROLE, BACKUP_PASSWORD), folder, wal_of(server), self.end_of_wal)
        crash.copy_of(self.product.repository, folder / "template")

    def end_of_wal(self):
        ((line, end),) = self.server.sql(
            "SELECT left(pg_walfile_name(pg_current_wal_insert_lsn()), 8), pg_current_wal_flush_lsn()::text"
        )
        return int(line, 16), streaming.number(end)

    def prove(self):
        super().prove()
        crash.wait_until(lambda: not self.slot()[0], "the server has read the last word of the dead")
        self.check_told(self.slot()[1])

    def prove_alive(self):
        """While a stream runs: what is kept only grows."""
        _, told = self.slot()
        super().prove()
        self.check_told(told)

    def check_told(self, told):
        """A new slot begins at the last checkpoint, whatever it is told."""
        assert told <= max(self.kept.end[1], self.checkpoint), "the server was told of more than is kept"

    def slot(self):
        """Whether a stream holds it, and from where on the server keeps its log for it, if that is so."""
        found = self.server.sql(
            "SELECT active, restart_lsn::text FROM pg_replication_slots WHERE slot_name = %s", parameters=(self.slot_name,)
        )
        active, lsn = found[0] if found else (False, None)
        return active, streaming.number(lsn) if lsn else 0

    @property
    def slot_name(self):
        return SLOT_PREFIX + self.kept.log_id

    def drop_slot(self):
        crash.wait_until(lambda: not self.slot()[0], "nobody holds the slot")
        self.server.sql(
            "SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE slot_name = %s",
            parameters=(self.slot_name,),
        )
        self.checkpoint = streaming.number(self.server.value("SELECT redo_lsn::text FROM pg_control_checkpoint()"))

    def begin_again(self):
        """As before the first stream: no record of the log, no slot."""
        self.drop_slot()
        crash.copy_of(self.folder / "template", self.product.repository)
        self.kept = KeptLog(self.product, self.own)

    def without_slot(self, name, action):
        """The slot is gone, or one that keeps nothing is in its place."""
        self.drop_slot()
        if name == "postgres.drop_slot":
            self.server.sql("SELECT pg_create_physical_replication_slot(%s)", parameters=(self.slot_name,))
        self.meets(name, 1, action)

    def backs_up(self, _, number):
        """Between two streams, and dies at that step."""
        self.catch_up_and_stop()
        words = ("backup", "--type", "incremental", "--no-promote")
        self.product.run(*words, env=crash.armed(number, "kill"), expect=(crash.KILLED, 0))
        self.prove()

    def restores(self, begin):
        """Every transaction before the end of what is kept made its row once, and no other did."""
        commits = {}
        for line, start, end in self.kept.lines():
            commits |= commits_between(self.server, max(begin, start) if line > 1 else begin, end, line)
        let_the_server_read(self.product)
        with recovered(self.product, self.folder / "restored", "--target-time", "latest") as restored:
            assert rows_of(restored) == [xid for xid in rows_of(self.server) if xid in commits]


@pytest.fixture(scope="module")
def server(module_tmp):
    with new_server(15, module_tmp / "pg15") as made:
        yield made


@pytest.fixture(scope="module")
def stage(server, module_tmp):
    with SteadyWriter(server) as writer:
        stage = Stage(server, writer, [PostgresLane(server, module_tmp / f"lane-{n}") for n in range(LANES)], TALLY)
        stage.each(PostgresLane.begin_again)
        yield stage


def test_killed_in_its_first_moments_the_next_one_begins_as_if_it_were_the_first(stage):
    def act(lane, _, number, action):
        lane.begin_again()
        lane.meets("*", number, action)

    points = [("first steps", number, "kill") for number in range(1, 17)]
    points += [("first steps", number, "stop") for number in range(1, 17, 4)]
    points += [("first steps", number, "eio") for number in (2, 3, 5, 7, 9, 11)]
    stage.deal(sampled(points), act)
    stage.deal([("log.record", 1, action) for action in ("kill", "eio", "enospc", "stop")],
               lambda lane, name, *how: (lane.begin_again(), lane.meets(name, *how)))
    stage.each(PostgresLane.is_whole)


def test_killed_at_any_step_the_next_one_goes_on(stage):
    points = [(name, number, "kill") for name in OBJECT_STEPS for number in range(1, 7)]
    points += [(name, number, "kill") for name in MERGE_STEPS for number in range(1, 5)]
    points += [(name, 2, "stop") for name in OBJECT_STEPS + MERGE_STEPS]
    stage.deal(sampled(points), Lane.meets)
    stage.each(Lane.is_whole)
    stage.lanes[0].restores(stage.writer.begin)


def test_an_error_at_any_step_is_got_over(stage):
    points = [(name, number, action) for name in OBJECT_STEPS for number, action in ((1, "eio"), (3, "enospc"))]
    points += [(name, 1, action) for name in MERGE_STEPS for action in ("eio", "enospc")]
    stage.deal(sampled(points), Lane.meets)
    stage.each(Lane.is_whole)
    stage.lanes[1].restores(stage.writer.begin)


def test_killed_at_any_moment_the_next_one_goes_on(stage):
    moments = random.Random(SEED)
    points = [("at random", moments.uniform(0, 0.4)) for _ in range(times(56))]
    # Not synchronous, so that what is taken and not yet kept is more.
    points += [("at random", moments.uniform(0, 2), {"STREAM_SYNCHRONOUS": "false"}) for _ in range(times(8))]
    stage.deal(points, lambda lane, _, *how: lane.dies_at(*how))
    stage.each(Lane.is_whole)
    stage.lanes[2].restores(stage.writer.begin)


def test_a_slot_that_is_lost_is_made_anew(stage):
    points = [(f"postgres.{step}_slot", action) for step in ("create", "drop") for action in ("kill", "stop")]
    stage.deal(points, PostgresLane.without_slot)
    stage.each(Lane.is_whole)


def test_an_incremental_backup_dies_between_two_streams(stage):
    lane = stage.lanes[0]
    lane.catch_up_and_stop()
    steps = crash.steps_of(lane.product, "backup", "--type", "incremental", "--no-promote")
    stage.deal([("a backup", number) for number in crash.chosen(steps, 12)], PostgresLane.backs_up)
    stage.each(Lane.is_whole)


KILLS = pytest.mark.parametrize("kill", [kill_all, lambda server: server.stop("immediate")], ids=["kill -9", "immediate"])


@KILLS
def test_the_server_dies_below_it(stage, kill):
    stage.server_dies(kill, random.Random(SEED), times(4))
    stage.each(Lane.is_whole)
    stage.lanes[1].restores(stage.writer.begin)


@KILLS
def test_both_die(stage, kill):
    stage.both_die(kill, random.Random(SEED), times(5))
    stage.each(Lane.is_whole)
    stage.lanes[0].restores(stage.writer.begin)


def test_what_was_committed_synchronously_survives_the_death_of_both(stage):
    server, writer, lane = stage.server, stage.writer, stage.lanes[2]
    moments, seen = random.Random(SEED), []
    stream = lane.stream()
    stream.wait_until_streaming()
    server.sql("ALTER SYSTEM SET synchronous_standby_names = '\"auth-service-backup\"'")
    server.reload()
    for number in range(times(8)):
        wait_for(lambda: server.sql("SELECT sync_state FROM pg_stat_replication") == [("sync",)], "synchronous")
        before = len(writer.acknowledged)
        wait_for(lambda: len(writer.acknowledged) > before + 5, "commits return")
        time.sleep(moments.uniform(0, 0.3))
        for death in (stream.kill, lambda: kill_all(server))[:: (-1) ** number]:
            death()
        acknowledged = set(writer.acknowledged)
        server.start()
        lane.prove()
        seen.append((acknowledged, lane.kept.end[1]))
        TALLY.add("both, synchronous")
        stream = lane.stream()
    server.sql("ALTER SYSTEM RESET synchronous_standby_names")
    server.reload()
    lane.stop(stream)
    lane.is_whole()
    commits = commits_between(server, writer.begin, lane.kept.end[1])
    for acknowledged, end in seen:
        assert [xid for xid in acknowledged if commits[xid] >= end] == []


def change_line(server):
    """The server ends its recovery on a new timeline, as after a promotion."""
    server.stop()
    signal = server.data / "recovery.signal"
    signal.touch()
    hand_over(signal)
    server.settings["restore_command"] = "false"
    server.start()
    wait_for(lambda: not server.value("SELECT pg_is_in_recovery()"), "promoted")


def test_a_new_timeline_is_followed_through_crashes(stage):
    lane = stage.lanes[0]
    for number, action in enumerate(("kill", "stop", "eio"), 2):
        change_line(stage.server)
        for point in (("log.put", 1, "kill"), ("log.history", 1, action), ("log.put", 2, "kill")):
            lane.meets(*point)
            TALLY.add(point[0])
        lane.catch_up_and_stop()
        lane.prove()
        assert lane.kept.end[0] == number
    lane.is_whole()
    lane.restores(stage.writer.begin)


def test_the_campaign_was_large_enough():
    TALLY.check()
