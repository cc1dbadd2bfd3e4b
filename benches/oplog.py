"""Why this exists: an incremental backup of MongoDB should cost what reading its slice of the oplog costs, and a restore should
replay the slice about as fast as the server took the writes."""

import json
import random
import statistics
import time

from bson import Int64, ObjectId
from figures import judge
from lib.mongodb import MongoServer
from lib.mongodb_data import insert
from measure import Contestant, compare, run_once
from mongodb import PASSPHRASE, TOOLS, users
from pymongo import DeleteOne, InsertOne, UpdateOne

USERS = 20_000
BATCH = 1_000  # writes in one ordered command of the client


def writes(count):
    """Two logins of existing users, a new user, one gone: as many documents at the end as at the beginning."""
    make, fresh = random.Random(2), list(users(USERS + count // 4))[USERS:]
    for n, user in enumerate(fresh):
        for _ in range(2):
            yield UpdateOne({"_id": ObjectId(f"{make.randrange(USERS // 2, USERS):024x}")}, {"$set": {"logins": Int64(make.getrandbits(40))}})
        yield InsertOne(user)
        yield DeleteOne({"_id": ObjectId(f"{n:024x}") if n < USERS // 2 else fresh[n - USERS // 2]["_id"]})


class OplogBench:
    """A full backup of `USERS` users, then `count` writes, which are the slice. Source and target are the quick one of the compatible
    servers; it reads its whole oplog for each question, so the slice is most of what its oplog holds."""

    def __init__(self, folder, binary, rounds, count):
        self.folder, self.binary, self.rounds = folder, binary, rounds
        self.repository = folder / "oplog-ours"
        self.source = MongoServer.create("rs", folder / "oplog", auth=False, options={"cache-size": "1G"})
        insert(self.source.database().users, users(USERS))
        self.environment = {
            "BACKUP_DIR": f"{self.repository}", "LOG_DIR": f"{folder}/log", "BACKUP_ENCRYPTION_KEY": PASSPHRASE, "TMPDIR": str(folder)}
        run_once(self.ours("backup --type full --quiet", self.source))
        self.kept = set(self.repository.rglob("*"))
        (self.full,) = [path.name.removesuffix(".manifest.json") for path in self.repository.glob("*.manifest.json")]
        self.begin = self.source.client().admin.command("hello")["lastWrite"]["opTime"]["ts"]
        self.writes = list(writes(count))
        self.write(self.source)

    def ours(self, arguments, server, before=None):
        return Contestant(arguments, f"{self.binary} {arguments}", before, environment={**self.environment, "DATABASE_URL": server.url(db="auth")})

    def write(self, server):
        """Returns how long the server took."""
        collection = server.database().users
        begin = time.monotonic()
        for at in range(0, len(self.writes), BATCH):
            collection.bulk_write(self.writes[at:at + BATCH], ordered=True)
        return time.monotonic() - begin

    def forget(self):
        for path in set(self.repository.rglob("*")) - self.kept:
            path.unlink()

    def run(self):
        try:
            self.read()
            self.replay()
        finally:
            self.source.stop()

    def read(self):
        after = {"ts": {"$gt": {"$timestamp": {"t": self.begin.time, "i": self.begin.inc}}}}
        dump = f"{TOOLS}/mongodump --quiet --uri '{self.source.url(db='local')}' -c oplog.rs --query '{json.dumps(after)}' --archive=/dev/null"
        ours = self.ours("backup --type incremental --no-promote --quiet", self.source, self.forget)
        theirs = Contestant("mongodump --query of local.oplog.rs --archive=/dev/null", dump)
        compare(f"Oplog slice of {len(self.writes)} writes, encrypted", [ours, theirs], self.rounds)
        judge("oplog slice / reading it with mongodump", ours.seconds / theirs.seconds, at_most=1.1)

    def replay(self):
        """The slice costs what a restore takes longer with it than without. The target is the same server for all."""
        with MongoServer.create("rs", self.folder / "oplog-target", auth=False, options={"cache-size": "1G"}) as target:
            def drop():
                target.client().drop_database("auth")
            without = self.ours(f"restore -f {self.full} --quiet", target, drop)
            with_slice = self.ours("restore -f latest --quiet", target, drop)
            compare("Restore with the slice, and without", [with_slice, without], self.rounds)
            plain = []
            for _ in range(self.rounds):
                run_once(without)
                plain.append(self.write(target))
        writing, replaying = statistics.median(plain), with_slice.seconds - without.seconds
        print(f"the same as bulk writes of one client, {BATCH} in a command: {len(self.writes) / writing:.0f} a second")
        print(f"replayed: {len(self.writes) / replaying:.0f} a second")
        judge("oplog replay / bulk writes", writing / replaying, at_least=0.8)
