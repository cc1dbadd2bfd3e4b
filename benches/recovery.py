"""Why this exists: a service is down while its database recovers. How fast the server gets its WAL, and how long it takes from the
command to a promoted server, beside pgBackRest."""

import datetime
import re
import shlex
import shutil
import time

import data
import wal_writer
from figures import judge
from lib.postgres import SUPERUSER_PASSWORD, PostgresServer, _identity, free_port, hand_over
from measure import Contestant, compare, run_once

PASSPHRASE = "0123456789abcdef" * 4
SEGMENT_BYTES = 16 * 1024 * 1024
ARCHIVED_SECONDS_MAX = 300
FEEDER_ENDS_SECONDS = 0.2  # it looks every 2 ms
SETTINGS = {"shared_buffers": "512MB", "max_wal_size": "4GB", "listen_addresses": ""}


class RecoveryBench:
    """Everything runs as the server's user, as both tools do where a restored server fetches its WAL itself. One full backup of each
    tool, `wal_megabytes` of WAL after it, which pgBackRest got by archive_command and we by one incremental backup."""

    def __init__(self, folder, binary, rounds, gigabytes, wal_megabytes):
        self.folder, self.binary, self.rounds = folder / "recovery", binary, rounds
        self.folder.mkdir()
        self.server = PostgresServer.create(15, self.folder / "server", archive_mode="on", **SETTINGS | {"listen_addresses": "127.0.0.1"})
        data.load(self.server, gigabytes)
        self.environment = {
            "DATABASE_URL": self.server.url(via="socket"), "BACKUP_DIR": f"{self.folder}/ours", "LOG_DIR": f"{self.folder}/log",
            "BACKUP_ENCRYPTION_KEY": PASSPHRASE, "PGPASSWORD": SUPERUSER_PASSWORD, "TMPDIR": str(self.folder)}
        self.pgbackrest_config = self.configure_pgbackrest()
        for name in ("ours", "log"):
            (self.folder / name).mkdir()
        hand_over(self.folder)
        self.back_up_and_write(wal_megabytes)

    def configure_pgbackrest(self):
        repository, config = self.folder / "pgbackrest", self.folder / "pgbackrest.conf"
        repository.mkdir()
        config.write_text(f"""[global]
repo1-path={repository}
repo1-cipher-type=aes-256-cbc
repo1-cipher-pass={PASSPHRASE}
repo1-retention-full=1
process-max=2
compress-type=zst
compress-level=1
start-fast=y
archive-async=y
log-level-file=off
lock-path={repository}
spool-path={self.folder}/spool
[main]
pg1-path={self.server.data}
pg1-port={self.server.port}
pg1-socket-path={self.server.folder}
pg1-user=postgres
""")
        (self.folder / "spool").mkdir()
        return config

    def pgbackrest(self, arguments):
        return f"pgbackrest --config={self.pgbackrest_config} --stanza=main {arguments}"

    def contestant(self, name, command, before=None):
        return Contestant(name, command, before, user=_identity(), environment=self.environment)

    def run_command(self, command):
        run_once(self.contestant(command, command))

    def back_up_and_write(self, wal_megabytes):
        self.run_command(self.pgbackrest("stanza-create"))
        command = self.pgbackrest("archive-push %p").replace("'", "''")
        self.server.sql(f"ALTER SYSTEM SET archive_command = '{command}'")
        self.server.reload()
        self.run_command(self.pgbackrest("--type=full backup"))
        self.run_command(f"{self.binary} backup --type full --quiet")
        self.run_command(f"{self.binary} backup --type incremental --quiet")  # makes the slot that keeps the WAL
        self.start, end = wal_writer.write_wal(self.server, wal_megabytes)
        self.bytes = wal_writer.bytes_between(self.server, self.start, end)
        self.target = datetime.datetime.now(datetime.timezone.utc)
        time.sleep(1)
        self.server.sql("CREATE TABLE after_the_target ()")  # PostgreSQL stops at a time only where it sees a later one
        last_file = self.server.value("SELECT pg_walfile_name(pg_switch_wal())")
        self.run_command(f"{self.binary} backup --type incremental --no-promote --quiet")
        self.wait_until_archived(last_file)
        # Those that were written from the first to the last byte between the backups and the target.
        first, last = self.server.sql("SELECT pg_walfile_name(%s), pg_walfile_name(%s)", parameters=(self.start, end))[0]
        self.segments = sorted(path.name for path in (self.server.data / "pg_wal").glob("0*") if first < path.name < last)

    def wait_until_archived(self, last):
        deadline = time.monotonic() + ARCHIVED_SECONDS_MAX
        while (self.server.value("SELECT last_archived_wal FROM pg_stat_archiver") or "") < last:
            if time.monotonic() > deadline:
                raise SystemExit(f"pgbackrest did not archive {last}")
            time.sleep(0.1)

    def run(self):
        try:
            self.served()
            self.recovered()
        finally:
            self.server.stop("immediate")

    # -- both restores ---------------------------------------------------------------------------------

    def our_restore(self, target):
        return f"{self.binary} restore --target-time {self.target.isoformat()} --target-dir {target} --quiet"

    def their_restore(self, target):
        return self.pgbackrest(f"--pg1-path={target} --type=time --target='{self.target:%Y-%m-%d %H:%M:%S.%f}+00' --target-action=promote "
                               f"--log-level-console=error restore")

    def empty(self, name):
        """A folder for pgBackRest to restore into."""
        shutil.rmtree(self.folder / name, ignore_errors=True)
        (self.folder / name).mkdir(mode=0o700)
        hand_over(self.folder / name)

    # -- WAL as the server asks for it -----------------------------------------------------------------

    def served(self):
        """A restored folder, its restore_command, and one file after the other to the path that a server names; what is served
        is removed, as the server renames it away."""
        self.empty("theirs-served")
        self.run_command(self.our_restore(self.folder / "ours-served"))
        self.run_command(self.their_restore(self.folder / "theirs-served"))
        kept = self.folder / "ours-served.kept"
        shutil.copytree(self.folder / "ours-served" / "pg_wal", kept / "pg_wal")
        shutil.copy(self.folder / "ours-served" / "asb_recovery.json", kept)

        def anew():
            """As after the restore, with a server of which only the pid file matters; the last round's prefetch ends without it."""
            served = self.folder / "ours-served"
            (served / "postmaster.pid").unlink(missing_ok=True)
            time.sleep(FEEDER_ENDS_SECONDS)
            shutil.rmtree(served)
            shutil.copytree(kept, served)
            (served / "postmaster.pid").touch()
            hand_over(served)

        def empty_spool():
            shutil.rmtree(self.folder / "spool")
            (self.folder / "spool").mkdir()
            hand_over(self.folder / "spool")

        ours = self.contestant("our restore_command", self.serve("ours-served", self.restore_command("ours-served")), anew)
        command = self.pgbackrest(f'--pg1-path={self.folder}/theirs-served --log-level-console=error archive-get %f "%p"')
        theirs = self.contestant("pgbackrest archive-get, archive-async, process-max=2", self.serve("theirs-served", command), empty_spool)
        compare(f"{len(self.segments)} WAL files served one after the other", [ours, theirs], self.rounds)
        (self.folder / "ours-served" / "postmaster.pid").unlink()
        served = len(self.segments) * SEGMENT_BYTES / 1e6
        print(f"pgbackrest archive-get: {served / theirs.seconds:.0f} MB/s")
        judge("WAL served", served / ours.seconds, at_least=200, unit=" MB/s", digits=0)
        judge("WAL served / pgbackrest archive-get", theirs.seconds / ours.seconds, at_least=2)
        for name in ("ours-served", "theirs-served", "ours-served.kept"):
            shutil.rmtree(self.folder / name)

    def restore_command(self, folder):
        """As the restored server would read it."""
        settings = (self.folder / folder / "postgresql.auto.conf").read_text()
        return re.findall(r"^restore_command = '(.*)'$", settings, re.MULTILINE)[-1].replace("''", "'")

    def serve(self, folder, command):
        words = command.replace("%f", "$name").replace("%p", "pg_wal/RECOVERYXLOG")
        return (f"cd {self.folder}/{folder} && for name in {' '.join(self.segments)}; do name=$name sh -c {shlex.quote(words)} "
                f"&& test -s pg_wal/RECOVERYXLOG && rm pg_wal/RECOVERYXLOG || exit 1; done")

    # -- the whole way ---------------------------------------------------------------------------------

    def recovered(self):
        ours = self.contestant("auth-service-backup", self.recover(self.our_restore, "ours-restored"),
                               lambda: (self.end("theirs-restored"), self.end("ours-restored")))
        theirs = self.contestant("pgbackrest restore, archive-async, process-max=2", self.recover(self.their_restore, "theirs-restored"),
                                 lambda: (self.end("ours-restored"), self.empty("theirs-restored")))
        compare(f"Point-in-time recovery over {self.bytes / 1e6:.0f} MB of WAL, to a promoted server", [ours, theirs], self.rounds)
        judge("point-in-time recovery / pgbackrest", ours.seconds / theirs.seconds, at_most=0.95)
        self.end("theirs-restored")

    def recover(self, restore, name):
        """The server says when it is a primary in its log."""
        target, log = self.folder / name, self.folder / f"{name}.log"
        settings = " ".join(f"-c {key}={value or chr(39) * 2}" for key, value in SETTINGS.items())
        return (f"rm -f {log} && {restore(target)} && {self.server.bin}/pg_ctl -D {target} -l {log} -s -W start -o \"-p {free_port()} "
                f"-k {self.folder} {settings}\" && until grep -q 'ready to accept connections' {log}; do "
                f"grep FATAL {log} && exit 1; sleep 0.02; done; test ! -e {target}/recovery.signal")

    def end(self, name):
        target = self.folder / name
        if (target / "postmaster.pid").exists():
            self.server.program("pg_ctl", "-D", target, "-m", "immediate", "stop")
        shutil.rmtree(target, ignore_errors=True)
