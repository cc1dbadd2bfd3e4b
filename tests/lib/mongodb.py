"""Why this exists: the MongoDB engine is tested on real servers of two kinds that speak its protocol
("rs": secantusd-rs, "py": secantusd-py; ./dev test installs both), each in a folder of its own, on a free
port of 127.0.0.1, stopped with the test. One that is not installed is a failed test, never a skipped one."""

import contextlib
import ctypes
import os
import pathlib
import signal
import subprocess
import time
from urllib.parse import quote

import pymongo
from pymongo.errors import PyMongoError

from lib import mongodb_data
from lib.mongodb_fingerprint import fingerprint
from lib.postgres import free_port

KINDS = tuple(os.environ.get("ASB_MONGODB_SERVERS", "rs,py").split(","))
SET_NAME = "secantus"  # the only one that these servers can have
ADMIN, ADMIN_PASSWORD = "administrator", "administrator-password-of-a-test"
BACKUP, BACKUP_PASSWORD = "backup", "p@ss/word of:the backup user%"  # every character that a URL must escape
RESTORE, RESTORE_PASSWORD = "restore", "p@ss/word of:the restore user%"
PASSWORDS = (ADMIN_PASSWORD, BACKUP_PASSWORD, RESTORE_PASSWORD, mongodb_data.APP_PASSWORD)
# Exit codes of a backup of all databases: secantusd-py shows no credentials for all of them at once.
WHOLE_DEPLOYMENT = (0, 3)
START_SECONDS_MAX = 60
STOP_SECONDS_MAX = 60
PR_SET_PDEATHSIG = 1  # prctl(2)
# The servers forget changes after an hour or 100,000 of them; only tests of that want it.
ENDLESS = {"oplog-max-entries": 10_000_000, "oplog-retention-seconds": 360_000}


class MongoError(Exception):
    """What a server or tool said when it failed."""


def server_program(kind):
    path = os.environ.get(f"ASB_SECANTUS_{kind.upper()}", "")
    if not os.access(path, os.X_OK):
        raise MongoError(f"no secantusd-{kind} at {path!r}; hint: ./dev test sets ASB_SECANTUS_{kind.upper()}")
    return path


def tool(name, *arguments, expect=0):
    """Runs mongodump, mongorestore or bsondump to its end; what it printed, both ends."""
    path = pathlib.Path(os.environ.get("ASB_MONGO_TOOLS", "")) / name
    if not os.access(path, os.X_OK):
        raise MongoError(f"no {name} at {path}; hint: ./dev test sets ASB_MONGO_TOOLS")
    done = subprocess.run(
        [path, *map(str, arguments)], capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=300
    )
    if done.returncode != expect:
        raise MongoError(f"{name} ended with {done.returncode}: {done.stdout[-1000:]}{done.stderr[-1000:]}")
    return done.stdout, done.stderr


def _die_with_parent():
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


class MongoServer:
    """One server over one folder. `MongoServer.create("rs", folder)` makes and starts a new one, with users
    who must log in. Use as a context manager, or call stop().

    `options`: more command-line options of the server by name, None for one without a value. `tls`: the
    Certificates that it uses, and asks of its clients.
    """

    def __init__(self, kind, folder, options=None, tls=None):
        self.kind, self.folder, self.tls = kind, pathlib.Path(folder), tls
        self.program = server_program(kind)
        self.options = {**ENDLESS, **(options or {})}
        self.port = free_port()
        self.auth = False
        self._process = None
        self._clients = {}
        self.folder.mkdir(parents=True, exist_ok=True)

    @classmethod
    def create(cls, kind, folder, auth=True, options=None, tls=None):
        server = cls(kind, folder, options, tls)
        server.start()
        if auth:
            server.make_users()
        return server

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.kill()

    # -- running -------------------------------------------------------------------------------------

    def start(self):
        """Starts and waits until it answers."""
        if self._process:
            raise MongoError("the server runs already")
        options = {"host": "127.0.0.1", "port": self.port, "storage-path": self.folder / "data", **self.options}
        if self.auth:
            options["auth"] = None
        if self.tls:
            options |= self.tls.server_options()
        command = [self.program]
        for name, value in options.items():
            command += [f"--{name}"] if value is None else [f"--{name}", str(value)]
        with open(self.folder / "server.log", "ab") as log:
            self._process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=self.folder,
                preexec_fn=_die_with_parent,
            )
        self._wait_until_ready()

    def _wait_until_ready(self):
        deadline = time.monotonic() + START_SECONDS_MAX
        while True:
            try:
                with self._new_client(None, None, serverSelectionTimeoutMS=500) as client:
                    client.admin.command("hello")
                return
            except PyMongoError as error:
                if self._process.poll() is not None or time.monotonic() > deadline:
                    self.kill()
                    raise MongoError(f"{self.program} did not start: {error}\n{self.log()}") from error
                time.sleep(0.05)

    @property
    def is_running(self):
        return self._process is not None and self._process.poll() is None

    @property
    def pid(self):
        return self._process.pid

    def stop(self):
        """In an orderly way, with a checkpoint; harmless when down."""
        self._end(signal.SIGTERM)

    def kill(self):
        """As a crash; harmless when down."""
        self._end(signal.SIGKILL)

    def _end(self, number):
        for client in self._clients.values():
            client.close()
        self._clients = {}
        if self.is_running:
            self._process.send_signal(number)
            self._process.wait(STOP_SECONDS_MAX)
        self._process = None

    def restart(self):
        self.stop()
        self.start()

    def pause(self):
        """Answers nothing until resume()."""
        self._process.send_signal(signal.SIGSTOP)

    def resume(self):
        self._process.send_signal(signal.SIGCONT)

    def log(self):
        return (self.folder / "server.log").read_text(errors="replace")

    def make_users(self):
        """Those of the tests; from now on everybody must log in."""
        admin = self.client().admin
        # mongod's roles let one read and write a time series' buckets; these servers' do not.
        admin.command("createRole", "buckets", roles=[], privileges=[{
            "resource": {"db": "", "collection": mongodb_data.BUCKETS}, "actions": ["find", "insert", "remove"]}])
        admin.command("createUser", ADMIN, pwd=ADMIN_PASSWORD, roles=["root", "buckets"])
        # mongod shows users to the role backup; these servers show them by command, to who may see them.
        admin.command("createUser", BACKUP, pwd=BACKUP_PASSWORD, roles=["backup", "userAdminAnyDatabase", "buckets"])
        admin.command("createUser", RESTORE, pwd=RESTORE_PASSWORD, roles=["restore", "readWriteAnyDatabase", "buckets"])
        self.stop()
        self.auth = True
        self.start()

    # -- access --------------------------------------------------------------------------------------

    def url(self, user=BACKUP, password=BACKUP_PASSWORD, db="", port=None, **parameters):
        """A connection URL; without a login when the server asks for none."""
        login = f"{quote(user, safe='')}:{quote(password, safe='')}@" if self.auth and user else ""
        if login:
            parameters = {"authSource": "admin", **parameters}
        if "standalone" not in self.options:
            parameters = {"replicaSet": SET_NAME, **parameters}
        if self.tls:
            parameters = {**self.tls.url_parameters(), **parameters}
        query = "&".join(f"{name}={quote(str(value), safe='/')}" for name, value in parameters.items())
        return f"mongodb://{login}127.0.0.1:{port or self.port}/{quote(db, safe='')}" + (f"?{query}" if query else "")

    def restore_url(self, db="", **parameters):
        return self.url(RESTORE, RESTORE_PASSWORD, db, **parameters)

    def _new_client(self, user, password, **options):
        return pymongo.MongoClient(
            self.url(user, password), directConnection=True, retryReads=False,
            **{"serverSelectionTimeoutMS": 10_000, **options},
        )

    def client(self, user=ADMIN, password=ADMIN_PASSWORD, **options):
        """A connection pool, kept until the server is stopped."""
        key = (user, password, *sorted(options.items()))
        if key not in self._clients:
            self._clients[key] = self._new_client(user, password, **options)
        return self._clients[key]

    def database(self, name="auth"):
        return self.client()[name]

    def newest_optime(self):
        """Of the newest change, as "SECONDS:COUNTER"."""
        newest = self.client().admin.command("hello")["lastWrite"]["opTime"]["ts"]
        return f"{newest.time}:{newest.inc}"

    def newest_change(self):
        """The newest entry of the oplog that changes anything."""
        return self.client().local["oplog.rs"].find_one({"op": {"$ne": "n"}}, sort=[("ts", -1)])

    def can_login(self, user, password, db="auth"):
        try:
            with contextlib.closing(self._new_client(user, password, authSource=db)) as client:
                client[db].command("connectionStatus")
                return True
        except pymongo.errors.OperationFailure:
            return False

    # -- data ----------------------------------------------------------------------------------------

    def load_auth_data(self, users=1000, db="auth"):
        """A database of an auth service's shape; `users` users and some times as many of the rest."""
        mongodb_data.load(self.client(), users, db)

    def fingerprint(self, *databases):
        """Everything of these databases (of all but the server's own) that must be equal after a restore."""
        return fingerprint(self.client(), databases)

    def databases(self):
        return [name for name in self.client().list_database_names() if name not in ("admin", "config", "local")]

    def drop_all(self):
        """What a disaster leaves: a server without data, and its users."""
        for name in self.databases():
            self.client().drop_database(name)
