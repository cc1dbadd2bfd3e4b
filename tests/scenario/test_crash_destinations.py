"""Why this exists: a backup into three destinations, a copy between them, and the removal of old ones may die at any step.
After each death every place holds only what is whole and all that must stay, and the next run finishes what was begun."""

import concurrent.futures
import dataclasses
import random
import time

import pytest
from lib import crash
from lib.crash_places import CrashPlaces, deaths_at, errors_at, lasting, md5, names_in, objects_of, unfinished
from lib.folder_state import folder_state
from lib.log_writer import LogWriter, assert_is, lsn_text
from lib.object_stores import Moto
from lib.postgres import PostgresServer
from lib.recovered import back_up, let_the_server_read, recovered
from lib.stored_backup import random_files

SEED = 20240115
LANES = 2
# Of all points; CI has no time for as many of these as of others.
EVERY = 1 if crash.SAMPLE == 1 else 5 * crash.SAMPLE
MOMENTS = max(1, 24 // EVERY)  # of kills at random, a story
TWO_SEGMENTS = 17  # MiB
TALLY = crash.Tally("several destinations", 300 * crash.SAMPLE // EVERY)
INCOMPLETE, USAGE, NOT_FOUND = 3, 2, 10
REFUSED = (0, crash.FAILED, INCOMPLETE, crash.STORE, crash.SPACE)
LOCAL_ONLY = {"S3_BUCKET": None, "GCS_BUCKET": None}
KEEP_TWO, KEEP_ONE = ({"RETENTION_CONFIG_KEEP_LAST": count} for count in (2, 1))
HOLD = ("--reason", "case 4711", "--owner", "legal")


@dataclasses.dataclass
class Story:
    """What three places hold before a run of `words`, which backups it may remove, whether it `lifts` holds, and
    `finish(lane)`: the next run, and how it must end. `whole`: the digests of each backup's objects by its name, where some
    are damaged in `before`."""

    kind: str
    words: tuple
    before: list
    finish: object
    settings: dict = dataclasses.field(default_factory=dict)
    may_go: tuple = ()
    parents: dict = dataclasses.field(default_factory=dict)
    whole: dict = None
    lifts: bool = False


class Lane(CrashPlaces):
    """Places of its own, in which one story after the other is played."""

    def begin_story(self, story):
        self.begin(story.before)
        self.was = self.digests()
        self.whole = story.whole or whole_in(self.was)

    def steps(self, story):
        self.begin_story(story)
        return crash.steps_of(self, *story.words, env=story.settings)

    def seconds(self, story):
        self.begin_story(story)
        started = time.monotonic()
        self.run(*story.words, env=story.settings)
        return time.monotonic() - started

    def meets(self, story, name, nth, action):
        self.begin_story(story)
        expect = crash.KILLED if action == "kill" else REFUSED
        done = self.run(*story.words, env={**story.settings, **crash.armed(nth, action, name)}, expect=expect)
        assert done.code != 0 or self.names() == self.names()[:1] * 3, f"not everywhere, and exit 0\n{done!r}"
        self.goes_on(story)

    def dies_after(self, story, seconds):
        """Whether it did, or was faster."""
        self.begin_story(story)
        running = self.popen(*story.words, env=story.settings)
        crash.wait_or_kill(running, seconds)
        done = running.wait(expect=(0, crash.KILLED))
        self.goes_on(story)
        return done.code == crash.KILLED

    def goes_on(self, story):
        self.check_rules(story)
        story.finish(self)
        self.check_tidy()

    def check_rules(self, story):
        """What is listed anywhere is whole, and all that must stay is still there."""
        for number, (was, now) in enumerate(zip(self.was, self.digests())):
            listed = names_in(now)
            for name in listed:
                self.check_listed(name, number, was, now)
                assert story.parents.get(name) in (None, *listed), f"{name} lost what it goes on from"
            damaged = [name for name in names_in(was) if objects_of(name, was) != self.whole[name]]
            assert {*names_in(was)} - {*listed} <= {*story.may_go, *damaged}, self.places[number]
            if not story.lifts:
                assert lasting(was).items() <= lasting(now).items(), self.places[number]

    def check_listed(self, name, number, was, now):
        found = objects_of(name, now)
        if name not in self.whole:
            self.run("verify", name, "--quiet", *self.at(number))
        else:
            # What was damaged before may be so still.
            assert found in (self.whole[name], objects_of(name, was)), f"{name} in {self.places[number]}"

    def check_tidy(self):
        """Nothing that a dead run began is left, and each list matches its own history."""
        for place, objects in zip(self.places, self.digests()):
            assert unfinished(objects) == [], place
        assert list(self.temporary.iterdir()) == []
        assert self.findings() == []

    def findings(self):
        """What `check` says of lists and histories; that no database is named is another matter."""
        checks = self.run("check", "--json", expect=(USAGE, INCOMPLETE)).json()["checks"]
        about = [one for one in checks if one["subject"].startswith(("catalog", "history"))]
        assert len(about) >= len(self.places)
        return [one["detail"] for one in about if one["verdict"] != "ok"]

    def names(self):
        return [names_in(objects) for objects in self.digests()]

    def check_same(self, *names):
        """Each has the same bytes everywhere, and verifies in one place: in another one each time."""
        for name in names:
            first, *others = (objects_of(name, objects) for objects in self.digests())
            assert others == [first] * 2, name
            self.run("verify", name, "--quiet", *self.at(self.story % len(self.places)))


def whole_in(places):
    return {name: objects_of(name, objects) for objects in places for name in names_in(objects)}


class Stage:
    def __init__(self, folder, minio, gcs):
        self.folder, self.moments = folder, random.Random(SEED)
        self.small, self.large = random_files(folder / "small", 0), random_files(folder / "large", TWO_SEGMENTS)
        self.lanes = [Lane(folder / f"lane-{number}", minio, gcs) for number in range(LANES)]
        for lane in self.lanes:
            lane.key = self.lanes[0].key
            lane.settings["CONFIG_PATHS"] = self.small
        self._campaigns = 0
        self._pool = concurrent.futures.ThreadPoolExecutor(LANES)

    def make(self, before, *runs, env=None, expect=0):
        """What the places hold after these runs."""
        lane = self.lanes[0]
        lane.begin(before)
        for words in runs:
            lane.run(*words, env=env, expect=expect)
        return lane.contents()

    def deal(self, points, act):
        """`act(lane, *point)` for each; what each said."""
        def play(lane, hand):
            return [act(lane, *point) for point in hand]

        hands = [points[number::LANES] for number in range(LANES)]
        played = [self._pool.submit(play, *pair) for pair in zip(self.lanes, hands)]
        return [said for hand in played for said in hand.result()]

    def campaign(self, story, least):
        """Deaths at every step, of which there are `least` or more, and errors of the store at each kind of step."""
        steps = self.lanes[0].steps(story)
        assert len(steps) >= least, steps
        deaths, errors = (self.sampled(points) for points in (deaths_at(steps), errors_at(steps)))
        self.deal([*deaths, *errors], lambda lane, *point: lane.meets(story, *point))
        for name, *_ in deaths:
            TALLY.add(f"{name} of {story.kind}")

    def sampled(self, points):
        """From another one on each time, so that together they meet all kinds."""
        self._campaigns += 1
        return points[self._campaigns % EVERY :: EVERY]

    def at_any_moment(self, story):
        usual = self.lanes[0].seconds(story)
        points = [(self.moments.uniform(0, usual),) for _ in range(MOMENTS)]
        died = self.deal(points, lambda lane, seconds: lane.dies_after(story, seconds))
        for _ in filter(None, died):
            TALLY.add(f"any moment of {story.kind}")


@pytest.fixture(scope="module")
def stage(module_tmp, minio, gcs):
    return Stage(module_tmp, minio, gcs)


@pytest.fixture(scope="module")
def used(stage):
    return stage.make([{}] * 3, *[("backup", "config")] * 3)


@pytest.fixture(scope="module")
def after_a_death(stage, used):
    """Bodies and indexes of a backup that never was, and the leases and the unfinished file of its manifest."""
    dead = stage.make(used, ("backup", "config"), env=crash.armed(3, "kill", "store.local.write"), expect=crash.KILLED)
    assert [len(unfinished(objects)) for objects in dead] == [3, 3, 3]
    return dead


def next_backup_is_everywhere(lane):
    """One that died after it was published somewhere stays there, and `sync` takes it to the others."""
    before = lane.names()
    new = lane.run("backup", "config", "--json").json()["name"]
    assert lane.names() == [[*names, new] for names in before]
    lane.check_same(new)
    if any(names != before[0] for names in before):
        lane.run("sync")
        assert lane.names() == [sorted({*before[0], *before[1], *before[2], new})] * 3


def test_a_first_backup_dies_at_any_step(stage):
    stage.campaign(Story("a first backup", ("backup", "config"), [{}] * 3, next_backup_is_everywhere), 36)


def test_a_backup_after_one_that_died_dies_at_any_step(stage, after_a_death):
    stage.campaign(Story("a backup after a death", ("backup", "config"), after_a_death, next_backup_is_everywhere), 40)


def test_a_backup_in_parts_dies_at_any_step_and_moment(stage, used):
    large = Story("a backup in parts", ("backup", "config"), used, next_backup_is_everywhere, {"CONFIG_PATHS": stage.large})
    stage.campaign(large, 44)
    stage.at_any_moment(large)


def next_backup_leaves_two(lane):
    """Where it died between the manifests of two places, the list of one may lack what the next backup names: retention
    stands still there until `sync` has brought it."""
    newest = [names[-1] for names in lane.names()]
    done = lane.run("backup", "config", "--json", env=KEEP_TWO, expect=(0, INCOMPLETE))
    if len({*newest}) > 1:
        lane.run("sync")
        lane.run("expire", env=KEEP_TWO)
    else:
        assert done.code == 0, done
    assert lane.names() == [[max(newest), done.json()["name"]]] * 3
    lane.check_same(max(newest), done.json()["name"])


def test_a_backup_that_removes_old_ones_dies_at_any_step(stage, used):
    old = names_in(used[0])
    stage.campaign(Story("a backup with retention", ("backup", "config"), used, next_backup_leaves_two, KEEP_TWO,
                         may_go=old[:2]), 60)


class Chains:
    """Three chains of a PostgreSQL server, the middle one held, and two configuration backups, in three places; and what
    expire leaves of them."""

    settings = {"RETENTION_KEEP_LAST": 1, **KEEP_ONE}

    def __init__(self, stage, server):
        self.lane = stage.lanes[0]
        self.lane.begin([{}] * 3)
        self.writer = LogWriter(server)
        url = {"DATABASE_URL": server.url(), "CONFIG_PATHS": None}
        made = []
        for kind in ("full", "incremental") * 3:
            self.writer.rows(3)
            made.append(back_up(self.lane, kind, env=url)["name"])
            if len(made) == 4:
                self.held = self.writer.commits[-1]
        self.writer.close()
        made += [back_up(self.lane, "config")["name"] for _ in range(2)]
        self.parents = {made[child]: made[child - 1] for child in (1, 3, 5)}
        self.gone, self.kept = [made[at] for at in (0, 1, 6)], [made[at] for at in (2, 3, 4, 5, 7)]
        self.lane.run("hold", "add", made[3], *HOLD)
        self.before = self.lane.contents()

    def next_one_leaves_what_is_kept(self, lane):
        removed = [one["removed"] for one in lane.run("expire", "--json", env=self.settings).json()["repositories"]]
        assert lane.names() == [self.kept] * 3
        assert max(removed) <= len(self.gone)
        again = lane.run("expire", "--json", env=self.settings).json()["repositories"]
        assert [one["removed"] for one in again] == [0] * 3


@pytest.fixture(scope="module")
def chains(stage, module_tmp):
    with PostgresServer.create(15, module_tmp / "pg", max_prepared_transactions=20) as server:
        return Chains(stage, server)


def test_expire_dies_at_any_step_and_moment(stage, chains, tmp):
    story = Story("expire", ("expire",), chains.before, chains.next_one_leaves_what_is_kept, chains.settings,
                  may_go=chains.gone, parents=chains.parents)
    stage.campaign(story, 60)
    stage.at_any_moment(story)
    lane = stage.lanes[0]
    lane.meets(story, "expire.body", 5, "kill")
    lane.check_same(*chains.kept)
    let_the_server_read(lane)
    target = ("--target-position", lsn_text(chains.held.after_lsn), *lane.at(1))
    with recovered(lane, tmp / "restored", *target) as server:
        assert_is(server, chains.held)


@pytest.fixture(scope="module")
def scattered(stage, used):
    """What only the folder has: two backups, one of them large and held, and the record of three that went."""
    lane = stage.lanes[0]
    lane.begin([used[0], {}, {}])
    lane.run("backup", "config", env=LOCAL_ONLY)
    name = back_up(lane, "config", env={**LOCAL_ONLY, "CONFIG_PATHS": stage.large})["name"]
    lane.run("hold", "add", name, *HOLD, env=LOCAL_ONLY)
    lane.run("expire", env={**LOCAL_ONLY, **KEEP_TWO})
    assert len(lasting(lane.digests()[0])) == 2
    return lane.contents()


def next_sync_makes_them_equal(lane, *words):
    lane.run("sync", *words)
    everywhere = lane.digests()
    assert everywhere[1:] == everywhere[:1] * 2
    assert whole_in(everywhere) == lane.whole
    done = lane.run("sync", "--json").json()
    assert [(one["backups"], one["objects"]) for one in done["repositories"]] == [(0, 0)] * 3


def next_repair_makes_them_equal(lane):
    next_sync_makes_them_equal(lane, "--repair")


def test_seeding_new_places_dies_at_any_step_and_moment(stage, scattered, tmp):
    story = Story("sync into new places", ("sync",), scattered, next_sync_makes_them_equal)
    stage.campaign(story, 50)
    stage.at_any_moment(story)
    lane = stage.lanes[0]
    lane.meets(story, "store.remote.put", 3, "kill")
    for number, name in enumerate(lane.names()[0], 1):
        lane.run("restore", "-f", name, "--components", "config", "--files-dir", tmp / name, *lane.at(number))
        source = stage.large if name == lane.names()[0][-1] else stage.small
        assert folder_state(tmp / name / "config" / str(source)[1:]) == folder_state(source)


def damaged(contents):
    """In the folder a body is gone, in S3 one is too short, and in GCS a manifest is none."""
    folder, s3, gcs = (dict(objects) for objects in contents)
    first, *_, last = (name + ".tar.gz.enc" for name in names_in(folder))
    del folder[first]
    s3[last] = s3[last][:-1]
    gcs[names_in(gcs)[0] + crash.MANIFEST] = b"{}\n"
    return [folder, s3, gcs]


def test_repairing_dies_at_any_step_and_moment(stage, used):
    whole = stage.make(used, ("hold", "add", "latest", *HOLD))
    digests = [{key: md5(content) for key, content in objects.items()} for objects in whole]
    story = Story("sync --repair", ("sync", "--repair"), damaged(whole), next_repair_makes_them_equal,
                  whole=whole_in(digests))
    stage.campaign(story, 30)
    stage.at_any_moment(story)


def test_a_hold_dies_at_any_step_and_its_backup_stays(stage, used):
    held = names_in(used[0])[0]

    def next_one_holds_everywhere(lane):
        lane.run("hold", "add", held, *HOLD)
        assert all(lasting(objects) for objects in lane.digests())
        lane.run("expire", env=KEEP_ONE)
        assert lane.names() == [[held, names_in(used[0])[-1]]] * 3

    stage.campaign(Story("hold add", ("hold", "add", held, *HOLD), used, next_one_holds_everywhere), 8)


def test_lifting_a_hold_dies_at_any_step_and_the_next_one_lifts_it(stage, used):
    held = names_in(used[0])[0]
    before = stage.make(used, ("hold", "add", held, *HOLD))
    number = stage.lanes[0].run("hold", "list", "--json").json()["holds"][0]["id"]

    def next_one_lifts_it_everywhere(lane):
        left = any(lasting(objects) for objects in lane.digests())
        lane.run("hold", "remove", number, expect=0 if left else NOT_FOUND)
        assert [lasting(objects) for objects in lane.digests()] == [{}] * 3
        assert lane.names() == [names_in(used[0])] * 3

    stage.campaign(Story("hold remove", ("hold", "remove", number), before, next_one_lifts_it_everywhere, lifts=True), 5)


def test_parts_that_a_dead_run_left_are_forgotten(stage, gcs, tmp):
    """MinIO does not list the uploads of names that it is not asked for; moto does, and says that they are years old."""
    with Moto(tmp / "moto") as moto:
        lane = Lane(tmp / "lane", moto, gcs)
        lane.settings["CONFIG_PATHS"] = stage.large
        lane.begin([{}] * 3)
        lane.run("backup", "config", env=crash.armed(1, "kill", "store.remote.complete"), expect=crash.KILLED)
        assert len(lane.buckets[0].uploads()) == 1
        lane.run("backup", "config")
        assert lane.buckets[0].uploads() == []
        lane.check_tidy()


def test_the_campaign_was_large_enough():
    TALLY.check()
