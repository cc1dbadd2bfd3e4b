"""Why this exists: a restore of MongoDB to an instant or a position brings back exactly what was committed by then,
whatever the database has lived through; what cannot be reached is refused, and what is named instead works."""

import os
import random

import bson
import pytest
from lib.crash import copy_of
from lib.log_writer import MICROSECOND, instant_text, parse_instant
from lib.mongodb import MongoServer
from lib.mongodb_fingerprint import differences
from lib.mongodb_journal import (
    JournalWriter, clock, definitions, in_some_zone, is_out, key_of, lies_in, moment_of, newest_by, optime_text,
)
from lib.mongodb_oplog import Replay, last_in, parse_optime, point, replay, transactions
from lib.mongodb_set import TwoMembers
from lib.product import Product
from lib.recovered import back_up, remove, windows
from lib.streaming import Stream

SEED = 20240115
SAMPLES = int(os.environ.get("ASB_PITR_SAMPLES", "20"))
REFUSALS = max(20, SAMPLES)
UNREACHABLE = 8
DATABASE, COLLECTIONS = "auth", ("numbered", "accounts")
NEWEST_SECOND = 2**32 - 1  # of an optime
KINDS_OF_TARGET = ("--target-time", "--target-position", "--oplog-limit")


@pytest.fixture(scope="module")
def lived(module_tmp):
    with MongoServer.create("rs", module_tmp / "source", auth=False, options={"sync-on-commit": None}) as source, \
            MongoServer.create("rs", module_tmp / "target", auth=False) as target:
        yield Lived(module_tmp, source, target)


class Lived:
    """A database with a past: fulls, incrementals, streams, restarts, a crash, another primary, migrations, a drop of
    all there was, and a rename that no log leads over; and another server to restore into."""

    def __init__(self, folder, source, target):
        self.source, self.target = source, target
        self.product = Product(folder / "product", database_url=source.url(db=DATABASE))
        self.writer = writer = JournalWriter(source, DATABASE, SEED)
        self.backups = {}
        self.make_collections()
        self.back_up("first full", "full")
        self.migrate()
        self.back_up("first")
        writer.mixture(*COLLECTIONS)
        source.restart()
        self.back_up("second")
        self.stream(source.restart)
        self.back_up_another_member("third")
        writer.create("moved")
        writer.insert("moved", 3)
        writer.move_to_database("moved", "other")
        self.back_up("second full", "full", typed="incremental")
        writer.mixture(*COLLECTIONS)
        writer.drop_database()
        self.make_collections()
        self.back_up("fourth")
        writer.mixture(*COLLECTIONS)
        self.stream(self.crash_and_full)
        writer.mixture(*COLLECTIONS)
        self.back_up("fifth")
        writer.mixture(*COLLECTIONS)  # which the full one holds
        self.back_up("fourth full", "full")
        writer.mixture(*COLLECTIONS)
        self.back_up("last")
        writer.mixture(*COLLECTIONS)  # which nothing covers
        self.groups = transactions(source.client(), DATABASE)

    def make_collections(self):
        for name in COLLECTIONS:
            self.writer.create(name)
            self.writer.insert(name, 20)
        self.writer.create_index("numbered", ("n", 1), unique=True)

    def migrate(self):
        writer = self.writer
        writer.create("audit", capped=True, size=1 << 24)
        writer.insert("audit", 5)
        writer.create_index("accounts", ("deep.count", -1), ("n", 1), name="by count")
        writer.validate("accounts", {"never": {"$ne": 1}})
        writer.rename("numbered", "renamed")
        writer.create("numbered")
        writer.insert("numbered", 10)
        writer.mixture("renamed", "numbered")
        writer.create_view("seen", "accounts")
        writer.create("fresh")
        writer.insert("fresh", 10)
        writer.rename("fresh", "renamed", over=True)
        writer.mixture("renamed", "accounts")
        writer.drop_index("accounts", "by count")
        writer.drop("renamed")
        writer.drop_view("seen")

    def back_up(self, name, kind="incremental", typed=None):
        """While it is written."""
        with self.writer.beside(*COLLECTIONS):
            began = clock()
            done = back_up(self.product, typed or kind)
        assert done.get("promoted_to") == (kind if typed else None)
        self.backups[name] = {**done["engines"]["mongodb"], **done, "began": began, "ended": clock()}

    def back_up_another_member(self, name):
        """The old primary is a secondary now."""
        with TwoMembers(self.source) as members:
            self.product.database_url = members.url(members.primary)
            self.back_up(name)
        self.product.database_url = self.source.url(db=DATABASE)
        assert self.backups[name]["server_kind"] == "secondary"

    def stream(self, disturb):
        with Stream(self.product) as stream:
            stream.wait_until_streaming()
            self.writer.mixture(*COLLECTIONS)
            disturb()
            self.writer.mixture(*COLLECTIONS)
            end = point(self.writer.changes[-1].end)
            stream.wait_until(lambda status: int(status["durable"]["at"], 16) >= end, "durable")

    def crash_and_full(self):
        self.source.kill()
        self.source.start()
        self.writer.mixture(*COLLECTIONS)
        self.back_up("third full", "full")

    # -- restored ------------------------------------------------------------------------------------

    def restore(self, *words, product=None):
        """What the restore said of its recovery."""
        into = {"DATABASE_URL": self.target.restore_url(db=DATABASE)}
        done = (product or self.product).run("restore", *words, "--force", "--drop-old", "--json", env=into)
        return done.json().get("recovery")

    def expect(self, end):
        """The target is what the source was when the entry at `end` was its last, by its oplog; and by the
        writer's journal, if that is where one of its changes ends."""
        found = self.target.fingerprint(DATABASE).get(DATABASE, {})
        documents = {name: one["documents"] for name, one in found.items() if one["kind"] != "view"}
        assert differences(replay(self.source.client(), end).documents(DATABASE), documents) == []
        change = self.writer.at(end)
        if change:
            assert self.content(documents) == change.state
        said = self.writer.definitions_at(end)
        if said is not None:
            assert differences(said, definitions(self.target.database(DATABASE))) == []

    def content(self, names):
        return {name: {key_of(one): one for one in self.target.database(DATABASE)[name].find()} for name in names}


# -- what can be reached ---------------------------------------------------------------------------------


def test_the_oplog_says_what_the_writer_knows(lived):
    """Neither of them is the product; they agree after every change, and on when it was."""
    state, entries = Replay(), iter([entry for group in lived.groups for entry in group])
    entry = next(entries)
    for change in lived.writer.changes:
        while entry and entry["ts"] <= change.end:
            if entry["ours"]:
                assert change.before <= moment_of([entry]) <= change.after
            state.apply(bson.decode(bson.encode(entry)))
            entry = next(entries, None)
        prefix = DATABASE + "."
        found = {name[len(prefix):]: there for name, there in state.collections.items() if name.startswith(prefix)}
        assert found == change.state
    assert len({len(group) for group in lived.groups}) > 1, "no transaction was written"


def check_windows(lived, found, ends):
    """`ends`: the full backup that each one begins with, and the one it ends with. By its first time all that is in the
    full one was committed; what is not in the window was committed after its last one."""
    places = [(lived.backups[base], lived.backups[last]["end_optime"]) for base, last in ends.items()]
    assert [(window["base"], window["from_position"], window["to_position"]) for window in found] == [
        (base["name"], base["end_optime"], end) for base, end in places
    ]
    for window, last in zip(found, ends.values()):
        assert parse_instant(window["from"]) == newest_by(lived.groups, parse_optime(window["from_position"]))
        following = next(group for group in lived.groups if group[-1]["ts"] > parse_optime(window["to_position"]))
        assert parse_instant(window["to"]) < moment_of(following)
        assert lived.backups[last]["began"] <= parse_instant(window["to"]) <= lived.backups[last]["ended"]


def test_a_window_begins_with_a_full_backup_and_ends_where_nothing_goes_on(lived):
    """The second full one reaches over the later ones: the third was taken beside a stream, and the fourth holds what
    was written since the last backup."""
    check_windows(lived, windows(lived.product), {"first full": "third", "second full": "last"})


def targets(lived, moments):
    """Endless: words of a target in a window: just before, at, just after or between entries, a time, a position and a
    limit in turn."""
    found = windows(lived.product)
    entries = [entry for group in lived.groups for entry in group]
    drawn, tries = 0, 0
    while tries < 1000:
        entry, tries = moments.choice(entries), tries + 1
        instant = moment_of([entry]) + moments.choice((-1, 0, 999, moments.randint(-2500, 2500))) * MICROSECOND
        place = point(entry["ts"]) + moments.choice((-1, 0, 0, 1, moments.randint(0, 2**33)))
        option = KINDS_OF_TARGET[drawn % len(KINDS_OF_TARGET)]
        words = option, {
            "--target-time": in_some_zone(moments, instant),
            "--target-position": optime_text(place),
            "--oplog-limit": moments.choice((optime_text(place), optime_text(place), str(place >> 32))),
        }[option]
        if any(lies_in(words, window) for window in found):
            drawn, tries = drawn + 1, 0
            yield words
    raise AssertionError("no entry lies in the windows")


def check_report(lived, said, words):
    """The last one in and the first one left out are named, and the base is the newest one that is consistent by then.
    What was committed before that is in it, and not looked for. Returns where the last one in ends."""
    out = is_out(words)
    place = next(number for number, group in enumerate(lived.groups) if out(group))
    last, following = lived.groups[place - 1], lived.groups[place]
    base = next(one for one in lived.backups.values() if one["name"] == said["base"])
    fulls = [one for one in lived.backups.values() if one["method"] == "oplog"]
    (window,) = [window for window in windows(lived.product) if lies_in(words, window)]
    if "last_in" in said:
        assert said["last_in"] == mark(last, last[-1])
    else:
        assert last[-1]["ts"] <= parse_optime(base["end_optime"])
    assert base is [one for one in fulls if lies_in(words, {**window, **begin_of(lived, one)})][-1]
    is_kept = following[-1]["ts"] <= parse_optime(window["to_position"])
    assert said.get("first_out") == (mark(following, following[0]) if is_kept else None)
    return last[-1]["ts"]


def begin_of(lived, full):
    end = parse_optime(full["end_optime"])
    return {"from": instant_text(newest_by(lived.groups, end)), "from_position": full["end_optime"]}


def mark(group, entry):
    """As reports have it: the last one in by its last entry, the first one left out by its first."""
    return {"position": optime_text(point(entry["ts"])), "time": instant_text(moment_of(group))}


def test_any_instant_and_position_brings_back_exactly_what_was_committed_by_then(lived):
    at_changes, fulls = 0, set()
    for _, words in zip(range(SAMPLES), targets(lived, random.Random(SEED))):
        said = lived.restore(*words)
        end = check_report(lived, said, words)
        assert end == last_in(lived.groups, is_out(words))
        lived.expect(end)
        at_changes += lived.writer.at(end) is not None
        fulls.add(said["base"])
    assert SAMPLES < 100 or (at_changes > SAMPLES // 10 and len(fulls) == 4)


def test_plan_dry_run_and_restore_say_the_same(lived):
    into = {"DATABASE_URL": lived.target.restore_url(db=DATABASE)}
    before = lived.target.fingerprint()
    for _, words in zip(range(6), targets(lived, random.Random(SEED + 1))):
        explained = explain(lived.product, words)
        dry = lived.product.run("restore", *words, "--force", "--dry-run", "--json", env=into).json()
        assert explained.items() <= dry.items()
        check_report(lived, dry, words)
    assert lived.target.fingerprint() == before
    assert lived.restore(*words).items() <= dry.items()


def explain(product, words, expect=0):
    """It takes a time without an option."""
    said = words[1:] if words[0] == "--target-time" else words
    return product.run("explain", *said, "--json", expect=expect).json()


def test_latest_is_everything_that_is_kept(lived):
    said = lived.restore("--target-time", "latest")
    end = parse_optime(lived.backups["last"]["end_optime"])
    (last,) = [group for group in lived.groups if group[-1]["ts"] == end]
    assert said["last_in"] == mark(last, last[-1]) and "first_out" not in said
    lived.expect(end)


# -- what cannot ----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def holey(lived, module_tmp):
    """The same repository without two of its incremental backups: three windows."""
    product = Product(module_tmp / "holey", database_url=lived.source.url(db=DATABASE))
    product.key = lived.product.key
    copy_of(lived.product.repository, product.repository)
    for name in ("second", "fourth"):
        remove(product, lived.backups[name]["name"])
    check_windows(lived, windows(product), {
        "first full": "first", "second full": "second full", "third full": "last"})
    return product


REASONS = {(False, True): "it is before the first backup is consistent", (True, True): "it is in a gap: nothing covers ",
           (True, False): "it is after the end of what is kept: "}


def test_whatever_lies_outside_the_windows_is_refused_and_what_is_nearest_is_named(lived, holey):
    moments, found, met = random.Random(SEED + 3), windows(holey), set()
    there = lived.target.fingerprint()
    for number in range(REFUSALS):
        words, before, after = outside(moments, number, found)
        said = explain(holey, words, expect=UNREACHABLE)
        assert (said["code"], said["reachable"]) == ("unreachable_target", False)
        assert said["nearest_before"] == (before and nearest(before, "to"))
        assert said["nearest_after"] == (after and nearest(after, "from"))
        assert said["reason"].startswith(REASONS[bool(before), bool(after)])
        met.add((words[0], before and before["base"], after and after["base"]))
        if number % 5 == 0:
            check_refused(lived, holey, words, said)
    assert lived.target.fingerprint() == there
    assert len(met) == len(KINDS_OF_TARGET) * (len(found) + 1)


def nearest(window, end):
    return {"base": window["base"], "line": 0, "position": window[end + "_position"], "time": window[end]}


def check_refused(lived, product, words, explained):
    into = {"DATABASE_URL": lived.target.restore_url(db=DATABASE)}
    done = product.run("restore", *words, "--force", "--drop-old", "--json", env=into, expect=UNREACHABLE).json()
    assert done["code"] == "unreachable_target" and explained["reason"].split(":")[0] in done["error"]["fact"]
    for instant in filter(None, (explained["nearest_before"], explained["nearest_after"])):
        assert f"{instant['time']} ({instant['position']})" in done["error"]["fact"] + done["error"]["hint"]


def outside(moments, number, found):
    """Words of the `number`-th target before, between or after the windows, with the window before it and the one after
    it; half of them are as near to one of the two as can be."""
    kind, place = divmod(number, len(found) + 1)
    option = KINDS_OF_TARGET[kind % len(KINDS_OF_TARGET)]
    before, after = [None, *found][place], [*found, None][place]
    if option == "--target-time":
        start = parse_instant(before["to"] if before else "2000-01-01T00:00:00Z")
        end = parse_instant(after["from"] if after else "2100-01-01T00:00:00Z")
        steps = within(moments, before, (end - start) // MICROSECOND - 1, after)
        return (option, in_some_zone(moments, start + steps * MICROSECOND)), before, after
    start = point(parse_optime(before["to_position"])) if before else 1 << 32
    end = point(parse_optime(after["from_position"])) if after else NEWEST_SECOND << 32
    place = start + within(moments, before, end - start - 1, after)
    return (option, optime_text(place + (option == "--oplog-limit"))), before, after


def within(moments, before, last, after):
    """1 to `last`: often 1, next to the window before it, or `last`, next to the one after it."""
    return moments.choice([moments.randint(1, last)] * 2 + [1] * bool(before) + [last] * bool(after))


def test_what_is_named_as_nearest_works_to_the_last_one(lived, holey):
    instants = [(window, end) for window in windows(holey) for end in ("from", "to")]
    for window, end in instants:
        for words in (("--target-time", window[end]), ("--target-position", window[end + "_position"])):
            assert explain(holey, words)["reachable"]
    for window, end in instants[:max(2, SAMPLES)]:
        words = ("--target-time", window[end])
        lived.restore(*words, product=holey)
        lived.expect(last_in(lived.groups, is_out(words)))
