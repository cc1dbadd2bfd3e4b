"""Why this exists: crash campaigns over several destinations play the same story again and again, each time with another
death, in lanes beside each other, and ask the same of all places after each of them."""

import concurrent.futures
import dataclasses
import random
import time

from lib import crash
from lib.crash_places import CrashPlaces, deaths_at, errors_at, lasting, names_in, objects_of, unfinished

SEED = 20240115
LANES = 2
# Of all points; CI has no time for as many of these as of others.
EVERY = 1 if crash.SAMPLE == 1 else 5 * crash.SAMPLE
INCOMPLETE, USAGE = 3, 2
REFUSED = (0, crash.FAILED, INCOMPLETE, crash.STORE, crash.SPACE)


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

    known = ()  # what objects may begin with that are neither of a backup nor of retention

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
            assert unfinished(objects, *self.known) == [], place
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
    """Where stories are played; each point that was met goes to `tally`."""

    def __init__(self, folder, minio, gcs, tally, lane=Lane):
        self.folder, self.tally, self.random = folder, tally, random.Random(SEED)
        self.lanes = [lane(folder / f"lane-{number}", minio, gcs) for number in range(LANES)]
        for one in self.lanes:
            one.key = self.lanes[0].key
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
        concurrent.futures.wait(played)  # of whichever fails, the other one is no longer at it
        return [said for hand in played for said in hand.result()]

    def campaign(self, story, least, part=lambda steps: range(len(steps))):
        """Deaths at every step, of which there are `least` or more, and errors of the store at each kind of step. `part`:
        which of the steps these are, by their places, where not all."""
        steps = self.lanes[0].steps(story)
        chosen = {*part(steps)}
        deaths = [point for place, point in enumerate(deaths_at(steps)) if place in chosen]
        assert len(deaths) >= least, steps
        deaths, errors = (self.sampled(points) for points in (deaths, errors_at(deaths)))
        self.deal([*deaths, *errors], lambda lane, *point: lane.meets(story, *point))
        for name, *_ in deaths:
            self.tally.add(f"{name} of {story.kind}")

    def sampled(self, points):
        """From another one on each time, so that together they meet all kinds."""
        self._campaigns += 1
        return points[self._campaigns % EVERY :: EVERY]

    def at_any_moment(self, story, moments):
        """So many of them, at random, where all points are met."""
        usual = self.lanes[0].seconds(story)
        points = [(self.random.uniform(0, usual),) for _ in range(max(1, moments // EVERY))]
        died = self.deal(points, lambda lane, seconds: lane.dies_after(story, seconds))
        for _ in filter(None, died):
            self.tally.add(f"any moment of {story.kind}")
