"""Why this exists: what tests of `stream` share: a stream that runs beside the test, and the server's own WAL to
compare with."""

import contextlib
import json
import pathlib
import re
import signal
import time

import psycopg

from lib.log_objects import StreamedLog

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
    for segment in range(start // SEGMENT, (end + SEGMENT - 1) // SEGMENT):
        per_id = 0x100000000 // SEGMENT
        name = f"{line:08X}{segment // per_id:08X}{segment % per_id:08X}"
        data += (server.data / "pg_wal" / name).read_bytes()
    first = start // SEGMENT * SEGMENT
    return bytes(data[start - first : end - first])


def check_equal_to_wal(product, server, line=1):
    """What is kept of `line` is byte by byte what the server has, without a gap; returns where it ends."""
    for kept_line, start, data in StreamedLog(product).contiguous():
        if kept_line == line:
            end = start + len(data)
            assert data == wal_of(server, line, start, end)
            return end
    raise AssertionError(f"nothing of line {line} is kept")


def keep_all_wal(server):
    """For the comparison: the server removes nothing."""
    server.sql("ALTER SYSTEM SET wal_keep_size = '4GB'")
    server.reload()


class Writer:
    """Commits numbered rows one after the other; `committed` are those whose commit returned."""

    def __init__(self, server, table="numbered"):
        self.server, self.table = server, table
        self.next = 0
        self.committed = []
        server.sql(f"CREATE TABLE IF NOT EXISTS {table} (n bigint PRIMARY KEY, filler text)")

    def write(self, count=1, filler=100):
        with contextlib.closing(self.server.connect()) as connection:
            for _ in range(count):
                self.next += 1
                connection.execute(
                    f"INSERT INTO {self.table} VALUES (%s, repeat(md5(random()::text), %s))", (self.next, filler // 32)
                )
                self.committed.append(self.next)

    def write_until(self, event):
        """In a thread: until `event` is set or the server goes."""
        with contextlib.suppress(psycopg.Error):
            with contextlib.closing(self.server.connect()) as connection:
                while not event.is_set():
                    self.next += 1
                    connection.execute(f"INSERT INTO {self.table} VALUES (%s, '')", (self.next,))
                    self.committed.append(self.next)


def commits_in(server15, product, line=1):
    """How many commits pg_waldump finds in what is kept of `line`."""
    folder = product.folder / "waldump"
    folder.mkdir(exist_ok=True)
    for path in folder.iterdir():
        path.unlink()
    for kept_line, start, data in StreamedLog(product).contiguous():
        if kept_line != line:
            continue
        first = start // SEGMENT * SEGMENT
        image = bytes(start - first) + data
        for place in range(0, len(image), SEGMENT):
            segment = (first + place) // SEGMENT
            per_id = 0x100000000 // SEGMENT
            name = f"{line:08X}{segment // per_id:08X}{segment % per_id:08X}"
            part = image[place : place + SEGMENT]
            (folder / name).write_bytes(part + bytes(SEGMENT - len(part)))
        text = server15.program(
            "pg_waldump", "-p", folder, "-t", line, "-s", lsn_text(start), "-e", lsn_text(start + len(data)),
            "-r", "Transaction",
        )
        return len(re.findall(r"desc: COMMIT ", text))
    return 0


def lsn_text(value):
    return f"{value >> 32:X}/{value & 0xFFFFFFFF:X}"
