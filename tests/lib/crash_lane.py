"""Why this exists: what crash campaigns over `stream` share: several streams of one server at once, each into a
repository of its own, which die and are looked at after each death."""

import concurrent.futures
import contextlib
import time

from lib import crash
from lib.kept_log import KeptLog, partials_below
from lib.product import Product
from lib.streaming import TERMINATED, Stream, wait_for

LANES = 3
LOG_SHOWN_MAX = 10_000
# Each commit becomes an object at once, and they are merged now and then; or very soon.
SYNCHRONOUS = {"STREAM_SYNCHRONOUS": "true", "STREAM_SEAL_OBJECTS": 20}
MERGED = {"STREAM_SEAL_OBJECTS": 2}
UNMERGED = {"STREAM_SYNCHRONOUS": "false", "STREAM_SEAL_OBJECTS": 100_000}
INJECTED = ("Input/output error", "No space left on device")

# The steps of a stream that goes on. The first thing created is the claim that it is the only one.
OBJECT_STEPS = (
    "log.put", "store.local.create", "store.local.write", "store.local.sync", "store.local.rename",
    "store.local.sync_folder", "stream.confirm",
)
MERGE_STEPS = ("log.seal", "log.seal_erase", "store.local.erase")


def times(count):
    return max(1, count // crash.SAMPLE)


def sampled(points):
    """Every SAMPLE-th, and in any case one of each kind: a point's first word."""
    first = {kind: place for place, (kind, *_) in reversed([*enumerate(points)])}
    return [point for place, point in enumerate(points) if place % crash.SAMPLE == 0 or place in first.values()]


class Lane:
    """A repository with a full backup, and the streams into it, one after the other. `own`, `position`: what the server
    has of its log, and where that ends, as (line, place)."""

    def __init__(self, url, folder, own, position):
        self.folder, self.own, self.position = folder, own, position
        self.product = Product(folder / "product", database_url=url)
        self.product.run("backup", "--type", "full")
        self.kept = KeptLog(self.product, own)
        self.kept.prove()

    def stream(self, env=None):
        return Stream(self.product, env={**SYNCHRONOUS, **(env or {})})

    def meets(self, name, occurrence, action):
        """A stream that dies at that step, is asked to stop there, or goes on after an error."""
        stream = self.stream({**crash.armed(occurrence, action, name), **(MERGED if name in MERGE_STEPS else {})})
        if action in ("kill", "stop"):
            stream.wait(expect=crash.OUTCOMES[action][0])
        else:
            wait_for(lambda: any(text in stream.running.err_so_far() for text in INJECTED), "the error is told")
            before = self.kept.end_by_names()
            wait_for(lambda: self.kept.end_by_names() > before or not stream.is_alive, "it goes on")
            self.stop(stream)
        self.prove()

    def dies_at(self, seconds, env=None):
        stream = self.stream(env)
        time.sleep(seconds)
        stream.kill()
        self.prove()

    def catch_up(self, stream):
        """Until all is kept that the server has now."""
        wanted = self.position()
        wait_for(lambda: self.kept.end_by_names() >= wanted or not stream.is_alive, f"kept up to {wanted}")
        assert stream.is_alive, stream.running.err_so_far()

    def catch_up_and_stop(self):
        stream = self.stream()
        self.catch_up(stream)
        self.stop(stream)

    @staticmethod
    def stop(stream):
        stream.running.signal()
        stream.wait(expect=TERMINATED)

    def prove(self):
        try:
            self.kept.prove()
        except AssertionError as error:
            told = (path.read_text()[-LOG_SHOWN_MAX:] for path in sorted(self.product.logs.glob("*.log")))
            raise AssertionError("\n".join([str(error), *told])) from error

    prove_alive = prove

    def is_whole(self):
        """At the end of many crashes: nothing is missing, and the next backup leaves nothing of the dead."""
        self.catch_up_and_stop()
        self.prove()
        self.product.run("backup", "--type", "incremental", "--no-promote")
        self.prove()
        assert partials_below(self.product.repository) == [] and list(self.product.temporary.iterdir()) == []
        assert "is good" in self.product.run("verify", "--chain", "latest").out


class Stage:
    """One server that is written to all the time, and several lanes at once: most of a stream's life is waiting."""

    def __init__(self, server, writer, lanes, tally):
        self.server, self.writer, self.lanes, self.tally = server, writer, lanes, tally
        self._pool = concurrent.futures.ThreadPoolExecutor(LANES)

    def deal(self, points, act):
        """`act(lane, *point)` for each; a point's first word is its kind."""
        hands = [points[place::LANES] for place in range(LANES)]

        def play(lane, hand):
            for point in hand:
                act(lane, *point)

        for done in [self._pool.submit(play, *pair) for pair in zip(self.lanes, hands)]:
            done.result()
        for kind, *_ in points:
            self.tally.add(kind)

    def each(self, act, *more):
        list(self._pool.map(act, self.lanes, *more))

    def server_dies(self, kill, moments, count):
        """Below a stream in each lane, which goes on by itself."""
        with contextlib.ExitStack() as leave:
            streams = [leave.enter_context(lane.stream(UNMERGED)) for lane in self.lanes]
            for _ in range(count):
                time.sleep(moments.uniform(0.1, 0.5))
                kill(self.server)
                self.server.start()
                self.each(Lane.catch_up, streams)
                self.each(type(self.lanes[0]).prove_alive)
                self.add("the server")

    def both_die(self, kill, moments, count):
        for _ in range(count):
            streams = [lane.stream() for lane in self.lanes]
            time.sleep(moments.uniform(0, 0.5))
            kill(self.server)
            for stream in streams:
                stream.running.kill()
                stream.wait(expect=crash.KILLED)
            self.server.start()
            self.each(type(self.lanes[0]).prove)
            self.add("both")

    def add(self, kind):
        for _ in self.lanes:
            self.tally.add(kind)
