"""Why this exists: what a bucket costs beside a folder, beside Amazon's own client and beside pgBackRest. The servers (MinIO and the
emulator of Google Cloud Storage) run on the same cores as their clients: what they themselves can do and what they take of the
processors stands beside each figure."""

import os
import pathlib
import shutil
import sys

import data
import listing
import pgbackrest
from figures import judge, size_of
from lib.mongodb_tls import Certificates
from lib.object_stores import REGION, FakeGcs, Minio
from lib.postgres import SUPERUSER_PASSWORD, PostgresServer, _identity, hand_over
from lib.tcp_proxy import TcpProxy
from measure import Contestant, compare, run_once
from slow_link import HERE, Sink, SlowLink

PASSPHRASE = "0123456789abcdef" * 4
TICKS = os.sysconf("SC_CLK_TCK")
AWS = pathlib.Path(sys.executable).parent / "aws"
FILE_BYTES = 12_000_000  # of random content: what is stored is as large
FILES = 50
FILES_SELECTIVE = 200    # of which two are wanted: 1 %
FILES_SLOW = (4, 12)      # two sizes
PART_BYTES = 16 << 20  # the format's segments, and the parts that are sent
FIGURES = ("fan_out", "upload", "slow_link", "restore", "memory", "selective", "listing", "pgbackrest")


class LinkedMinio(Minio):
    """At this end of a slow link; only this machine and the link's namespace reach it."""

    @property
    def endpoint(self):
        return f"http://{HERE}:{self.port}"

    def arguments(self):
        return ["server", "--quiet", "--address", f"{HERE}:{self.port}", self.folder / "data"]


def cpu_seconds(server):
    fields = open(f"/proc/{server._process.pid}/stat").read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def empty(bucket):
    """S3Bucket or GcsBucket."""
    for key in bucket.keys():
        bucket.delete(key)


class StoresBench:
    def __init__(self, folder, binary, rounds, gigabytes, figures):
        self.folder, self.binary, self.rounds, self.gigabytes = folder / "stores", binary, rounds, gigabytes
        self.figures = figures.split(",")
        self.folder.mkdir()
        self.environment = {"BACKUP_ENCRYPTION_KEY": PASSPHRASE, "LOG_DIR": f"{self.folder}/log", "TMPDIR": str(self.folder),
                            "HOME": str(self.folder)}
        self.server = None
        self.minio, self.gcs = Minio(self.folder / "minio"), FakeGcs(self.folder / "gcs")
        self.s3, self.gs = self.minio.new_bucket(), self.gcs.new_bucket()
        self.local = self.folder / "local"

    def run(self):
        try:
            for figure in self.figures:
                getattr(self, figure)()
                print(f"load {os.getloadavg()[0]:.1f}", flush=True)
        finally:
            for server in (self.minio, self.gcs):
                server.kill()
            if self.server:
                self.server.stop("immediate")

    # -- what all use --------------------------------------------------------------------------------

    def database(self):
        """Made for the first that asks; the settings that name it."""
        if not self.server:
            self.server = PostgresServer.create(15, self.folder / "server", shared_buffers="512MB", max_wal_size="4GB",
                                                listen_addresses="127.0.0.1")
            data.load(self.server, self.gigabytes)
            size = int(self.server.value("SELECT sum(pg_database_size(oid)) FROM pg_database"))
            print(f"PostgreSQL 15, {size / 1e9:.2f} GB in databases")
        return {"DATABASE_URL": self.server.url(via="socket"), "PGPASSWORD": SUPERUSER_PASSWORD}

    def files(self, count):
        folder = self.folder / f"files-{count}"
        if not folder.exists():
            folder.mkdir()
            for number in range(count):
                (folder / f"{number:04}").write_bytes(os.urandom(FILE_BYTES))
        return {"CONFIG_PATHS": str(folder)}

    def to_local(self, folder=None):
        return {"BACKUP_DIR": str(folder or self.local)}

    def to_s3(self, **other):
        return {"BACKUP_DIR": "none", **self.minio.environment(self.s3, **other)}

    def ours(self, name, arguments, *settings, before=None, far=""):
        environment = dict(self.environment)
        for more in settings:
            environment |= more
        return Contestant(name, f"{far} {self.binary} {arguments} --quiet", before, environment=environment)

    def aws(self, name, arguments, minio=None, before=None, far=""):
        minio = minio or self.minio
        environment = {"HOME": str(self.folder), "AWS_REGION": REGION, **minio.keys.environment()}
        return Contestant(name, f"{far} {AWS} --endpoint-url {minio.endpoint} {arguments} --quiet", before, environment=environment)

    def fresh(self, *names):
        """Clears these folders, both buckets and what is remembered of them."""
        def clear():
            for name in (*names, "log"):
                shutil.rmtree(self.folder / name, ignore_errors=True)
            empty(self.s3)
            empty(self.gs)
        return clear

    def body(self, folder):
        return next(folder.glob("*.tar*.enc"))

    def watched(self, contestant, *servers):
        """The same contestant, which notes what the servers take of the processors in each of its runs."""
        before, contestant.servers = contestant.before, []

        def begin():
            if before:
                before()
            contestant.begun = [cpu_seconds(server) for server in servers]

        def end():
            contestant.servers.append([cpu_seconds(s) - b for s, b in zip(servers, contestant.begun, strict=True)])
        contestant.before, contestant.after, contestant.watched = begin, end, servers
        return contestant

    def tell_servers(self, *contestants):
        for one in contestants:
            runs = one.servers[-self.rounds:]
            taken = [sorted(column)[len(column) // 2] for column in zip(*runs, strict=True)]
            print(f"- CPU s of the servers during \"{one.name}\": "
                  + ", ".join(f"{server.name} {seconds:.2f}" for server, seconds in zip(one.watched, taken, strict=True)))

    # -- the figures ---------------------------------------------------------------------------------

    def fan_out(self):
        """What three cost beside the slowest of them alone is ours; what the slowest costs is the server's: the emulator of Google Cloud
        Storage digests an object anew, from its beginning, with every part that it is given. Beside stands curl, which sends the same
        parts to nobody else."""
        database, clear = self.database(), self.fresh("local")
        to_gs = self.gcs.environment(self.gs)
        places = {"three destinations": [self.to_s3(), to_gs, self.to_local()], "local and MinIO": [self.to_s3(), self.to_local()],
                  "local": [self.to_local()], "MinIO": [self.to_s3()], "the emulator of GCS": [to_gs, {"BACKUP_DIR": "none"}]}
        runs = {name: self.ours(name, "backup --type full", database, *settings, before=clear) for name, settings in places.items()}
        run_once(runs["local"])
        body = self.folder / "body"
        shutil.copy(self.body(self.local), body)
        put = Contestant("curl, the same parts to the emulator", self.resumable(body), clear, environment=self.environment)
        contestants = [self.watched(c, self.minio, self.gcs) for c in (*runs.values(), put)]
        compare(f"Full backup ({body.stat().st_size / 1e6:.0f} MB stored), by destinations", contestants, self.rounds)
        self.tell_servers(*contestants)
        three, two, local, minio, gcs = (run.seconds for run in runs.values())
        judge("three destinations / one: the local", three / local, at_most=1.15)
        judge("three destinations / one: the slowest of them", three / max(local, minio, gcs), at_most=1.15)
        judge("local and MinIO / one: the slower of them", two / max(local, minio), at_most=1.15)
        judge("three destinations, peak memory", contestants[0].peak_mib, at_most=192, unit=" MiB", digits=0)

    def resumable(self, body):
        """A shell's commands that bring it to the emulator in parts, as Google's own clients do with what is large."""
        start = f"{self.gcs.endpoint}/upload/storage/v1/b/{self.gs}/o?uploadType=resumable&name=stock"
        size = body.stat().st_size
        sends = [f"session=$(curl -sf -D - -o /dev/null -X POST '{start}' | tr -d '\\r' | sed -n 's/^[Ll]ocation: //p')"]
        for number, at in enumerate(range(0, size, PART_BYTES)):
            end = min(at + PART_BYTES, size)
            total = size if end == size else "*"
            sends.append(f"dd if={body} bs={PART_BYTES} skip={number} count=1 status=none | curl -s -o /dev/null -X PUT -H Expect: "
                         f"-H 'Content-Range: bytes {at}-{end - 1}/{total}' --data-binary @- \"$session\"")
        return " && ".join(sends)

    def upload(self):
        source = self.folder / "upload"
        run_once(self.ours("source", "backup --type config", self.files(FILES), self.to_local(source)))
        body = self.body(source)
        clear = self.fresh()
        sync = self.ours("auth-service-backup sync", "sync", self.to_s3(), self.to_local(source), before=clear)
        aws = self.aws("aws s3 cp", f"s3 cp {body} s3://{self.s3}/stock", before=clear)
        back_up = self.ours("auth-service-backup backup", "backup --type config", self.files(FILES), self.to_s3(), before=clear)
        for contestant in (sync, aws, back_up):
            self.watched(contestant, self.minio)
        compare(f"Upload of {size_of(source) / 1e6:.0f} MB to MinIO", [sync, aws, back_up], self.rounds)
        self.tell_servers(sync, aws, back_up)
        for one in (sync, back_up):
            judge(f"{one.name}, throughput / that of aws s3 cp", aws.seconds / one.seconds, at_least=0.8)
            judge(f"{one.name}, CPU / that of aws s3 cp", one.cpu_seconds / aws.cpu_seconds, at_most=0.25)

    def slow_link(self):
        """Of two sizes: what lies between them is the line's share, what is left the round trips before, between and after."""
        sizes, rows = [], {}
        with SlowLink() as link, Sink() as sink, LinkedMinio(self.folder / "far") as minio:
            bucket = minio.new_bucket()
            clear = self.fresh()
            for count in FILES_SLOW:
                source = self.folder / f"slow-{count}"
                run_once(self.ours("source", "backup --type config", self.files(count), self.to_local(source)))
                body = self.body(source)
                sizes.append(body.stat().st_size)
                far = {"BACKUP_DIR": str(source), **minio.environment(bucket)}
                contestants = [self.ours("sync", "sync", far, far=link.far),
                               self.aws("aws s3 cp", f"s3 cp {body} s3://{bucket}/stock", minio, far=link.far),
                               Contestant("the same bytes through a socket", f"{link.far} {sink.command(sizes[-1])}")]
                for one in contestants:
                    one.before = lambda: (clear(), empty(bucket))
                    rows.setdefault(one.name, []).append(one)
                compare(f"Upload of {sizes[-1] / 1e6:.0f} MB over 100 Mbit/s, 30 ms", contestants, min(self.rounds, 2))
        rates = {}
        for name, (small, large) in rows.items():
            seconds = (large.seconds - small.seconds) / (sizes[1] - sizes[0])
            rates[name] = 1 / seconds / link.bytes_per_second
            print(f"- {name}: {rates[name]:.3f} of the line's bytes, and {small.seconds - seconds * sizes[0]:.2f} s besides")
        least = sizes[1] / link.bytes_per_second
        for name, (_, large) in rows.items():
            judge(f"{name}, the whole upload of {sizes[1] / 1e6:.0f} MB, of the line", least / large.seconds, at_least=0.95, digits=3)
        ours, _, socket = rates.values()
        judge("sync without its round trips besides, of the line", ours, at_least=0.95, digits=3)
        judge("sync without its round trips besides / the same of a socket", ours / socket, at_least=0.95, digits=3)

    def restore(self):
        database, clear = self.database(), self.fresh("restored")
        for place in (self.to_local(), self.to_s3()):
            run_once(self.ours("backup", "backup --type full", database, place))

        def clear_target():
            shutil.rmtree(self.folder / "restored", ignore_errors=True)
        command = f"restore --backup-file latest --target-dir {self.folder}/restored"
        far, near = (self.watched(self.ours(name, command, place, before=clear_target), self.minio)
                     for name, place in (("from MinIO", self.to_s3()), ("from local disk", self.to_local())))
        compare("Restore to a directory", [far, near], self.rounds)
        self.tell_servers(far)
        judge("restore from MinIO / from local disk", far.seconds / near.seconds, at_most=1.2)
        clear()

    def memory(self):
        database, clear = self.database(), self.fresh("local")
        everywhere = [database, self.to_s3(), self.gcs.environment(self.gs), self.to_local()]
        target = f"--target-dir {self.folder}/restored"
        clear()
        steps = [("backup to three destinations", "backup --type full", everywhere), ("verify from MinIO", "verify latest", [self.to_s3()]),
                 ("restore from MinIO", f"restore --backup-file latest {target}", [self.to_s3()]),
                 ("restore from the emulator of GCS", f"restore --backup-file latest {target}",
                  [self.gcs.environment(self.gs), {"BACKUP_DIR": "none"}]),
                 ("sync into two empty buckets", "sync", everywhere)]
        print("\n## Peak memory with stores\n")
        for name, arguments, settings in steps:
            shutil.rmtree(self.folder / "restored", ignore_errors=True)
            if arguments == "sync":
                self.fresh()()
            judge(name, run_once(self.ours(name, arguments, *settings)).peak_mib, at_most=192, unit=" MiB", digits=0)
        shutil.rmtree(self.folder / "restored", ignore_errors=True)
        clear()

    def selective(self):
        files = self.files(FILES_SELECTIVE)
        self.fresh()()
        run_once(self.ours("backup", "backup --type config", files, self.to_s3()))
        stored, received = sum(self.s3.look(key)["ContentLength"] for key in self.s3.keys()), 0
        restored = self.folder / "selected"
        names = ",".join(f"config{files['CONFIG_PATHS']}/{number:04}" for number in (100, 101))

        def count(block):
            nonlocal received
            received += len(block)
            return block
        with TcpProxy(self.minio.port, change=count) as proxy:
            run_once(self.ours("restore", f"restore --backup-file latest --files-dir {restored} --only {names}",
                               self.to_s3(endpoint=f"http://127.0.0.1:{proxy.port}")))
        wanted = size_of(restored)
        print(f"\n## Selective restore of {wanted / 1e6:.0f} of {FILES_SELECTIVE * FILE_BYTES / 1e6:.0f} MB\n")
        judge("downloaded, of what is stored", received / stored * 100, at_most=3, unit=" %")
        shutil.rmtree(restored)
        shutil.rmtree(files["CONFIG_PATHS"])
        empty(self.s3)

    def listing(self):
        folder = self.folder / "listing"
        folder.mkdir()
        environment, count = listing.make_repository(self.binary, folder)
        bucket = self.minio.new_bucket()
        keys = self.minio.keys
        rclone = (f"rclone --config '' copy {folder}/list :s3:{bucket} --s3-provider Minio --s3-endpoint {self.minio.endpoint} "
                  f"--s3-access-key-id {keys.access_key} --s3-secret-access-key {keys.secret_key} --s3-no-check-bucket --s3-no-head "
                  "--no-check-dest --transfers 16")
        run_once(Contestant("seed", rclone, environment={"HOME": str(folder)}))
        near = Contestant("list, local", f"{self.binary} list", environment=environment)
        environment = environment | {"BACKUP_DIR": "none"} | self.minio.environment(bucket)

        def forget():
            shutil.rmtree(folder / "log", ignore_errors=True)
        again = self.watched(Contestant("list, from MinIO", f"{self.binary} list", environment=environment), self.minio)
        first = self.watched(Contestant("the same, on a machine that never saw it", f"{self.binary} list", forget, environment=environment),
                             self.minio)
        peer = self.watched(Contestant("rclone lsf of the same names", rclone.replace(f"copy {folder}/list", "lsf").split(" --s3-no-check")[0],
                                       environment={"HOME": str(folder)}), self.minio)
        compare(f"List of {count} backups", [again, first, peer, near], self.rounds)
        self.tell_servers(again, first, peer)
        judge("list from MinIO", again.seconds, at_most=2, unit=" s")
        judge("list from MinIO, the first time", first.seconds, at_most=2, unit=" s")

    def pgbackrest(self):
        database, tls = self.database(), Certificates(self.folder / "tls")
        with Minio(self.folder / "minio-tls", tls=tls) as minio:
            ours_bucket, theirs = minio.new_bucket(), minio.new_bucket()
            clear = self.fresh()
            ours = self.ours("auth-service-backup", "backup --type full", database, {"BACKUP_DIR": "none"}, minio.environment(ours_bucket),
                             before=lambda: (clear(), empty(ours_bucket)))
            peers = [Contestant(f"pgbackrest zst {level}, 2 processes, aes-256-cbc", self.pgbackrest_command(minio, theirs, tls, level),
                                environment=self.environment | database, user=_identity()) for level in (1, 3)]
            for level in (1, 3):
                run_once(Contestant("stanza", self.pgbackrest_command(minio, theirs, tls, level, "stanza-create"),
                                    environment=self.environment | database, user=_identity()))
            contestants = [self.watched(c, minio) for c in (ours, *peers)]
            compare("Full backup to MinIO with TLS, encrypted", contestants, self.rounds)
            self.tell_servers(*contestants)
            for peer in peers:
                judge(f"full backup to MinIO / {peer.name}", ours.seconds / peer.seconds, at_most=0.6)

    def pgbackrest_command(self, minio, bucket, tls, level, verb="--type=full backup"):
        config, spool = self.folder / f"pgbackrest-{level}.conf", self.folder / "spool"
        spool.mkdir(exist_ok=True)
        authority = spool / "authority.pem"
        shutil.copy(tls.path("authority"), authority)
        command = pgbackrest.command(
            config, self.server, level, PASSPHRASE, spool, "repo1-type=s3", f"repo1-path=/level-{level}",
            f"repo1-s3-bucket={bucket}", f"repo1-s3-endpoint=localhost:{minio.port}", f"repo1-s3-region={REGION}",
            f"repo1-s3-key={minio.keys.access_key}", f"repo1-s3-key-secret={minio.keys.secret_key}",
            "repo1-s3-uri-style=path", f"repo1-storage-ca-file={authority}")
        hand_over(spool)
        return f"{command} {verb}"
