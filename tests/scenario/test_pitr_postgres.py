"""Why this exists: a restore to an instant brings back exactly what was committed by then, whatever the database has
lived through; what cannot be reached is refused, and what is named instead works."""

import os
import random

import pytest
from lib.crash import copy_of
from lib.folder_state import names_below
from lib.log_writer import MICROSECOND, LogWriter, assert_is, instant_text, lsn_text, parse_instant, parse_lsn
from lib.postgres import PostgresServer
from lib.product import Product
from lib.recovered import back_up, recovered, remove, windows

SEED = 20240115
SAMPLES = int(os.environ.get("ASB_PITR_SAMPLES", "4"))
REFUSALS = max(20, SAMPLES)
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
        server.sql("SELECT pg_switch_wal()")
        writer.mixture()
        server.sql("SELECT pg_switch_wal()")
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
    """The last one in and the first one left out lie where the writer saw them. What was committed before the base
    was consistent is in it, and not looked for."""
    following = lived.writer.commits[lived.writer.commits.index(commit) + 1]
    if "last_in" in said:
        assert commit.before <= parse_instant(said["last_in"]["time"]) <= commit.after
        assert commit.before_lsn < parse_lsn(said["last_in"]["position"]) <= commit.after_lsn
    else:
        assert commit.before < parse_instant(said["consistent_at"])
    assert following.before <= parse_instant(said["first_out"]["time"]) <= following.after
    assert following.before_lsn <= parse_lsn(said["first_out"]["position"]) < following.after_lsn


def test_plan_dry_run_and_restore_say_the_same(lived):
    targets = lived.writer.targets(random.Random(SEED + 1), windows(lived.product))
    for _, (commit, words) in zip(range(4), targets):
        explained = explain(lived.product, words)
        dry = lived.product.run("restore", *words, "--dry-run", "--target-dir", lived.folder / "dry", "--json").json()
        assert explained.items() <= dry.items()
        check_report(lived, dry, commit)
    with lived.recovered(*words) as server:
        assert server.report["recovery"].items() <= dry.items()
    assert not (lived.folder / "dry").exists()


def explain(product, words, expect=0):
    """It takes a time without an option."""
    said = words[1:] if words[0] == "--target-time" else words
    return product.run("explain", *said, "--json", expect=expect).json()


def test_between_the_last_commit_and_the_end_of_what_is_kept_nothing_happened(lived):
    last = lived.writer.commits[-1]
    idle_lsn, idle = lived.end_of_writing
    assert idle > last.after
    with lived.recovered("--target-time", instant_text(idle)) as server:
        assert_is(server, last)
        assert "first_out" not in server.report["recovery"]
    dry = lived.product.run("restore", "--target-position", lsn_text(idle_lsn), "--dry-run", "--target-dir", "/nowhere/x")
    assert "first one left out: none; nothing was committed after that" in dry.out


def test_an_incremental_backup_by_name_is_where_it_ends(lived):
    _, incremental, *_ = lived.backups
    with lived.recovered("--backup-file", incremental) as server:
        said = server.report["recovery"]
        end = parse_lsn(said["log_end"])
        (commit,) = [one for one in lived.writer.commits if one.before_lsn < parse_lsn(said["last_in"]["position"]) <= one.after_lsn]
        assert_is(server, commit)
        check_report(lived, said, commit)
        assert commit.after_lsn <= end


def test_latest_is_everything(lived):
    dry = lived.product.run("restore", "--target-time", "latest", "--dry-run", "--target-dir", "/nowhere/x", "--json").json()
    assert lived.writer.commits[-1].before < parse_instant(dry["last_in"]["time"])
    assert "first_out" not in dry


def test_a_restore_point_is_found_by_its_name(lived):
    with lived.recovered("--target-name", "unique") as server:
        assert_is(server, lived.unique)
        check_report(lived, server.report["recovery"], lived.unique)
    place = lived.folder / "elsewhere"
    twice = lived.product.run("restore", "--target-name", "twice", "--target-dir", place, expect=USAGE)
    assert "2 restore points have the name 'twice'" in twice.err and "--target-position" in twice.err
    missing = lived.product.run("restore", "--target-name", "missing", "--target-dir", place, expect=UNREACHABLE)
    assert "nothing that is kept has a restore point of that name" in missing.err
    assert not place.exists()


def test_into_the_database_it_is_the_same(lived):
    """Into another server, which has a database of that name."""
    targets = lived.writer.targets(random.Random(SEED + 2), windows(lived.product))
    commit, words = next(targets)
    with PostgresServer.create(15, lived.folder / "other") as other:
        other.sql("CREATE DATABASE app; ")
        lived.product.run("restore", *words, env={"DATABASE_URL": other.url(db="app")})
        rows = {("numbered", n) for (n,) in other.sql("SELECT n FROM numbered", "app")}
        assert rows == {row for row in commit.state if row[0] == "numbered"}
        assert other.value("SELECT count(*) FROM pg_prepared_xacts") == 0
    assert names_below(lived.product.temporary) == []


@pytest.fixture(scope="module")
def holey(lived, module_tmp):
    """The same repository without the incremental backup before the second full one: two windows."""
    product = Product(module_tmp / "holey", database_url=lived.server.url())
    product.key = lived.product.key
    copy_of(lived.product.repository, product.repository)
    remove(product, lived.backups[2])
    return product


def test_whatever_lies_outside_the_windows_is_refused_and_what_is_nearest_works(lived, holey):
    first, second = windows(holey)
    assert (first["base"], second["base"]) == (lived.backups[0], lived.backups[3])
    moments = random.Random(SEED + 3)
    place = lived.folder / "elsewhere"
    nearest = set()
    for _ in range(REFUSALS):
        words, before, after = outside(moments, first, second)
        refused = holey.run("restore", *words, "--target-dir", place, "--json", expect=UNREACHABLE)
        said = explain(holey, words, expect=UNREACHABLE)
        assert (said["nearest_before"] or {}).get("time") == (before and before["to"])
        assert (said["nearest_after"] or {}).get("time") == (after and after["from"])
        for instant in filter(None, (said["nearest_before"], said["nearest_after"])):
            assert instant["time"] in refused.json()["error"]["hint"] + refused.json()["error"]["fact"]
            nearest.add(instant["time"])
            assert explain(holey, ("--target-position", instant["position"].split()[0]))["reachable"]
    assert nearest == {first["from"], first["to"], second["from"], second["to"]} and not place.exists()
    for instant in sorted(nearest)[:SAMPLES // 2]:
        with recovered(holey, place, "--target-time", instant) as server:
            assert_is(server, lived.writer.at(parse_instant(instant)))


def outside(moments, first, second):
    """Words of a target before, between or after the windows, with the window before it and the one after it."""
    before, after = moments.choice([(None, first), (first, second), (second, None)])
    if moments.random() < 0.5:
        start = parse_instant(before["to"] if before else "2000-01-01T00:00:00Z")
        end = parse_instant(after["from"] if after else "2100-01-01T00:00:00Z")
        instant = start + moments.randrange(1, (end - start) // MICROSECOND) * MICROSECOND
        return ("--target-time", instant_text(instant)), before, after
    start = parse_lsn(before["to_position"]) if before else 0
    end = parse_lsn(after["from_position"]) if after else 2**64
    return ("--target-position", lsn_text(moments.randrange(start + 1, end))), before, after
