"""Why this exists: an incremental backup of PostgreSQL should cost what fetching the WAL costs, and an idle database nothing."""

import subprocess
import time

import data
import wal_writer
from figures import judge
from lib.postgres import SUPERUSER_PASSWORD, PostgresServer
from measure import Contestant, compare, run_once

PASSPHRASE = "0123456789abcdef" * 4
IDLE_ROUNDS = 3


class IncrementalBench:
    """Both fetch the same range again and again: a slot of the bench's keeps it at the server. pg_receivewal writes to a folder in
    memory and does not sync, the nearest to /dev/null that it offers, and fills up its last segment's file with zeros."""

    def __init__(self, folder, binary, rounds, megabytes):
        self.folder, self.binary, self.rounds = folder, binary, rounds
        self.repository = folder / "incremental"
        self.server = PostgresServer.create(15, folder / "incremental-server", shared_buffers="512MB", max_wal_size="4GB", autovacuum="off")
        data.load(self.server, 0.3)
        self.environment = {
            "DATABASE_URL": self.server.url(via="socket"), "BACKUP_DIR": f"{self.repository}", "LOG_DIR": f"{folder}/log",
            "BACKUP_ENCRYPTION_KEY": PASSPHRASE, "PGPASSWORD": SUPERUSER_PASSWORD, "TMPDIR": str(folder)}
        self.back_up("--type full")
        self.back_up("--type incremental")  # makes the slot
        self.kept = set(self.repository.rglob("*"))
        self.server.sql("SELECT pg_create_physical_replication_slot('bench', true)")
        self.start, _ = wal_writer.write_wal(self.server, megabytes)
        self.server.sql("SELECT pg_switch_wal()")
        self.end = wal_writer.lsn(self.server)
        self.bytes = wal_writer.bytes_between(self.server, self.start, self.end)

    def back_up(self, arguments):
        run_once(self.ours(f"backup {arguments}"))

    def ours(self, name, before=None):
        return Contestant(name, f"{self.binary} {name} --quiet", before, environment=self.environment)

    def forget(self):
        """The repository is again what it was before the WAL was written."""
        for path in set(self.repository.rglob("*")) - self.kept:
            path.unlink()

    def new_slot(self):
        """pg_receivewal moves its slot on."""
        self.server.sql("SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE slot_name = 'peer'")
        self.server.sql("SELECT pg_copy_physical_replication_slot('bench', 'peer')")

    def run(self):
        try:
            self.fetch()
            self.bytes_stored()
            self.idle()
        finally:
            self.server.stop("immediate")

    def receive(self, end, options=""):
        return (f"folder=$(mktemp -d -p /dev/shm) && trap 'rm -rf $folder' EXIT && {self.server.bin}/pg_receivewal -h {self.server.folder} "
                f"-p {self.server.port} -U postgres -D $folder --slot peer --no-sync --no-loop --endpos {end} {options}")

    def fetch(self):
        # It ends beyond the position that it is told.
        end = self.server.value(f"SELECT ('{self.end}'::pg_lsn - 1)::text")
        ours = self.ours("backup --type incremental", self.forget)
        peer = Contestant("pg_receivewal to memory", self.receive(end), self.new_slot, environment=self.environment)
        gzip = Contestant("pg_receivewal --compress=gzip:1 to memory", self.receive(end, "--compress=gzip:1"), self.new_slot,
                          environment=self.environment)
        compare(f"Incremental backup of {self.bytes / 1e6:.0f} MB of WAL, encrypted", [ours, peer, gzip], self.rounds)
        judge("incremental, seconds, beside 1.3 x pg_receivewal + 1", ours.seconds, at_most=1.3 * peer.seconds + 1, unit=" s")

    def bytes_stored(self):
        stored = sum(path.stat().st_size for path in set(self.repository.rglob("*")) - self.kept)
        judge("incremental, bytes stored / igzip -1 of the same WAL", stored / self.igzip(), at_most=1.05)

    def igzip(self):
        """Of exactly the bytes of the range, from the server's files."""
        first, offset = self.server.sql("SELECT file_name, file_offset FROM pg_walfile_name_offset(%s)", parameters=(self.start,))[0]
        files = sorted(path for path in (self.server.data / "pg_wal").glob("0*") if len(path.name) == 24 and path.name >= first)
        packed, left = self.folder / "wal.gz", self.bytes
        with open(packed, "wb") as out, subprocess.Popen(["igzip", "-1", "-c"], stdin=subprocess.PIPE, stdout=out) as igzip:
            for path in files:
                piece = path.read_bytes()[offset:][:left]
                igzip.stdin.write(piece)
                offset, left = 0, left - len(piece)
        return packed.stat().st_size

    def idle(self):
        """One after the other, with nothing written between them. Two that begin in one second wait for another name."""
        ours, stored = self.ours("backup --type incremental", lambda: time.sleep(1.1)), []
        for _ in range(IDLE_ROUNDS):
            before = set(self.repository.rglob("*"))
            ours.runs.append(run_once(ours))
            stored.append(sum(path.stat().st_size for path in set(self.repository.rglob("*")) - before))
        judge("incremental of an idle database, seconds", ours.seconds, at_most=1, unit=" s")
        judge("incremental of an idle database, bytes stored", max(stored) / 1000, at_most=100, unit=" KB", digits=1)
