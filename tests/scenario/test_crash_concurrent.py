"""Why this exists: runs need no lock: several at once on one repository all succeed, none takes another's
unfinished objects for leftovers, and a list taken meanwhile never shows what does not verify."""

import pytest
from lib import crash
from lib.folder_state import folder_state
from lib.product import Product
from lib.stored_backup import random_files

BUSY = 11
MEGABYTES = 40  # long enough that the runs meet
LISTS = 10


@pytest.fixture
def source(tmp):
    return random_files(tmp / "source", MEGABYTES)


@pytest.fixture
def product(tmp):
    return Product(tmp / "product")


def start(product, source, env=None):
    return product.popen("backup", "config", "--json", env={"CONFIG_PATHS": source, **(env or {})})


def names_of(runs):
    """Of the runs that succeeded; the others must say that they were busy."""
    ended = [run.wait(expect=(0, BUSY)) for run in runs]
    return [done.json()["name"] for done in ended if done.code == 0]


@pytest.mark.parametrize("count", [2, 4])
def test_several_backups_at_once_all_succeed(product, source, count):
    names = names_of([start(product, source) for _ in range(count)])
    assert len({*names}) == count
    assert sorted(crash.listed(product)) == sorted(names)
    crash.verify(product, names)
    crash.check_nothing_stays(product, sorted(names))


def test_a_list_during_backups_never_shows_one_that_does_not_verify(product, source):
    runs = [start(product, source) for _ in range(3)]
    seen = set()
    while any(run.process.poll() is None for run in runs):
        new = [name for name in crash.listed(product) if name not in seen]
        crash.verify(product, new)
        seen |= {*new}
    assert len(names_of(runs)) == 3
    assert {*crash.listed(product)} >= seen


def test_a_sweep_leaves_alone_what_another_run_is_writing(product, source, tmp):
    """A dead run's objects are removed by runs that start while others are writing theirs."""
    dead = start(product, source, crash.armed(3, "kill", "store.local.rename"))
    dead.wait(expect=crash.KILLED)
    left = [name for name in product.objects() if name.endswith((".index", ".tar.gz.enc"))]
    assert len(left) == 1 or len(left) == 2
    first = start(product, source)
    small = random_files(tmp / "small", 0)
    others = []
    while first.process.poll() is None and len(others) < LISTS:
        others += names_of([start(product, small)])
    names = [*names_of([first]), *others]
    assert len(names) == len(others) + 1
    crash.verify(product, names)
    crash.check_nothing_stays(product, sorted(names))
    product.run("restore", "-f", names[0], "--components", "config", "--files-dir", tmp / "back")
    assert folder_state(tmp / "back" / "config" / str(source)[1:]) == folder_state(source)
