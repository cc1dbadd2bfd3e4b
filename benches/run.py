#!/usr/bin/env python3
"""Why this exists: `./dev bench`: this product and what a user could pick instead, side by side in one run, on one database.

Prints Markdown tables with ratios of medians; docs/performance.md quotes them with the command."""

import argparse
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "tests"))
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

import data  # noqa: E402
import listing  # noqa: E402
import pgbackrest  # noqa: E402
import planning  # noqa: E402
from lib.postgres import SUPERUSER_PASSWORD, PostgresServer, _identity, hand_over  # noqa: E402
from measure import Contestant, compare, run_once  # noqa: E402
from incremental import IncrementalBench  # noqa: E402
from mongodb import MongoBench  # noqa: E402
from oplog import OplogBench  # noqa: E402
from recovery import RecoveryBench  # noqa: E402
from stores import FIGURES, StoresBench  # noqa: E402
from streaming import StreamBench  # noqa: E402

BINARY = pathlib.Path(os.environ["ASB_BINARY"])
KEY = "0123456789abcdef" * 4  # 64 hex digits, as a generated key has


class Bench:
    def __init__(self, folder, gigabytes, rounds):
        self.folder, self.rounds = folder, rounds
        self.server = PostgresServer.create(15, folder / "server", shared_buffers="512MB", max_wal_size="4GB",
                                            listen_addresses="127.0.0.1")
        self.server.create_minimal_role()
        begin = time.monotonic()
        data.load(self.server, gigabytes)
        self.bytes = self.server.value("SELECT sum(pg_database_size(oid)) FROM pg_database")
        print(f"PostgreSQL 15, {int(self.bytes) / 1e9:.2f} GB in databases (made in {time.monotonic() - begin:.0f} s), "
              f"{os.cpu_count()} cores, local repository")
        self.environment = {
            "DATABASE_URL": self.server.url(via="socket"), "BACKUP_DIR": f"{folder}/ours", "LOG_DIR": f"{folder}/log",
            "BACKUP_ENCRYPTION_KEY": KEY, "PGPASSWORD": SUPERUSER_PASSWORD, "TMPDIR": str(folder)}
        self.libpq = f"-h {self.server.folder} -p {self.server.port} -U postgres"

    def fresh(self, *names):
        def clear():
            for name in names:
                shutil.rmtree(self.folder / name, ignore_errors=True)
            (self.folder / "scratch").mkdir(exist_ok=True)
            hand_over(self.folder / "scratch")
        return clear

    def ours(self, name, arguments, before=None, **environment):
        return Contestant(name, f"{BINARY} {arguments}", before, environment={**self.environment, **environment})

    def pgbackrest(self, level, verb):
        """It runs as the server's user."""
        repository = self.folder / f"pgbackrest-{level}"
        repository.mkdir(exist_ok=True)
        command = pgbackrest.command(self.folder / f"pgbackrest-{level}.conf", self.server, level, KEY, repository,
                                     f"repo1-path={repository}")
        hand_over(repository)
        return f"{command} {verb}"

    def backup(self):
        for level in (1, 3):
            run_once(Contestant("stanza", self.pgbackrest(level, "stanza-create"), user=_identity(), environment=self.environment))
        clear = self.fresh("ours")
        peers = [
            Contestant(f"pgbackrest zst {level}, 2 processes, aes-256-cbc", self.pgbackrest(level, "--type=full backup"),
                       user=_identity(), environment=self.environment) for level in (1, 3)]
        peers += [
            Contestant("pg_basebackup to /dev/null", f"pg_basebackup {self.libpq} -c fast -X none --no-manifest -Ft -D - >/dev/null",
                       environment=self.environment),
            Contestant("pg_basebackup, server-zstd level 1, 2 workers",
                       f"rm -rf {self.folder}/scratch/zstd && pg_basebackup {self.libpq} -c fast -X none --compress=server-zstd:level=1,workers=2 "
                       f"-Ft -D {self.folder}/scratch/zstd", environment=self.environment),
            Contestant("pg_dump, gzip, openssl",
                       f"pg_dump {self.libpq} auth | gzip | openssl enc -aes-256-cbc -pbkdf2 -pass env:BACKUP_ENCRYPTION_KEY "
                       f"-out {self.folder}/scratch/dump.enc", environment=self.environment),
        ]
        compare("Full backup, encrypted", [self.ours("auth-service-backup", "backup --type full --quiet", clear), *peers], self.rounds)
        for name in ("ours", "pgbackrest-1", "pgbackrest-3", "scratch/zstd", "scratch/dump.enc"):
            size = sum(p.stat().st_size for p in [self.folder / name, *(self.folder / name).rglob("*")] if p.is_file())
            print(f"stored by {name}: {size / 1e6:.0f} MB")

    def logical(self):
        """Figure: at most 0.35 of what a user would write instead."""
        dumps = " && ".join(
            f"pg_dump {self.libpq} {database} | gzip | openssl enc -aes-256-cbc -pbkdf2 -pass env:BACKUP_ENCRYPTION_KEY "
            f"-out {self.folder}/scratch/{database}.enc" for database in ("auth", "postgres"))
        compare("Logical backup, encrypted", [
            self.ours("auth-service-backup, logical", "backup --quiet", self.fresh("logical"),
                      POSTGRES_BACKUP_METHOD="logical", BACKUP_DIR=f"{self.folder}/logical"),
            Contestant("pg_dump, gzip, openssl", dumps, self.fresh(), environment=self.environment)], self.rounds)

    def restore(self):
        body = next((self.folder / "ours").glob("*.tar.gz.enc"))
        clear = self.fresh("restored", "scratch")
        ours = self.ours("auth-service-backup", f"restore --backup-file latest --target-dir {self.folder}/restored --quiet", clear)
        peers = [
            Contestant("pgbackrest restore (zst 1), 2 processes",
                       self.pgbackrest(1, f"--pg1-path={self.folder}/scratch/restored restore"),
                       lambda: (clear(), (self.folder / "scratch/restored").mkdir(mode=0o700), hand_over(self.folder / "scratch")),
                       user=_identity(), environment=self.environment),
            Contestant("openssl, igzip -d, tar x, sync",
                       f"mkdir -p {self.folder}/scratch/tar && openssl enc -d -aes-256-cbc -pbkdf2 -iter 10000 -md sha256 "
                       f"-pass env:BACKUP_ENCRYPTION_KEY -in {body} | igzip -d | tar -x -C {self.folder}/scratch/tar && sync -f {self.folder}",
                       clear, environment=self.environment),
            Contestant("dd of as many bytes, with fsync",
                       f"dd if=/dev/zero of={self.folder}/scratch/zeros bs=1M count={int(self.bytes) >> 20} conv=fsync", clear),
        ]
        compare("Restore to a directory", [ours, *peers], self.rounds)
        clear()

    def verify(self):
        ours = compare("Verify", [self.ours("auth-service-backup verify", "verify latest --quiet")], self.rounds)
        print(f"verify: {int(self.bytes) / 1e9 / ours.seconds:.2f} GB of database a second")

    def memory(self):
        print("\n## Peak memory, MiB\n")
        for name, arguments in (("backup", "backup --quiet"), ("verify", "verify latest --quiet"),
                                ("restore", f"restore --backup-file latest --target-dir {self.folder}/restored --quiet")):
            self.fresh("restored")()
            print(f"{name}: {run_once(self.ours(name, arguments)).peak_mib:.0f}")
        self.fresh("restored")()


def postgres(folder, wanted, parts):
    bench = Bench(folder, wanted.gigabytes, wanted.rounds)
    try:
        if "backup" not in parts:
            run_once(bench.ours("backup", "backup --quiet"))
        for part in parts:
            getattr(bench, part)()
    finally:
        bench.server.stop("immediate")


REPOSITORY_PARTS = {"listing": listing, "planning": planning}  # these need no server
# With servers of their own; what makes each, from the folder and the arguments.
SUITES = {
    "incremental": lambda folder, wanted: IncrementalBench(folder, BINARY, wanted.rounds, wanted.wal_megabytes / 2),
    "recovery": lambda folder, wanted: RecoveryBench(folder, BINARY, wanted.rounds, wanted.gigabytes, wanted.wal_megabytes),
    "stream": lambda folder, wanted: StreamBench(folder, BINARY, wanted.seconds),
    "mongodb": lambda folder, wanted: MongoBench(folder, BINARY, wanted.rounds, wanted.megabytes),
    "oplog": lambda folder, wanted: OplogBench(folder, BINARY, wanted.rounds, wanted.writes),
    "stores": lambda folder, wanted: StoresBench(folder, BINARY, wanted.rounds, wanted.gigabytes, wanted.stores),
}


def main():
    parser = argparse.ArgumentParser(prog="./dev bench")
    parser.add_argument("--gigabytes", type=float, default=1.2)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--megabytes", type=float, default=320, help="of user documents in MongoDB")
    parser.add_argument("--wal-megabytes", type=float, default=1000, help="of WAL to recover over; half of it for an incremental")
    parser.add_argument("--writes", type=int, default=60_000, help="in a slice of MongoDB's oplog")
    parser.add_argument("--seconds", type=float, default=60, help="that a stream is watched")
    parser.add_argument("--stores", default=",".join(FIGURES), help="which figures of stores")
    parser.add_argument("--only", default="backup,logical,restore,verify,memory,listing,planning," + ",".join(SUITES))
    wanted = parser.parse_args()
    parts = wanted.only.split(",")
    folder = pathlib.Path(tempfile.mkdtemp(prefix="asb-bench-"))
    folder.chmod(0o755)
    try:
        for part in (part for part in parts if part in REPOSITORY_PARTS):
            REPOSITORY_PARTS[part].run(BINARY, folder)
        database_parts = [part for part in parts if part not in SUITES and part not in REPOSITORY_PARTS]
        if database_parts:
            postgres(folder, wanted, database_parts)
        for part in (part for part in parts if part in SUITES):
            SUITES[part](folder, wanted).run()
    finally:
        subprocess.run(["rm", "-rf", str(folder)], check=True)


if __name__ == "__main__":
    main()
