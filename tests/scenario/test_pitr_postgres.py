"""Why this exists: a restore to an instant brings back exactly what was committed by then, whatever the database has
lived through; what cannot be reached is refused, and what is named instead works."""

import os
import random

import pytest
from lib.fingerprint import differences
from lib.folder_state import names_below
from lib.log_writer import MICROSECOND, LogWriter, assert_is, instant_text, lsn_text, parse_instant, parse_lsn
from lib.postgres import PostgresServer
from lib.product import Product
from lib.recovered import back_up, recovered, remove, windows

SEED = 20240115
SAMPLES = int(os.environ.get("ASB_PITR_SAMPLES", "6"))
UNREACHABLE, USAGE = 8, 2


@pytest.fixture(scope="module")
def lived(module_tmp):
    with PostgresServer.create(15, module_tmp / "pg15", max_prepared_transactions=20) as server:
        yield Lived(module_tmp, server)


class Lived:
    """A database with a past: fulls, incrementals, restarts, a crash, and writing all the time."""

    def __init__(self, folder, server):
        self.folder, self.server = folder, server
        self.product = Product(folder / "product", database_url=server.url())
        self.writer = writer = LogWriter(server)
        self.backups = []
        writer.mixture()
        prepared, commit_later = writer.prepare(), writer.leave_open()
        self.back_up("full")
        writer.mixture()
        writer.create_table("added")
        writer.rows(5, table="added")
        server.sql("SELECT pg_create_restore_point('unique')")
        self.unique = writer.commits[-1]
        writer.rows()
        self.back_up()
        writer.commit_prepared(prepared)
        server.sql("SELECT pg_create_restore_point('twice')")
        writer.truncate("added")
        writer.rows(3, table="added")
        server.sql("CHECKPOINT")
        server.sql("SELECT pg_create_restore_point('twice')")
        commit_later()
        writer.mixture()
        over_full = writer.prepare()
        self.back_up()
        writer.create_database("second")
        writer.mixture()
        self.start_again("fast")
        writer.rows(300, filler_bytes=3000)
        writer.drop_table("added")
        self.start_again("immediate")
        writer.mixture()
        self.back_up("full")
        writer.mixture()
        writer.commit_prepared(over_full)
        server.sql("SELECT pg_switch_wal()")
        writer.mixture(2)
        self.back_up()
        writer.create_database("third")
        writer.mixture()
        self.end_of_writing = writer.place()
        self.back_up()

    def back_up(self, kind="incremental"):
        done = back_up(self.product, kind)
        assert "promoted_to" not in done
        self.backups.append(done["name"])

    def start_again(self, mode):
        self.writer.close()
        self.server.restart(mode)
        self.writer.connect()

    def recovered(self, *target):
        return recovered(self.product, self.folder / "second", *target)


def test_the_windows_have_no_hole_over_a_later_full(lived):
    first, *_ = windows(lived.product)
    *_, last = windows(lived.product)
    assert [window["base"] for window in windows(lived.product)] == [lived.backups[0]]
    assert (first, first["to"]) == (last, last["to"])
    assert parse_instant(first["to"]) >= lived.writer.commits[-1].before


def test_any_instant_and_position_brings_back_exactly_what_was_committed_by_then(lived):
    targets = lived.writer.targets(random.Random(SEED), windows(lived.product))
    kinds = set()
    for _, (commit, words) in zip(range(SAMPLES), targets):
        with lived.recovered(*words) as server:
            assert_is(server, commit)
            check_report(lived, server.report["recovery"], commit)
            kinds.add(words[0])
    assert len(kinds) == 2


def check_report(lived, said, commit):
    """The last one in and the first one left out lie where the writer saw them."""
    following = lived.writer.commits[lived.writer.commits.index(commit) + 1]
    assert commit.before <= parse_instant(said["last_in"]["time"]) <= commit.after
    assert commit.before_lsn <= parse_lsn(said["last_in"]["position"]) < commit.after_lsn
    assert following.before <= parse_instant(said["first_out"]["time"]) <= following.after
    assert following.before_lsn <= parse_lsn(said["first_out"]["position"]) < following.after_lsn


def test_plan_dry_run_and_restore_say_the_same(lived):
    targets = lived.writer.targets(random.Random(SEED + 1), windows(lived.product))
    for _, (commit, words) in zip(range(4), targets):
        explained = lived.product.run("explain", *words, "--json").json()
        dry = lived.product.run("restore", *words, "--dry-run", "--target-dir", lived.folder / "dry", "--json").json()
        assert explained.items() <= dry.items()
        check_report(lived, dry, commit)
    with lived.recovered(*words) as server:
        assert server.report["recovery"].items() <= dry.items()
    assert not (lived.folder / "dry").exists()
