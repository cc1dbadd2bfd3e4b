"""Why this exists: a crash campaign asks after each of hundreds of crashes whether all that was kept is still there,
without a gap, and is the server's own. Here each object is opened once in its life, by stock tools, and only what is
new costs time."""

import contextlib
import json
import os
import pathlib
import re
import signal
import threading
import time

import bson
import psycopg
from bson import Timestamp
from bson.raw_bson import RawBSONDocument
from pymongo.errors import PyMongoError

from lib.log_objects import NAME, LogObject, StreamedLog
from lib.streaming import SEGMENT, lsn_text, number, segment_name

SECONDS_MAX = 60
MERGES_MAX = 10  # while what is kept is read
AGAIN_SECONDS = 0.02
PAUSE_SECONDS = 0.004  # between two commits: the campaign wants many crashes, not much log


class KeptLog:
    """What a repository keeps of one database's log, from its full backup on: streamed objects and the ranges of
    backups.

    `own`: a function (line, start, end) that gives the server's own bytes there.
    """

    def __init__(self, product, own):
        self.product, self.own = product, own
        self.repository = pathlib.Path(product.repository)
        self._proved = {}  # what an object's file was when it was proved
        self._key = None
        self._starts, self._ends = {}, {}

    def prove(self):
        """Where what is kept ends, as (line, position). Every object is what it was, or is new and the server's own;
        nothing is missing between two; the end is never before one that was there already."""
        for _ in range(MERGES_MAX):
            with contextlib.suppress(FileNotFoundError):  # of an object that went into a larger one meanwhile
                return self._prove()
        raise AssertionError("objects go all the time")

    def _prove(self):
        objects = self._objects()
        fresh = [path for path in objects if self._identity(path) != self._proved.get(path)]
        assert not [path.name for path in fresh if path in self._proved], "an object was written again"
        for path in fresh:
            self._prove_object(path)
        self._proved = {path: self._identity(path) for path in objects}
        return self._prove_ranges(objects)

    @property
    def end(self):
        """As the last proof found it."""
        line = max(self._ends)
        return line, self._ends[line]

    def end_by_names(self):
        """The same, of a stream that runs, by names alone."""
        return max((line, end) for line, _, end in [*map(range_of, self._objects()), *self._ranges_of_backups()])

    def _objects(self):
        return sorted(path for path in self.repository.glob("log/*/*/*.log*") if not path.name.startswith("."))

    @staticmethod
    def _identity(path):
        found = path.stat()
        return found.st_ino, found.st_size, found.st_mtime_ns

    def _prove_object(self, path):
        self._key = self._key or StreamedLog(self.product).key
        one = LogObject(self.repository, path, self._key)
        assert one.plain() == self.own(one.line, one.start, one.end), f"{one.key} is not what the server has"

    def _prove_ranges(self, objects):
        ranges = [range_of(path) for path in objects] + self._ranges_of_backups()
        ends = {}
        for line, start, end in sorted(ranges):
            first = self._starts.setdefault(line, start)
            assert start >= first, f"line {line} begins elsewhere"
            assert start <= ends.setdefault(line, first), f"a gap before {start:X} of line {line}"
            ends[line] = max(ends[line], end)
        for line, end in self._ends.items():
            assert ends.get(line, 0) >= end, f"line {line} was kept up to {end:X}"
        lines = sorted(ends)
        assert [ends[line] for line in lines[:-1]] == [self._starts[line] for line in lines[1:]]
        self._ends = ends
        return self.end

    def _ranges_of_backups(self):
        return [
            (int(one["line"], 16), int(one["start"], 16), int(one["end"], 16))
            for path in sorted(self.repository.glob("*.manifest.json"))
            for one in json.loads(path.read_text())["log"]["ranges"]
        ]

    def lines(self):
        """[(line, start, end)] as the last proof found them."""
        return [(line, self._starts[line], end) for line, end in sorted(self._ends.items())]

    @property
    def log_id(self):
        """Of the newest backup."""
        return json.loads(max(self.repository.glob("*.manifest.json")).read_text())["log"]["id"]


def range_of(path):
    named = NAME.fullmatch(path.name)
    return tuple(int(named[part], 16) for part in ("line", "start", "end"))


def partials_below(folder):
    """Files of objects that nobody finished, but the claim of the one stream."""
    return [path.name for path in pathlib.Path(folder).rglob(".*.partial") if path.name != ".stream.lock.partial"]


# -- PostgreSQL --------------------------------------------------------------------------------------


def wal_of(server):
    """The server's own bytes of a range, as KeptLog asks for them."""

    def own(line, start, end):
        data = bytearray()
        for place in range(start // SEGMENT * SEGMENT, end, SEGMENT):
            with segment_of(server, line, place).open("rb") as segment:
                segment.seek(max(start - place, 0))
                data += segment.read(min(end - place, SEGMENT) - max(start - place, 0))
        return bytes(data)

    return own


def segment_of(server, line, place):
    """A segment in which the server changed its line is there once more on the new one, with all that came before."""
    for one in range(line, line + 10):
        path = server.data / "pg_wal" / segment_name(one, place)
        if path.exists():
            return path
    raise AssertionError(f"the server has no {segment_name(line, place)}")


def kill_all(server):
    """kill -9 of the server and of all its children at once, so that none has a last word; it can be started again."""
    os.kill(server.pid, signal.SIGSTOP)  # or it would replace those that die
    children = pathlib.Path(f"/proc/{server.pid}/task/{server.pid}/children").read_text().split()
    for pid in [*children, server.pid]:
        os.kill(int(pid), signal.SIGKILL)
    deadline = time.monotonic() + SECONDS_MAX
    while any(map(is_alive, children)):
        assert time.monotonic() < deadline, "a killed process is still there"
        time.sleep(0.005)
    server.stop("immediate")


def is_alive(pid):
    try:
        return pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def commits_between(server, start, end, line=1):
    """{transaction: where its commit's record begins} of the server's own WAL."""
    text = server.program(
        "pg_waldump", "-p", server.data / "pg_wal", "-t", line, "-s", lsn_text(start), "-e", lsn_text(end),
        "-r", "Transaction",
    )
    found = re.findall(r"tx:\s*(\d+), lsn: ([0-9A-F]+/[0-9A-F]+), .*desc: COMMIT ", text)
    return {int(xid): number(lsn) for xid, lsn in found}


class SteadyWriter:
    """Commits a row after the other in a thread, over every crash of the server, until it is stopped. `acknowledged` are
    the transactions whose commit returned. A context manager."""

    def __init__(self, server):
        self.server, self.acknowledged = server, set()
        self._leave = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self.begin = number(server.value("SELECT pg_current_wal_flush_lsn()::text"))
        server.sql("CREATE TABLE IF NOT EXISTS steady (n bigserial PRIMARY KEY, filler text)")

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._leave.set()
        self._thread.join(SECONDS_MAX)

    def _run(self):
        while not self._leave.is_set():
            with contextlib.suppress(psycopg.Error), contextlib.closing(self.server.connect()) as connection:
                while not self._leave.is_set():
                    self._commit(connection)
                    time.sleep(PAUSE_SECONDS)
            time.sleep(AGAIN_SECONDS)

    def _commit(self, connection):
        ((xid,),) = connection.execute(
            "INSERT INTO steady (filler) SELECT string_agg(md5(random()::text), '') FROM generate_series(1, 20)"
            " RETURNING pg_current_xact_id()::text"
        ).fetchall()
        self.acknowledged.add(int(xid))


def rows_of(server):
    """The transactions that made the rows which the server shows, sorted: each of them made one."""
    return sorted(int(xid) for (xid,) in server.sql("SELECT xmin::text FROM steady"))


# -- MongoDB -----------------------------------------------------------------------------------------


def point(optime):
    return optime.time << 32 | optime.inc


def newest_point(server):
    """Of the last change, as a position in the oplog's one line; notes that nothing happened are kept later."""
    return 0, point(server.newest_change()["ts"])


def optime_of(place):
    return Timestamp(place >> 32, place & 0xFFFFFFFF)


def oplog_of(server):
    """The server's own entries after `start` up to `end`, as KeptLog asks for them."""

    def own(_, start, end):
        oplog = server.client().get_database("local", bson.CodecOptions(document_class=RawBSONDocument))["oplog.rs"]
        wanted = {"ts": {"$gt": optime_of(start), "$lte": optime_of(end)}}
        return b"".join(entry.raw for entry in oplog.find(wanted).sort("ts", 1))

    return own


# A writer does not wait for long for a server that was killed.
SHORT = {"retryWrites": False, "serverSelectionTimeoutMS": 500, "socketTimeoutMS": 2000}


class SteadyInserter:
    """The same for MongoDB: inserts documents 1, 2, 3, ...; `acknowledged` are the numbers of those whose insert returned."""

    def __init__(self, server):
        self.server, self.tried, self.acknowledged = server, 0, set()
        self._leave = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._leave.set()
        self._thread.join(SECONDS_MAX)

    def _run(self):
        while not self._leave.is_set():
            with contextlib.suppress(PyMongoError):
                self._insert(self.server.client(**SHORT).steady.numbers)
            time.sleep(PAUSE_SECONDS)

    def _insert(self, collection):
        self.tried += 1
        collection.insert_one({"_id": self.tried, "filler": "x" * 2000})
        self.acknowledged.add(self.tried)
