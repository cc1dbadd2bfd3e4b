"""Why this exists: the scenario tests run against real PostgreSQL servers of several major versions,
each in a folder of its own, on a free port of 127.0.0.1 and on a unix socket, stopped with the test.

Servers refuse to run as root; as root, everything here runs as user postgres. A version that is not
installed is an error and so a failed test, never a skipped one.
"""

import contextlib
import ctypes
import glob
import grp
import os
import pathlib
import pwd
import shutil
import signal
import socket
import subprocess
import time
from urllib.parse import quote

import psycopg

from lib import auth_data
from lib.fingerprint import fingerprint

REPOSITORY = pathlib.Path(__file__).resolve().parents[2]
SUPERUSER = "postgres"
SUPERUSER_PASSWORD = "superuser-password-of-a-test"
BACKUP_ROLE = "backup"
BACKUP_PASSWORD = "p@ss/word of:the backup role%"  # every character that a URL must escape
START_SECONDS_MAX = 60
STOP_SECONDS_MAX = 60
PR_SET_PDEATHSIG = 1  # prctl(2)


class PostgresError(Exception):
    """What a server's program said when it failed."""


def bin_folder(major):
    """The folder with `postgres` and `initdb` of that major version."""
    named = os.environ.get(f"ASB_POSTGRES_{major}_BIN")
    candidates = [named] if named else [
        f"/usr/lib/postgresql/{major}/bin",
        *glob.glob(f"/usr/pgsql-{major}/bin"),
        str(REPOSITORY / ".cache" / "postgres" / str(major) / "bin"),
    ]
    for candidate in candidates:
        if os.access(os.path.join(candidate, "postgres"), os.X_OK):
            return pathlib.Path(candidate)
    raise PostgresError(
        f"no PostgreSQL {major} server in {', '.join(candidates)}; hint: ./dev test fetches it, or name its "
        f"folder of programs in ASB_POSTGRES_{major}_BIN"
    )


def server_user():
    """Who runs the servers: postgres when we are root, else we ourselves."""
    return pwd.getpwnam("postgres") if os.geteuid() == 0 else pwd.getpwuid(os.geteuid())


def hand_over(path):
    """Gives a folder and all below it to the server's user; symbolic links are not followed."""
    user = server_user()
    os.chown(path, user.pw_uid, user.pw_gid, follow_symlinks=False)
    for folder, folders, files in os.walk(path):
        for name in folders + files:
            os.chown(os.path.join(folder, name), user.pw_uid, user.pw_gid, follow_symlinks=False)


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def _identity():
    """The arguments of subprocess that make a child the server's user."""
    if os.geteuid() != 0:
        return {}
    user = server_user()
    groups = [g.gr_gid for g in grp.getgrall() if user.pw_name in g.gr_mem]
    return {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": groups}


def _die_with_parent():
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGQUIT)


class PostgresServer:
    """One server over one data directory. Use as a context manager, or call stop().

    `PostgresServer.create(15, folder)` makes and starts a new one; `PostgresServer.on(15, data)` starts
    one over a data directory that is there, for example one that was just restored.
    """

    def __init__(self, major, folder, data=None, settings=None):
        self.major = major
        self.bin = bin_folder(major)
        self.folder = pathlib.Path(folder)
        self.data = pathlib.Path(data) if data else self.folder / "data"
        self.settings = dict(settings or {})
        self.more_environment = {}  # of the server itself
        self.port = free_port()
        self._process = None
        self.folder.mkdir(parents=True, exist_ok=True)
        hand_over(self.folder)

    @classmethod
    def create(cls, major, folder, **settings):
        """A new server with page checksums and SCRAM passwords, running."""
        server = cls(major, folder, settings=settings)
        server.initialise()
        server.start()
        return server

    @classmethod
    def on(cls, major, data, folder, **settings):
        """A running server over the data directory `data`, which is given to the server's user."""
        hand_over(data)
        server = cls(major, folder, data=data, settings=settings)
        server.start()
        return server

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop("immediate")

    # -- programs ------------------------------------------------------------------------------------

    @property
    def environment(self):
        """Of every program of this version; those from npm bring their libraries along."""
        environment = {"PATH": f"{self.bin}:/usr/bin:/bin", "LC_ALL": "C.UTF-8", "TZ": "UTC"}
        if not str(self.bin).startswith("/usr/"):
            environment["LD_LIBRARY_PATH"] = str(self.bin.parent / "lib")
        return environment

    def program(self, name, *arguments, env=None):
        """Runs one of the version's programs to its end, as the server's user; returns its stdout."""
        path = self.bin / name
        if not path.exists():
            raise PostgresError(f"PostgreSQL {self.major} in {self.bin} has no {name}")
        done = subprocess.run(
            [path, *map(str, arguments)], capture_output=True, text=True, cwd="/", timeout=300,
            stdin=subprocess.DEVNULL, env={**self.environment, **(env or {})}, **_identity(),
        )
        if done.returncode != 0:
            raise PostgresError(f"{name} ended with {done.returncode}: {done.stdout}{done.stderr}")
        return done.stdout

    def initialise(self, *words):
        """`words`: more options of initdb."""
        password_file = self.folder / "password"
        password_file.write_text(SUPERUSER_PASSWORD)
        hand_over(password_file)
        self.program(
            "initdb", "-D", self.data, "-U", SUPERUSER, "-A", "scram-sha-256", f"--pwfile={password_file}",
            "--data-checksums", "--encoding=UTF8", "--locale=C.UTF-8", "--no-sync",
            *words,
        )
        password_file.unlink()

    # -- running -------------------------------------------------------------------------------------

    def start(self):
        """Starts and waits until it answers (a standby: read-only queries)."""
        if self._process:
            raise PostgresError("the server runs already")
        settings = {
            "port": self.port,
            "listen_addresses": "127.0.0.1",
            "unix_socket_directories": self.folder,
            "logging_collector": "off",
            "log_destination": "stderr",
            "fsync": "off",
            "max_connections": 40,
            "shared_buffers": "32MB",
            **self.settings,
        }
        command = [self.bin / "postgres", "-D", self.data]
        for name, value in settings.items():
            command += ["-c", f"{name}={value}"]
        with open(self.folder / "server.log", "ab") as log:
            self._process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd="/",
                env=self.environment | self.more_environment,
                preexec_fn=_die_with_parent, **_identity(),
            )
        self.wait_until_ready()

    def wait_until_ready(self):
        deadline = time.monotonic() + START_SECONDS_MAX
        while True:
            try:
                self.connect().close()
                return
            except psycopg.OperationalError as error:
                ended = self._process.poll() is not None
                if ended or time.monotonic() > deadline:
                    self.stop("immediate")
                    raise PostgresError(f"PostgreSQL {self.major} did not start: {error}\n{self.log()}") from error
                time.sleep(0.05)

    @property
    def is_running(self):
        return self._process is not None and self._process.poll() is None

    @property
    def pid(self):
        return self._process.pid

    def stop(self, mode="fast"):
        """`fast`: with a checkpoint, clients are sent away; `immediate`: as a crash; harmless when down."""
        if self.is_running:
            self._process.send_signal({"fast": signal.SIGINT, "immediate": signal.SIGQUIT}[mode])
            self._process.wait(STOP_SECONDS_MAX)
        self._process = None

    def restart(self, mode="fast"):
        self.stop(mode)
        self.start()

    def reload(self):
        """Reads pg_hba.conf and the settings again; returns when new connections see them."""
        before = self.sql("SELECT pg_conf_load_time()")[0][0]
        self.sql("SELECT pg_reload_conf()")
        deadline = time.monotonic() + 10
        while self.sql("SELECT pg_conf_load_time()")[0][0] == before:
            if time.monotonic() > deadline:
                raise PostgresError("the server did not reload its settings")
            time.sleep(0.02)

    def log(self):
        return (self.folder / "server.log").read_text(errors="replace")

    # -- access --------------------------------------------------------------------------------------

    def url(self, user=SUPERUSER, password=SUPERUSER_PASSWORD, db="postgres", via="host", **parameters):
        """A connection URL, `via` "host" (TCP on 127.0.0.1) or "socket"."""
        login = quote(user, safe="") + (":" + quote(password, safe="") if password else "")
        place = f"127.0.0.1:{self.port}"
        if via == "socket":
            place = ""
            parameters = {"host": str(self.folder), "port": self.port, **parameters}
        query = "&".join(f"{name}={quote(str(value), safe='')}" for name, value in parameters.items())
        return f"postgresql://{login}@{place}/{quote(db, safe='')}" + (f"?{query}" if query else "")

    def connect(self, db="postgres", user=SUPERUSER, password=SUPERUSER_PASSWORD):
        """A connection over the unix socket; every statement commits by itself."""
        return psycopg.connect(
            host=str(self.folder), port=self.port, dbname=db, user=user, password=password, autocommit=True,
            connect_timeout=10,
        )

    def sql(self, text, db="postgres", parameters=None):
        """Runs as superuser; the rows of the last statement, or [] when it gives none."""
        with contextlib.closing(self.connect(db)) as connection, connection.cursor() as cursor:
            cursor.execute(text, parameters)
            while cursor.nextset():
                pass
            return cursor.fetchall() if cursor.description else []

    def value(self, text, db="postgres"):
        """The one value that a statement gives."""
        ((value,),) = self.sql(text, db)
        return value

    def add_hba(self, line):
        """Puts a line in front of pg_hba.conf (the first that fits decides) and has it read."""
        path = self.data / "pg_hba.conf"
        path.write_text(line + "\n" + path.read_text())
        self.reload()

    def create_minimal_role(self, name=BACKUP_ROLE, password=BACKUP_PASSWORD):
        """The least that a physical backup needs; returns its name and password."""
        literal = psycopg.sql.Literal(password)
        statement = psycopg.sql.SQL("CREATE ROLE {} LOGIN REPLICATION PASSWORD {}").format(
            psycopg.sql.Identifier(name), literal
        )
        with contextlib.closing(self.connect()) as connection:
            connection.execute(statement)
        return name, password

    def create_tablespace(self, name):
        """A tablespace in a folder beside the data directory; returns the folder."""
        location = self.folder / f"tablespace-{name}"
        location.mkdir(mode=0o700)
        hand_over(location)
        self.sql(f"CREATE TABLESPACE {name} LOCATION '{location}'")
        return location

    def standby(self, folder, **settings):
        """A streaming standby of this server, running, made by this version's pg_basebackup."""
        data = pathlib.Path(folder) / "data"
        pathlib.Path(folder).mkdir(parents=True, exist_ok=True)
        hand_over(folder)
        self.program(
            "pg_basebackup", "-D", data, "-R", "-X", "stream", "-c", "fast", "--no-sync",
            "-d", self.url(via="socket"),
        )
        standby = PostgresServer(self.major, folder, data=data, settings=settings)
        standby.start()
        return standby

    def wait_for_standby(self, standby):
        """Returns once the standby has replayed everything written here so far."""
        target = self.value("SELECT pg_current_wal_flush_lsn()::text")
        deadline = time.monotonic() + START_SECONDS_MAX
        while not standby.value(f"SELECT pg_last_wal_replay_lsn() >= '{target}'::pg_lsn"):
            if time.monotonic() > deadline:
                raise PostgresError(f"the standby did not reach {target}")
            time.sleep(0.05)

    # -- data ----------------------------------------------------------------------------------------

    def load_auth_data(self, rows=1000, db="auth"):
        """A database of an auth service's shape; `rows` users and some times as many of the rest."""
        auth_data.load(self, rows, db)

    def fingerprint(self, db="auth"):
        """Everything of the database that must be equal after a restore; compare with ==."""
        with contextlib.closing(self.connect(db)) as connection:
            return fingerprint(connection)

    def destroy(self):
        """What a disaster leaves: nothing of the data directory."""
        self.stop("immediate")
        shutil.rmtree(self.data)
