"""Why this exists: a stream of an oplog dies at each of its steps and at any moment, and so do its server and both. After
each of them all that was kept is there without a gap and is the server's own, and the next stream needs no help."""

import random

import pytest
from lib import crash
from lib.crash_lane import LANES, MERGE_STEPS, OBJECT_STEPS, Lane, Stage, sampled, times
from lib.kept_log import SteadyInserter, newest_point, oplog_of, optime_of
from lib.mongodb import MongoServer
from lib.mongodb_fingerprint import differences
from lib.mongodb_oplog import replay
from lib.streaming import wait_for

SEED = 20240115
TALLY = crash.Tally("streams of MongoDB", 60)


@pytest.fixture(scope="module")
def mongo_stage(module_tmp):
    # Or kill -9 would take back what was acknowledged: a gap, which is another test's.
    options = {"sync-on-commit": None}
    with MongoServer.create("rs", module_tmp / "rs", options=options) as server, SteadyInserter(server) as writer:
        wait_for(lambda: writer.acknowledged, "written")
        lanes = [
            Lane(server.url(), module_tmp / f"mongo-lane-{n}", oplog_of(server), lambda: newest_point(server))
            for n in range(LANES)
        ]
        yield Stage(server, writer, lanes, TALLY)


def test_the_oplog_is_kept_through_the_death_of_the_stream(mongo_stage):
    moments = random.Random(SEED)
    points = [(name, number, "kill") for name in OBJECT_STEPS for number in (1, 2)]
    points += [(name, number, "kill") for name in MERGE_STEPS for number in (1, 2)]
    points += [(name, 1, action) for name in OBJECT_STEPS + MERGE_STEPS for action in ("stop", "eio")]
    mongo_stage.deal(sampled(points), Lane.meets)
    points = [("at random", moments.uniform(0, 1.2)) for _ in range(times(15))]
    mongo_stage.deal(points, lambda lane, _, seconds: lane.dies_at(seconds))
    mongo_stage.each(Lane.is_whole)


def test_the_oplog_is_kept_through_the_death_of_the_server(mongo_stage, module_tmp):
    moments = random.Random(SEED)
    mongo_stage.server_dies(MongoServer.kill, moments, times(2))
    mongo_stage.both_die(MongoServer.kill, moments, times(4))
    acknowledged = set(mongo_stage.writer.acknowledged)
    mongo_stage.each(Lane.is_whole)
    lane = mongo_stage.lanes[0]
    expected = replay(mongo_stage.server.client(), optime_of(lane.kept.end[1]))
    with MongoServer.create("rs", module_tmp / "restored") as restored:
        lane.product.database_url = restored.restore_url(db="steady")
        lane.product.run("restore", "-f", "latest", "--force")
        found = restored.fingerprint("steady")["steady"]
        assert differences(expected.documents("steady")["numbers"], found["numbers"]["documents"]) == []
        numbers = {document["_id"] for document in restored.client().steady.numbers.find({}, {"_id": 1})}
    assert acknowledged <= numbers


def test_the_campaign_was_large_enough():
    TALLY.check()
