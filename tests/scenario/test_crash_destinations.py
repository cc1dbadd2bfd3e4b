"""Why this exists: a backup into three destinations, a copy between them, and the removal of old ones may die at any step.
After each death every place holds only what is whole and all that must stay, and the next run finishes what was begun."""

import pytest
from lib import crash, crash_stage
from lib.crash_places import lasting, md5, names_in, unfinished
from lib.crash_stage import EVERY, INCOMPLETE, Lane, Story, whole_in
from lib.folder_state import folder_state
from lib.log_writer import LogWriter, assert_is, lsn_text
from lib.object_stores import Moto
from lib.postgres import PostgresServer
from lib.recovered import back_up, let_the_server_read, recovered
from lib.stored_backup import random_files

MOMENTS = 24  # of kills at random, a story
TWO_SEGMENTS = 17  # MiB
TALLY = crash.Tally("several destinations", 300 * crash.SAMPLE // EVERY)
NOT_FOUND = 10
LOCAL_ONLY = {"S3_BUCKET": None, "GCS_BUCKET": None}
KEEP_TWO, KEEP_ONE = ({"RETENTION_CONFIG_KEEP_LAST": count} for count in (2, 1))
HOLD = ("--reason", "case 4711", "--owner", "legal")


class Stage(crash_stage.Stage):
    """`small` and `large`: what is backed up of configuration."""

    def __init__(self, folder, minio, gcs):
        super().__init__(folder, minio, gcs, TALLY)
        self.small, self.large = random_files(folder / "small", 0), random_files(folder / "large", TWO_SEGMENTS)
        for lane in self.lanes:
            lane.settings["CONFIG_PATHS"] = self.small


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
    stage.at_any_moment(large, MOMENTS)


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
    stage.at_any_moment(story, MOMENTS)
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
    stage.at_any_moment(story, MOMENTS)
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
    stage.at_any_moment(story, MOMENTS)


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
