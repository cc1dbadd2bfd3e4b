"""Why this exists: what tests of `stream` share: a stream that runs beside the test, and the server's own WAL to
compare with."""

import contextlib
import json
import pathlib
import re
import shutil
import signal
import threading
import time

import psycopg

from lib.log_objects import StreamedLog
from lib.postgres import BACKUP_PASSWORD, BACKUP_ROLE, PostgresServer
from lib.product import Product

SEGMENT = 16 * 1024 * 1024
SLOT_PREFIX = "auth_service_backup_"
TERMINATED = 128 + signal.SIGTERM
SECONDS_MAX = 60


def wait_for(holds, what, seconds=SECONDS_MAX):
    deadline = time.monotonic() + seconds
    while True:
        found = holds()
        if found:
            return found
        assert time.monotonic() < deadline, f"after {seconds} s still not so: {what}"
        time.sleep(0.05)


def new_server(major, folder, **settings):
    server = PostgresServer.create(major, folder, wal_keep_size="4GB", **settings)
    server.create_minimal_role()
    server.add_hba("host replication all 127.0.0.1/32 scram-sha-256")
    return server


def product_for(server, folder):
    """A product that has a full backup of the server."""
    product = Product(folder, database_url=server.url(user=BACKUP_ROLE, password=BACKUP_PASSWORD))
    product.run("backup", "--type", "full")
    return product


class Stream:
    """`stream` as a process. A context manager: leaving ends it, as systemd would."""

    def __init__(self, product, *words, env=None):
        self.product = product
        self.running = product.popen("stream", *words, env={"STREAM_SECONDS": 1, **(env or {})})

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        if self.running.process.poll() is None:
            self.running.signal()
            self.running.wait(expect=TERMINATED if kind is None else None)

    @property
    def is_alive(self):
        return self.running.process.poll() is None

    def wait(self, expect, timeout=SECONDS_MAX):
        return self.running.wait(expect=expect, timeout=timeout)

    def kill(self):
        self.running.kill()
        return self.running.wait(expect=137)

    def status(self):
        path = pathlib.Path(self.product.logs) / "stream-status.json"
        with contextlib.suppress(FileNotFoundError):
            found = json.loads(path.read_text())
            if found["pid"] == self.running.process.pid:
                return found
        return {}

    def wait_until(self, holds, what):
        """`holds` gets the status."""

        def question():
            assert self.is_alive, f"the stream has ended: {self.running.err_so_far()}"
            found = self.status()
            return found and holds(found) and found

        return wait_for(question, what)

    def wait_until_streaming(self):
        return self.wait_until(lambda status: status["state"] == "streaming", "streaming")

    def wait_until_durable(self, lsn):
        """Everything before `lsn` (as SQL prints it) is in the repository."""
        return self.wait_until(lambda status: int(status["durable"]["at"], 16) >= number(lsn), f"durable up to {lsn}")


def number(lsn):
    high, low = lsn.split("/")
    return int(high, 16) << 32 | int(low, 16)


def position(server):
    """Where the server's WAL ends, flushed."""
    return server.value("SELECT pg_current_wal_flush_lsn()::text")


def slots(server):
    return [name for (name,) in server.sql("SELECT slot_name FROM pg_replication_slots ORDER BY 1")]


def wal_of(server, line, start, end):
    """The server's own bytes [start, end) of the timeline `line`, from its files."""
    data = bytearray()
    first = start // SEGMENT * SEGMENT
    for place in range(first, end, SEGMENT):
        data += (server.data / "pg_wal" / segment_name(line, place)).read_bytes()
    return bytes(data[start - first : end - first])


def check_equal_to_wal(product, server, line=1):
    """What is kept of `line` is byte by byte what the server has, without a gap; returns where it ends."""
    for kept_line, start, data in StreamedLog(product).contiguous():
        if kept_line == line:
            end = start + len(data)
            assert data == wal_of(server, line, start, end)
            return end
    raise AssertionError(f"nothing of line {line} is kept")


class Writer:
    """Commits numbered rows one after the other; `committed` are the transactions whose commit returned."""

    def __init__(self, server):
        self.server = server
        self.committed = set()
        server.sql("CREATE TABLE IF NOT EXISTS numbered (n bigserial PRIMARY KEY, filler text)")

    def write(self, count=1, filler_bytes=32):
        with contextlib.closing(self.server.connect()) as connection:
            for _ in range(count):
                self._commit(connection, filler_bytes)

    @contextlib.contextmanager
    def beside(self):
        """Writes in a thread, until the block is left or the server goes."""
        leave = threading.Event()

        def write():
            with contextlib.suppress(psycopg.Error), contextlib.closing(self.server.connect()) as connection:
                while not leave.is_set():
                    self._commit(connection, 32)

        thread = threading.Thread(target=write)
        thread.start()
        try:
            yield
        finally:
            leave.set()
            thread.join(SECONDS_MAX)

    def _commit(self, connection, filler_bytes):
        row = connection.execute(
            "INSERT INTO numbered (filler) SELECT string_agg(md5(random()::text), '') FROM generate_series(1, %s)"
            " RETURNING pg_current_xact_id()::text",
            (max(1, filler_bytes // 32),),
        ).fetchone()
        self.committed.add(int(row[0]))


def commits_in(server15, product, line=1):
    """The ids of the transactions whose commits pg_waldump finds in what is kept of `line`."""
    folder = product.folder / "waldump"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    ((start, data),) = [(start, data) for kept, start, data in StreamedLog(product).contiguous() if kept == line]
    first = start // SEGMENT * SEGMENT
    # pg_waldump wants the segment's head, which a backup holds.
    image = wal_of(server15, line, first, start) + data
    for place in range(0, len(image), SEGMENT):
        part = image[place : place + SEGMENT]
        (folder / segment_name(line, first + place)).write_bytes(part + bytes(SEGMENT - len(part)))
    text = server15.program(
        "pg_waldump", "-p", folder, "-t", line, "-s", lsn_text(start), "-e", lsn_text(start + len(data)),
        "-r", "Transaction",
    )
    return {int(xid) for xid in re.findall(r"tx:\s*(\d+),.*desc: COMMIT ", text)}


def segment_name(line, position):
    per_id = 0x100000000 // SEGMENT
    number_of_segment = position // SEGMENT
    return f"{line:08X}{number_of_segment // per_id:08X}{number_of_segment % per_id:08X}"


def lsn_text(value):
    return f"{value >> 32:X}/{value & 0xFFFFFFFF:X}"
