"""Why this exists: the MongoDB half of `./dev bench`: dump and restore of user documents beside stock mongodump and
mongorestore, on the quick one of the compatible servers."""

import hashlib
import os
import pathlib
import random
import statistics
import time

from bson import Int64, ObjectId
from lib.mongodb import MongoServer
from lib.mongodb_data import BEGIN, insert
from measure import Contestant, compare, run_once

BYTES_PER_USER = 550  # as BSON, about
TOOLS = pathlib.Path(os.environ["ASB_MONGO_TOOLS"])
PASSPHRASE = "0123456789abcdef" * 4
# This server reads its whole oplog for every question about it, where mongod seeks; a short one makes the two alike.
SERVER = {"cache-size": "1G", "oplog-max-entries": "5000"}


def users(count):
    """Hashes that do not compress, text that does, as an auth service has them."""
    make = random.Random(1)
    for n in range(count):
        yield {
            "_id": ObjectId(f"{n:024x}"), "email": f"user{n}@example.{('com', 'org', 'net')[n % 3]}", "name": f"User Number {n}",
            "password": {"scheme": "argon2id", "memory": 65536, "hash": hashlib.sha256(str(n).encode()).hexdigest()},
            "profile": {"locale": ("en", "de", "fr", "ja")[n % 4], "mfa": n % 5 == 0, "groups": [n % 17, n % 23],
                        "agent": f"Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.{n % 90}", "about": "member of the service " * 8},
            "logins": Int64(make.getrandbits(20)), "created_at": BEGIN,
        }


class MongoBench:
    """`megabytes` of user documents in database `auth`; dumps and restores go through files of `folder`."""

    def __init__(self, folder, binary, rounds, megabytes):
        self.folder, self.binary, self.rounds = folder, binary, rounds
        self.source = MongoServer.create("rs", folder / "mongo", auth=False, options=SERVER)
        database = self.source.database()
        insert(database.users, users(int(megabytes * 1e6 / BYTES_PER_USER)))
        database.users.create_index("email", unique=True)
        size = database.command("dbStats")["dataSize"]
        print(f"\nMongoDB (secantusd-rs), {size / 1e6:.0f} MB of user documents, {os.cpu_count()} cores, local repository")
        self.environment = {
            "BACKUP_DIR": f"{folder}/mongo-ours", "LOG_DIR": f"{folder}/log", "BACKUP_ENCRYPTION_KEY": PASSPHRASE,
            "TMPDIR": str(folder), "DATABASE_URL": self.source.url(db="auth"),
        }

    def run(self):
        try:
            self.dump()
            self.restore()
        finally:
            self.source.stop()

    def ours(self, arguments, before=None, **environment):
        return Contestant("auth-service-backup", f"{self.binary} {arguments}", before,
                          environment={**self.environment, **environment})

    def clear(self, *names):
        def remove():
            run_once(Contestant("rm", "rm -rf " + " ".join(f"{self.folder}/{name}" for name in names)))
        return remove

    def dump(self):
        uri = f"--quiet --uri '{self.source.url(db='auth')}'"
        stored = self.folder / "mongodump.gz.enc"
        seal = "openssl enc -aes-256-cbc -pbkdf2 -pass env:BACKUP_ENCRYPTION_KEY"
        compare("MongoDB dump, encrypted", [
            self.ours("backup --quiet", self.clear("mongo-ours")),
            Contestant("mongodump --archive=/dev/null", f"{TOOLS}/mongodump {uri} --archive=/dev/null"),
            Contestant("mongodump --oplog --archive=/dev/null",
                       f"{TOOLS}/mongodump --quiet --uri '{self.source.url()}' --oplog --archive=/dev/null"),
            Contestant("mongodump --archive --gzip, openssl enc", f"{TOOLS}/mongodump {uri} --archive --gzip | {seal} -out {stored}",
                       environment=self.environment),
        ], self.rounds)
        body = next((self.folder / "mongo-ours").glob("*.tar.gz.enc")).stat().st_size
        theirs = stored.stat().st_size
        print(f"stored: {body / 1e6:.1f} MB, mongodump --gzip {theirs / 1e6:.1f} MB (ours / theirs: {body / theirs:.2f})")

    def restore(self):
        """Each into a server of the same kind whose database was dropped."""
        archive = self.folder / "mongodump.archive.gz"
        run_once(Contestant("dump", f"{TOOLS}/mongodump --quiet --uri '{self.source.url(db='auth')}' --archive={archive} --gzip"))
        with MongoServer.create("rs", self.folder / "target", auth=False, options=SERVER) as target:
            def drop():
                target.client().drop_database("auth")
            compare("MongoDB restore", [
                self.ours("restore -f latest --quiet", drop, DATABASE_URL=target.url(db="auth")),
                Contestant("mongorestore --archive --gzip",
                           f"{TOOLS}/mongorestore --quiet --uri '{target.url()}' --archive={archive} --gzip", drop),
            ], self.rounds)
            self.time_the_swap(target)

    def time_the_swap(self, target):
        """What this server takes for the last step of our restore, alone: it copies what mongod only names anew."""
        admin, seconds = target.client().admin, []
        for _ in range(self.rounds):
            begin = time.monotonic()
            admin.command("renameCollection", "auth.users", to="auth.renamed")
            seconds.append(time.monotonic() - begin)
            admin.command("renameCollection", "auth.renamed", to="auth.users")
        print(f"of which renameCollection, which is nothing on mongod: {statistics.median(seconds):.2f} s")
