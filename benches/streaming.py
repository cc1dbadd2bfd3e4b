"""Why this exists: what `stream` promises is counted in seconds of lost work. An outside writer commits a thousand times a second, and
an outside observer looks when the repository has each commit; then the same server, synchronous, is thrown away at once."""

import itertools
import os
import re
import shutil
import statistics
import subprocess
import threading
import time

import psycopg

from figures import judge
from lib.postgres import PostgresServer
from lib.streaming import number, wait_for
from measure import Contestant, run_once

PASSPHRASE = "0123456789abcdef" * 4
COMMITS_PER_SECOND = 1_000
FILLER_BYTES = 4_800  # a commit; with its records about 5 MB of WAL a second
LOOK_EVERY_SECONDS = 0.02
SYNCHRONOUS_SECONDS = 5
OBJECT = re.compile(r"[0-9A-F]{8}-[0-9A-F]{16}-(?P<end>[0-9A-F]{16})-.*\.log(\.gz)?(\.enc)?")
TICKS = os.sysconf("SC_CLK_TCK")


class Stream:
    def __init__(self, binary, environment, log):
        self.process = subprocess.Popen([binary, "stream", "--quiet"], env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log)

    def cpu_seconds(self):
        fields = open(f"/proc/{self.process.pid}/stat").read().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / TICKS

    def peak_mib(self):
        status = open(f"/proc/{self.process.pid}/status").read()
        return int(re.search(r"VmHWM:\s+(\d+)", status)[1]) / 1024

    def stop(self):
        self.process.terminate()
        self.process.wait(30)


class Observer:
    """Notes when the repository first shows an object that reaches further than all before: a name is there only when all of the
    object is."""

    def __init__(self, folder):
        self.folder, self.reached, self._leave = folder, [(0, 0)], threading.Event()
        self._thread = threading.Thread(target=self._look)
        self._thread.start()

    def _look(self):
        while not self._leave.wait(LOOK_EVERY_SECONDS):
            ends = [int(found["end"], 16) for path in self.folder.glob("log/*/*/*") if (found := OBJECT.fullmatch(path.name))]
            if ends and max(ends) > self.reached[-1][1]:
                self.reached.append((time.monotonic(), max(ends)))

    def reaches(self, position):
        return self.reached[-1][1] >= position

    def stop(self):
        self._leave.set()
        self._thread.join()

    def delays(self, commits):
        """For each commit (when, position): seconds until an object covered it."""
        found, at = [], 0
        for when, position in commits:
            while self.reached[at][1] < position:
                at += 1
            found.append(max(0.0, self.reached[at][0] - when))
        return found


class StreamBench:
    """One stream with the settings that a new installation has."""

    def __init__(self, folder, binary, seconds):
        self.folder, self.binary, self.seconds = folder / "stream", binary, seconds
        self.folder.mkdir()
        self.repository = self.folder / "ours"
        self.server = PostgresServer.create(15, self.folder / "server", shared_buffers="256MB", max_wal_size="4GB")
        self.server.sql("CREATE TABLE numbered (n bigint PRIMARY KEY, filler bytea)")
        self.server.sql("ALTER TABLE numbered ALTER filler SET STORAGE EXTERNAL")
        self.environment = {
            "PATH": os.environ["PATH"], "DATABASE_URL": self.server.url(via="socket"), "BACKUP_DIR": f"{self.repository}",
            "LOG_DIR": f"{self.folder}/log", "BACKUP_ENCRYPTION_KEY": PASSPHRASE, "TMPDIR": str(self.folder)}
        run_once(Contestant("backup", f"{binary} backup --type full --quiet", environment=self.environment))

    def run(self):
        try:
            self.exposure()
            self.synchronous()
        finally:
            self.server.stop("immediate")

    def start(self, **settings):
        with open(self.folder / "stream.out", "ab") as log:
            stream = Stream(self.binary, {**self.environment, **settings}, log)
        wait_for(lambda: self.server.value("SELECT count(*) FROM pg_stat_replication WHERE state = 'streaming'") == 1, "streaming")
        return stream

    def write(self, first, stop, note, filler_bytes, rate=COMMITS_PER_SECOND):
        """Numbered rows from `first` on, `rate` a second as nearly as the server lets, until stop() or the server is gone. Of each
        commit that has returned: note(number, when, a position that no commit before it ends behind)."""
        begin, row = time.monotonic(), first
        with self.server.connect() as connection, connection.cursor() as cursor:
            while not stop():
                time.sleep(max(0.0, begin + (row - first) / rate - time.monotonic()))
                cursor.execute("INSERT INTO numbered VALUES (%s, %s) RETURNING pg_current_wal_flush_lsn()::text",
                               (row, os.urandom(filler_bytes)))
                note(row, time.monotonic(), number(cursor.fetchone()[0]))
                row += 1
        return row

    def exposure(self):
        """Asynchronous: how long a commit is in danger, and what the stream costs."""
        stream, observer, commits = self.start(), Observer(self.repository), []
        cpu, wal, begin = stream.cpu_seconds(), self.position(), time.monotonic()
        last = self.write(0, lambda: time.monotonic() > begin + self.seconds, lambda *commit: commits.append(commit), FILLER_BYTES)
        seconds, wal = time.monotonic() - begin, self.position() - wal
        wait_for(lambda: observer.reaches(commits[-1][2]), "covered")
        cpu, peak = stream.cpu_seconds() - cpu, stream.peak_mib()
        observer.stop()
        stream.stop()
        delays = observer.delays([(when, position) for (_, when, _), (_, _, position) in itertools.pairwise(commits)])
        centiles = statistics.quantiles(delays, n=100)
        print(f"\n## Stream, {last / seconds:.0f} commits and {wal / seconds / 1e6:.1f} MB of WAL a second for {seconds:.0f} s\n")
        print(f"- commit to repository: p50 {centiles[49]:.2f} s, p90 {centiles[89]:.2f} s, longest {max(delays):.2f} s")
        judge("commit to repository, p99", centiles[98], at_most=5, unit=" s")
        judge("processor at 5 MB/s of WAL", 100 * cpu / seconds * 5e6 / (wal / seconds), at_most=10, unit=" % of a core", digits=1)
        judge("peak memory", peak, at_most=64, unit=" MiB", digits=0)
        self.written = last

    def position(self):
        return number(self.server.value("SELECT pg_current_wal_flush_lsn()::text"))

    def synchronous(self):
        """While a writer commits, the server is killed and its folder removed; what is restored has every commit that returned."""
        stream = self.start(STREAM_SYNCHRONOUS="true")
        self.server.sql("""ALTER SYSTEM SET synchronous_standby_names = '"auth-service-backup"'""")
        self.server.sql("SELECT pg_reload_conf()")
        wait_for(lambda: self.server.value("SELECT count(*) FROM pg_stat_replication WHERE sync_state = 'sync'") == 1, "synchronous")
        returned, end = [], time.monotonic() + SYNCHRONOUS_SECONDS
        disaster = threading.Timer(SYNCHRONOUS_SECONDS, self.throw_away)
        disaster.start()
        try:
            self.write(self.written, lambda: False, lambda row, *_: returned.append(row), 200)
        except psycopg.Error:
            pass
        disaster.join()
        stream.stop()
        kept = self.restored_rows()
        lost = [row for row in returned if row not in kept]
        print(f"- synchronous, one client: {len(returned) / SYNCHRONOUS_SECONDS:.0f} commits a second")
        judge(f"commits lost of {len(returned)} that returned", len(lost), at_most=0, digits=0)

    def throw_away(self):
        self.server.stop("immediate")
        shutil.rmtree(self.server.data)

    def restored_rows(self):
        target = self.folder / "restored"
        run_once(Contestant("restore", f"{self.binary} restore --target-time latest --target-dir {target} --quiet", environment=self.environment))
        with PostgresServer.on(15, target, self.folder / "restored-server") as restored:
            wait_for(lambda: not restored.value("SELECT pg_is_in_recovery()"), "promoted")
            return {row for (row,) in restored.sql("SELECT n FROM numbered")}
