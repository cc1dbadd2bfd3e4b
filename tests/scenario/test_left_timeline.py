"""Why this exists: after a failover the old primary may have gone on for a while, and both went into one repository.
What it committed after the standby left is on no newer timeline, and may be just what somebody looks for."""

import shutil
import time

import pytest
from lib.postgres import PostgresServer
from lib.product import Product
from lib.recovered import back_up, recovered, wait_until_promoted, windows

KEEPING = {"wal_keep_size": "1GB"}


class Fork:
    """The chain of a primary; then one more backup of it, and one of its standby, which was promoted before that."""

    def __init__(self, folder):
        with PostgresServer.create(15, folder / "pg", **KEEPING) as old:
            old.create_minimal_role()
            old.sql("CREATE TABLE written (what text)")
            self.product = Product(folder / "product", database_url=old.url())
            other = Product(folder / "other", database_url=old.url())
            other.key = self.product.key
            with old.standby(folder / "standby", **KEEPING) as new:
                back_up(self.product, "full")
                old.sql("INSERT INTO written VALUES ('before')")
                back_up(self.product)
                old.wait_for_standby(new)
                new.sql("SELECT pg_promote()")
                wait_until_promoted(new)
                shutil.copytree(self.product.repository, other.repository)
                old.sql("INSERT INTO written VALUES ('on the old one')")
                self.of_old = back_up(self.product)
                for _ in range(20):
                    new.sql("INSERT INTO written VALUES ('on the new one')")
                time.sleep(1.1)  # the names of two repositories know nothing of each other
                other.database_url = new.url()
                self.of_new = back_up(other)
        shutil.copytree(other.repository, self.product.repository, dirs_exist_ok=True)


@pytest.fixture(scope="module")
def fork(module_tmp):
    return Fork(module_tmp)


def written(server):
    return {what for (what,) in server.sql("SELECT what FROM written")}


def test_both_ends_are_listed_and_come_back_by_what_is_listed(fork, tmp):
    assert fork.of_old["parent"] == fork.of_new["parent"]
    new, old = windows(fork.product)
    assert (new["line"], old["line"]) == (2, 1) and "left_behind_at" in old
    with recovered(fork.product, tmp / "new", "--target-position", new["to_position"]) as server:
        assert written(server) == {"before", "on the new one"}
    named = f"{old['to_position']} (timeline 1)"
    dry = fork.product.run("restore", "--target-position", named, "--dry-run", "--target-dir", tmp / "x")
    assert "attention: line 1 is not the newest; line 2 shares its past up to" in dry.out
    with recovered(fork.product, tmp / "old", "--target-position", named) as server:
        assert written(server) == {"before", "on the old one"}
        # A timeline of its own: 2 is taken.
        assert server.value("SELECT timeline_id FROM pg_control_checkpoint()") == 3


def test_a_time_that_both_have_is_the_newer_ones(fork, tmp):
    _, old = windows(fork.product)
    for words in (("explain", old["to"]), ("restore", "--target-time", old["to"], "--dry-run", "--target-dir", tmp / "x")):
        assert fork.product.run(*words, "--json").json()["line"] == 2
