"""Why this exists: retention lets a streamed log go only when it is days old. Here a server lives through a month in
seconds, with backups and streams, and each object of its log is known by what it is for."""

import json
import shutil

from lib.crash import MANIFEST
from lib.log_objects import NAME
from lib.log_writer import LogWriter
from lib.postgres import PostgresServer, hand_over
from lib.recovered import back_up, wait_until_promoted
from lib.stepped_clock import SteppedClock
from lib.streaming import Stream, number, position, wait_for

LOGS, RECORD = "log/", "log.json"
DAY_SECONDS = 24 * 60 * 60
SYNCHRONOUS = {"STREAM_SYNCHRONOUS": "true"}  # each commit becomes an object at once


class AgedServer:
    """A server and the runs of `product` with it, whose clock is behind by the days that are said. A context manager."""

    def __init__(self, folder, product, major=15):
        folder.mkdir()
        folder.chmod(0o755)
        self.product, self.copy, self.writer = product, folder / "copy", None
        self.clock = SteppedClock(folder)
        # A clock that jumps is no sender that is away.
        settings = {"max_prepared_transactions": 20, "wal_sender_timeout": 0}
        self.server = PostgresServer(major, folder / "server", settings=settings)
        self.server.more_environment = self.clock.environment

    def __enter__(self):
        self.server.initialise()
        self.server.start()
        # What each full backup is the smaller without.
        self.server.sql("UPDATE pg_database SET datistemplate = false WHERE datname = 'template0'")
        self.server.sql("DROP DATABASE template0")
        return self

    def __exit__(self, *_):
        self.server.stop("immediate")

    def days_ago(self, days):
        self.clock.step_to(-days * DAY_SECONDS)

    @property
    def environment(self):
        """Of the product's runs."""
        return self.product.settings | self.clock.environment | {"DATABASE_URL": self.server.url()}

    def begin_writing(self, days):
        self.days_ago(days)
        self.writer = LogWriter(self.server, sessions=1)

    def back_up(self, kind, days):
        """The backup's name."""
        self.days_ago(days)
        return back_up(self.product, kind, env=self.environment)["name"]

    def stream(self, *days):
        """Some rows on each of those days. Gives the keys of the new objects, the oldest first. What came before is in
        WAL segments of its own: a full backup takes whole ones."""
        before = self.log_keys()
        self.days_ago(days[0])
        self.server.sql("SELECT pg_switch_wal()")
        with Stream(self.product, env=self.environment | SYNCHRONOUS) as stream:
            stream.wait_until_streaming()
            for day in days:
                self.days_ago(day)
                self.writer.rows(3)
                end = number(position(self.server))
                wait_for(lambda: self.confirmed() >= end, "all of it is kept")
        return sorted((key for key in self.log_keys() - before if is_object(key)), key=range_of)

    def log_keys(self):
        return {key for key in self.product.objects() if key.startswith(LOGS)}

    def confirmed(self):
        return max(map(number, (at for (at,) in self.server.sql("SELECT restart_lsn::text FROM pg_replication_slots") if at)),
                   default=0)

    def keep_copy(self):
        self.server.stop()
        shutil.copytree(self.server.data, self.copy)
        self.server.start()

    def put_back(self):
        """To the copy: whatever is written from now on is another log."""
        self.writer.close()
        self.server.stop()
        shutil.rmtree(self.server.data)
        self.copy.rename(self.server.data)
        hand_over(self.server.data)
        self.server.start()

    def promote(self):
        """Its log goes over to another line."""
        self.writer.close()
        self.server.stop()
        (self.server.data / "recovery.signal").touch()
        self.server.settings["restore_command"] = "false"
        self.server.start()
        wait_until_promoted(self.server)
        self.writer.connect()


class AgedLog:
    """What `product` has in its folder after a month, when six days are promised: of a log that nothing needs any more
    a chain and streamed objects, on two lines; of the log after it a chain that is held, with objects that lead to its end
    and others after it, and a full backup with the objects that reach over the last days."""

    settings = {"RETENTION_DAYS": 6}

    def __init__(self, product, folder):
        with AgedServer(folder, product) as aged:
            self._make_first_log(aged)
            self._make_second_log(aged)
        self.before = {key: (product.repository / key).read_bytes() for key in product.objects()}
        self.gone, self.kept = self.first, [*self.held, self.last]
        self.parents = {chain[1]: chain[0] for chain in (self.first, self.held)}
        log = {key for key in self.before if key.startswith(LOGS)}
        self.first_id, self.second_id = map(log_of, (self.of_first[0], self.to_held[0]))
        self.kept_log = {*self.to_held, *self.to_last, f"{LOGS}{self.second_id}/{RECORD}"}
        self.gone_log = log - self.kept_log
        self._facts = {key.removesuffix(MANIFEST): json.loads(content)["log"] for key, content in self.before.items()
                       if key.endswith(MANIFEST)}

    def _make_first_log(self, aged):
        aged.keep_copy()
        aged.begin_writing(31)
        full = aged.back_up("full", 30)
        self.of_first = aged.stream(29)
        aged.promote()
        self.of_first += aged.stream(28)
        self.first = [full, aged.back_up("incremental", 27)]
        self.of_first += aged.stream(26)
        aged.put_back()

    def _make_second_log(self, aged):
        aged.begin_writing(21)
        full = aged.back_up("full", 20)
        self.to_held = aged.stream(19)
        aged.writer.rows(3)
        self.held_commit = aged.writer.commits[-1]
        self.held = [full, aged.back_up("incremental", 18)]
        aged.stream(17, 16)  # what nothing needs
        self.last = aged.back_up("full", 10)
        self.to_last = aged.stream(9, 4, 2)
        self.last_commit = aged.writer.commits[-2]  # there is one after it
        aged.writer.close()

    def reaches(self, log, start, end, names, keys):
        """Whether the log's bytes are there from one position to another, in those backups and objects."""
        ranges = [range_of(key)[1:] for key in keys if log_of(key) == log and is_object(key)]
        for name in names:
            if name in self._facts and self._facts[name]["id"] == log:
                ranges += [(int(one["start"], 16), int(one["end"], 16)) for one in self._facts[name]["ranges"]]
        for first, last in sorted(ranges):
            if first <= start:
                start = max(start, last)
        return start >= end

    def check_chains(self, names, keys):
        """Each incremental backup that is listed can be restored."""
        for name, root in self.parents.items():
            if name in names:
                facts, base = self._facts[name], self._facts[root]["consistent"]
                end = int(facts["ranges"][-1]["end"], 16)
                assert self.reaches(facts["id"], int(base["at"], 16), end, names, keys), f"{name} is listed in vain"


def is_object(key):
    return NAME.fullmatch(key.rpartition("/")[2]) is not None


def log_of(key):
    return key.split("/")[1]


def range_of(key):
    """(line, start, end)"""
    named = NAME.fullmatch(key.rpartition("/")[2])
    return tuple(int(named[part], 16) for part in ("line", "start", "end"))
