"""Why this exists: the crash campaign ends or fails the product at every durable step, in the very binary
that users run (src/base/fail_point.hpp says how), and after each of them the same must hold: what is listed
verifies, the next run needs no help, and nothing of the dead run stays.
"""

import os
import pathlib
import re
import shutil
import signal
import subprocess
import time

KILLED = 128 + signal.SIGKILL
STOPPED = 128 + signal.SIGTERM
STORE, SPACE, FAILED = 7, 9, 1
# How a run may end when an action hits it: 0 where the step was not one that the outcome needs (a leftover
# that could not be removed), or where the wish to stop came after the last moment to obey.
OUTCOMES = {"kill": (KILLED,), "eio": (FAILED, STORE, 0), "enospc": (SPACE, 0), "stop": (STOPPED, 0)}
MANIFEST, INDEX = ".manifest.json", ".index"
NOTE = "RESTORE.txt"
# The run under sanitizers, whose binary starts ten times slower, hits about every n-th step and in any case the
# first and last of each kind; every step is hit without sanitizers.
SAMPLE = int(os.environ.get("ASB_CRASH_SAMPLE", "1"))
GONE_SECONDS_MAX = 10  # until a server has noticed that its client died


def armed(number, action, name="*"):
    """The environment of a run that meets `action` at its `number`-th step (from 1) called `name`."""
    return {"ASB_FAIL_POINT": f"{name}:{number}:{action}"}


def steps_of(product, *arguments, env=None):
    """The names of all durable steps of a run, in their order; the run itself goes well."""
    log = product.folder / "steps"
    log.unlink(missing_ok=True)
    counting = {"ASB_FAIL_POINT": "*:0:count", "ASB_FAIL_POINT_LOG": log}
    product.run(*arguments, env={**(env or {}), **counting})
    return log.read_text().split()


def chosen(steps, count=None):
    """Numbers (from 1) of all steps, or of about `count` of them, evenly spread, and in any case the first and
    last of a kind. SAMPLE makes them fewer."""
    count = max(1, (count or len(steps)) // SAMPLE)
    last = {name: number for number, name in enumerate(steps, 1)}
    first = {name: number for number, name in reversed([*enumerate(steps, 1)])}
    spread = {1 + i * len(steps) // count for i in range(count)}
    return sorted({*first.values(), *last.values(), *spread})


def outlive_the_second():
    """Names of backups are times to the second: a run in the same second needs one more try than others."""
    time.sleep(1 - time.time() % 1)


class Tally:
    """Which points a file's tests have covered; says so at the end, and insists on a minimum."""

    def __init__(self, what, least):
        self.what, self.least, self.points = what, least, 0
        self.kinds = set()

    def add(self, kind):
        self.points += 1
        self.kinds.add(kind)

    def check(self):
        print(f"\n{self.what}: {self.points} crash points, kinds: {', '.join(sorted(self.kinds))}")
        assert self.points >= self.least // SAMPLE


def copy_of(template, folder):
    """A repository like `template`, which may be missing: by hard links, since nothing is written in place."""
    shutil.rmtree(folder, ignore_errors=True)
    if pathlib.Path(template).exists():
        shutil.copytree(template, folder, copy_function=os.link)


def listed(product):
    """The names of all backups, each of which the list must hold to be whole."""
    backups = product.run("list", "--json").json()["backups"]
    assert [backup["state"] for backup in backups] == ["ok"] * len(backups)
    return [backup["name"] for backup in backups]


def verify(product, names):
    for name in names:
        product.run("verify", name, "--quiet")


def objects_of(names, note=True):
    """What a repository holds that holds these backups and nothing else, sorted."""
    kinds = (".tar.gz.enc", INDEX, MANIFEST)
    return sorted([name + kind for name in names for kind in kinds] + ([NOTE] if note else []))


def check_nothing_stays(product, names):
    """The repository holds exactly these backups, and no temporary file is left anywhere."""
    assert product.objects() == objects_of(names)
    assert list(product.temporary.iterdir()) == []


def wait_until(holds, what):
    deadline = time.monotonic() + GONE_SECONDS_MAX
    while not holds():
        assert time.monotonic() < deadline, f"after {GONE_SECONDS_MAX} s still not so: {what}"
        time.sleep(0.02)


def check_no_slot(server):
    """No replication slot and no replication session is left on the server."""
    wait_until(lambda: server.value("SELECT count(*) FROM pg_replication_slots") == 0, "no slot is left")
    wait_until(lambda: server.value("SELECT count(*) FROM pg_stat_replication") == 0, "no walsender is left")


def processes_below(folder):
    """The command lines of living processes that name `folder` or work in it."""
    found = []
    for entry in pathlib.Path("/proc").iterdir():
        if not re.fullmatch(r"\d+", entry.name) or int(entry.name) == os.getpid():
            continue
        try:
            line = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            place = os.readlink(entry / "cwd")
        except OSError:
            continue  # it has ended meanwhile
        if str(folder) in line or place.startswith(str(folder)):
            found.append(line or place)
    return found


def check_no_process(folder):
    """Nothing that a run started below `folder` is alive; for the kernel's time to end it."""
    wait_until(lambda: not processes_below(folder), f"no process below {folder}")


def seconds_of(product, *arguments):
    """How long a run takes that nobody disturbs."""
    started = time.monotonic()
    product.run(*arguments)
    return time.monotonic() - started


def wait_or_kill(running, seconds):
    """Lets a run go on for that long, unless it ends before; then kills it."""
    try:
        running.process.wait(seconds)
    except subprocess.TimeoutExpired:
        running.kill()
