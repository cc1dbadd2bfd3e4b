"""Why this exists: a recovered data directory is proved by the server that starts over it by itself; the tests of
recovery share how one is restored, started and asked."""

import contextlib
import shutil
import time

from lib.crash import processes_below
from lib.postgres import PostgresServer, hand_over

SECONDS_MAX = 60
SOURCE = "asb_recovery.json"
PREFETCHED = "asb-prefetch"


def windows(product):
    """What `list` says can be reached."""
    chains = product.run("list", "--json").json()["chains"]
    return [window for chain in chains for window in chain["windows"]]


def names(product):
    return [backup["name"] for backup in product.run("list", "--json").json()["backups"]]


def back_up(product, kind="incremental", *words, **options):
    """The backup's document."""
    return product.run("backup", "--type", kind, *words, "--json", **options).json()


def remove(product, name):
    """As somebody who tidies up."""
    for path in product.repository.glob(f"{name}*"):
        path.unlink()


def wait_until_promoted(server):
    deadline = time.monotonic() + SECONDS_MAX
    while server.value("SELECT pg_is_in_recovery()"):
        assert time.monotonic() < deadline, f"not promoted:\n{server.log()}"
        time.sleep(0.02)


def let_the_server_read(product):
    """What is in the repository now, and the program: then a recovering server fetches its WAL itself."""
    # A checkout may lie where the server's user cannot enter.
    if product.binary.parent != product.folder:
        product.binary = product.folder / shutil.copy(product.binary, product.folder / "auth-service-backup")
    hand_over(product.folder)


def fetching(folder):
    """Processes that fetch WAL for the server in `folder`."""
    return [line for line in processes_below(folder) if "fetch-wal" in line]


@contextlib.contextmanager
def recovered(product, folder, *target, major=15, **settings):
    """Restores to `target` and starts a server there, with what the restore said as `.report`."""
    data = folder / "data"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    folder.chmod(0o755)
    report = product.run("restore", *target, "--target-dir", data, "--json").json()
    with PostgresServer.on(major, data, folder, max_prepared_transactions=20, **settings) as server:
        wait_until_promoted(server)
        check_nothing_stays(server)
        server.report = report
        yield server
    shutil.rmtree(folder)


def check_nothing_stays(server):
    """Neither the secret that the server fetched its WAL with, nor what was fetched too much, nor who fetched it."""
    deadline = time.monotonic() + SECONDS_MAX
    while leftovers(server):
        assert time.monotonic() < deadline, f"these stay: {leftovers(server)}"
        time.sleep(0.02)


def leftovers(server):
    places = (server.data / SOURCE, server.data / "pg_wal" / PREFETCHED)
    return fetching(server.data) + [str(path) for path in places if path.exists()]
