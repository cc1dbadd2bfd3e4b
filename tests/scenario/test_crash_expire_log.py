"""Why this exists: expire may die while it removes streamed log. What the policy keeps must stay reachable at every
instant, a log's key must outlive its objects, and the next run finishes what was begun, until nothing is left of it."""

import dataclasses
import json
import time

import pytest
from lib import crash
from lib.aged_log import LOGS, RECORD, AgedLog, is_object, log_of, range_of
from lib.crash_places import names_in
from lib.crash_stage import EVERY, Lane, Stage, Story
from lib.log_writer import assert_is, instant_text, lsn_text, parse_lsn
from lib.recovered import let_the_server_read, recovered

TALLY = crash.Tally("expire of log", 50 * crash.SAMPLE // EVERY)
MOMENTS = 8  # of kills at random
LOCAL_ONLY = {"S3_BUCKET": None, "GCS_BUCKET": None}
HOLD = ("--reason", "case 4711", "--owner", "legal")
BATCH = 1000  # of objects that go at once
S3 = 1  # its number among the places


@dataclasses.dataclass
class LogStory(Story):
    """`log`: an AgedLog."""

    log: object = None


class LogLane(Lane):
    known = (LOGS,)
    proven = {}  # what was asked of places with the same objects

    def begin(self, contents):
        """Where only little is to go."""
        if self.story:
            self.begin_again(contents)
        else:
            super().begin(contents)

    def check_rules(self, story):
        super().check_rules(story)
        for number, (was, now) in enumerate(zip(self.was, self.digests())):
            was, there = below(LOGS, was), below(LOGS, now)
            assert there.items() <= was.items(), "an object of the log is another one"
            assert story.log.kept_log <= there.keys(), f"what is kept of the log is not in {self.places[number]}"
            check_keys(there)
            if number == 0:
                for one in (story.log.first_id, story.log.second_id):
                    check_order([key for key in story.log.gone_log if log_of(key) == one], there)
            state = frozenset([*there, *names_in(now)])
            if state not in self.proven:
                self.prove(story.log, number, names_in(now), there)
                self.proven[state] = True

    def prove(self, log, number, names, keys):
        """Of one place: what is listed there is as it says, and what was promised is planned as it was before."""
        log.check_chains(names, keys)
        for chain in self.run("list", "--json", *self.at(number)).json()["chains"]:
            for window in chain["windows"]:
                ends = (parse_lsn(window[end]) for end in ("from_position", "to_position"))
                assert log.reaches(chain["log"], *ends, names, keys), f"{window} is not so"
        assert self.plans(log, number) == log.plans

    def plans(self, log, number):
        """To the held commit and to one of the last days. A dry run opens the log with its key."""
        return [self.plan(number, *target) for target in targets_of(log)]

    def plan(self, number, *target):
        nowhere = ("--target-dir", self.folder / "nowhere")
        said = self.run("restore", *target, "--dry-run", *nowhere, "--json", *self.at(number)).json()
        return said["base"], said["log_end"], said["last_in"]["position"]

    def check_gone(self, log):
        """What was to go is gone everywhere, to the last object."""
        for objects in self.digests():
            assert names_in(objects) == sorted(log.kept)
            assert below(LOGS, objects).keys() == log.kept_log


def targets_of(log):
    time_of_last = instant_text(log.last_commit.after)
    return ("--target-position", lsn_text(log.held_commit.after_lsn)), ("--target-time", time_of_last)


def below(prefix, objects):
    return {key: value for key, value in objects.items() if key.startswith(prefix)}


def check_keys(keys):
    """No object is there that nobody can open."""
    for key in filter(is_object, keys):
        assert f"{LOGS}{log_of(key)}/{RECORD}" in keys, f"{key} outlived its key"


def check_order(going, there):
    """The newest goes first, so that what is left goes on from what stays."""
    left = [key in there for key in sorted(filter(is_object, going), key=range_of)]
    assert left == sorted(left, reverse=True), left


@pytest.fixture(scope="module")
def stage(module_tmp, minio, gcs):
    return Stage(module_tmp, minio, gcs, TALLY, LogLane)


@pytest.fixture(scope="module")
def log(stage, module_tmp):
    lane = stage.lanes[0]
    lane.begin([{}] * 3)
    lane.settings, settings = lane.settings | LOCAL_ONLY, lane.settings
    made = AgedLog(lane, module_tmp / "aged")
    lane.run("hold", "add", made.held[1], *HOLD)
    made.before = lane.contents()[0]
    made.plans = lane.plans(made, 0)
    lane.settings = settings
    return made


@pytest.fixture(scope="module")
def story(log):
    def next_one_finishes_it(lane):
        lane.run("expire", env=log.settings)
        lane.check_gone(log)

    return LogStory("expire of log", ("expire",), [log.before] * 3, next_one_finishes_it, log.settings, may_go=log.gone,
                    parents=log.parents, log=log)


def around_log(steps):
    """In each place from the removal of its last backup to the end, and the first steps in the next one."""
    begins = [place for place, name in enumerate(steps) if name == "expire.record"]
    for begin, end in zip(begins, [*begins[1:], len(steps)]):
        last_backup = max(place for place in range(begin, end) if steps[place] == "expire.manifest")
        yield from range(min(last_backup, steps.index("expire.log", begin)), min(end + 2, len(steps)))


def test_expire_dies_at_any_step_and_moment_of_the_log_and_what_is_promised_stays(stage, story):
    stage.campaign(story, 45, around_log)
    stage.at_any_moment(story, MOMENTS)


def test_what_is_left_after_a_death_brings_back_the_held_commit_and_one_of_the_last_days(stage, log, story, tmp):
    """From a bucket in which some of the log was gone."""
    held, recent = targets_of(log)

    def comes_back(lane, target, commit):
        lane.begin_story(story)
        lane.run("expire", env={**log.settings, **crash.armed(4, "kill", "expire.log")}, expect=crash.KILLED)
        assert not of_first(log, lane.digests()[S3]) and below(LOGS, lane.digests()[S3]).keys() > log.kept_log
        let_the_server_read(lane)
        with recovered(lane, tmp / lane.folder.name, *target, *lane.at(S3)) as server:
            assert_is(server, commit)

    stage.deal([(held, log.held_commit), (recent, log.last_commit)], comes_back)


def of_first(log, keys):
    return {key for key in keys if key.startswith(f"{LOGS}{log.first_id}/")}


def made_objects(log, count):
    """Of the first log, after all that it has: a plan reads their names only."""
    line, _, end = range_of(log.of_first[-1])
    folder, _, name = log.of_first[-1].rpartition("/")
    _, _, _, newest, covered = name.split("-")
    return [f"{folder}/{line:08X}-{end + at:016X}-{end + at + 1:016X}-{newest}-{covered}" for at in range(count)]


def test_the_key_of_a_log_of_many_batches_is_there_until_the_last_one_is_gone(stage, log):
    lane = stage.lanes[0]
    many = log.before | dict.fromkeys(made_objects(log, 2 * BATCH), b"")
    total = len([key for key in of_first(log, many) if is_object(key)])
    settings = LOCAL_ONLY | log.settings
    for gone in (BATCH, 2 * BATCH):
        lane.begin([many, {}, {}])
        point = crash.armed(gone // BATCH + 1, "kill", "expire.log")
        lane.run("expire", env=settings | point, expect=crash.KILLED)
        left = below(LOGS, lane.digests()[0])
        assert len([key for key in of_first(log, left) if is_object(key)]) == total - gone
        check_keys(left)
        check_order(of_first(log, many), left)
        lane.run("expire", env=settings)
        assert {*below(LOGS, lane.digests()[0])} == log.kept_log
        TALLY.add("a batch")


def test_what_an_earlier_run_left_of_a_log_goes_however_little_it_is(stage, log, story):
    """But a young record stays: the first backup of its log may be younger than the plan."""
    lane = stage.lanes[0]
    after = stage.make([log.before] * 3, ("expire",), env=log.settings)
    rest = {key: log.before[key] for key in of_first(log, log.before) if not is_object(key)}
    assert len(rest) == 2  # the record and a history
    for left in (rest, *({key: content} for key, content in rest.items())):
        lane.begin([objects | left for objects in after])
        lane.run("expire", env=log.settings)
        lane.check_gone(log)
    (record,) = (key for key in rest if key.endswith(RECORD))
    young = json.loads(rest[record]) | {"created_at": time.strftime("%Y-%m-%dT%H:%M:%S.000Z", time.gmtime())}
    canonical = json.dumps(young, sort_keys=True, separators=(",", ":")) + "\n"
    lane.begin([objects | {record: canonical.encode()} for objects in after])
    lane.run("expire", env=log.settings)
    assert all(record in objects for objects in lane.digests())


@pytest.fixture
def locked(stage, log, tmp, minio, gcs):
    """Where the store itself may hold an object."""
    lane = LogLane(tmp / "lane", minio, gcs, lock=True)
    lane.key = stage.lanes[0].key
    lane.begin([log.before] * 3)
    lane.prefix = lane.stores[S3][1]
    return lane


def test_a_log_keeps_its_key_while_the_store_retains_an_object_of_it(log, locked):
    bucket, held = locked.buckets[0], log.of_first[0]
    bucket.hold(locked.prefix + held)
    report = locked.run("expire", "--json", env=log.settings).json()["repositories"]
    objects = len([key for key in log.gone_log if is_object(key)])
    assert [(one["retained"], one["log_objects_removed"]) for one in report] == [
        ([], objects), ([held], objects - 1), ([], objects)]
    folder, s3, gcs = (of_first(log, keys) for keys in locked.digests())
    assert (folder, gcs) == (set(), set())
    assert {*filter(is_object, s3)} == {held}
    check_keys(s3)
    bucket.hold(locked.prefix + held, on=False)
    locked.run("expire", env=log.settings)
    locked.check_gone(log)


def test_what_a_backup_goes_on_from_stays_with_its_log_while_the_store_retains_it(log, locked):
    bucket, (full, incremental) = locked.buckets[0], log.first
    manifest = f"{locked.prefix}{incremental}{crash.MANIFEST}"
    bucket.hold(manifest)
    report = locked.run("expire", "--json", env=log.settings).json()["repositories"]
    assert locked.names() == [sorted(names) for names in (log.kept, [*log.kept, *log.first], log.kept)]
    locked.run("verify", "--chain", incremental, *locked.at(S3))
    assert [(one["retained"], one["needed"]) for one in report] == [([], []), ([incremental], [full]), ([], [])]
    bucket.hold(manifest, on=False)
    locked.run("expire", env=log.settings)
    locked.check_gone(log)


def test_a_log_that_sync_brought_before_its_backups_stays(stage, log):
    lane = stage.lanes[0]
    begun = {key: content for key, content in log.before.items() if key.startswith(LOGS)}
    lane.begin([log.before, begun, log.before])
    lane.run("expire", env=log.settings)
    assert below(LOGS, lane.digests()[S3]).keys() == begun.keys()
    lane.run("sync")
    lane.run("expire", env=log.settings)
    lane.check_gone(log)


def test_the_campaign_was_large_enough():
    TALLY.check()
