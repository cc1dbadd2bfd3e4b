"""Why this exists: clocks step, and "what was committed by then" must keep its meaning: everything, in the order of the
log, before the first commit that is later. Positions do not care."""

import pytest
from lib.log_writer import MICROSECOND, LogWriter, assert_is, instant_text, lsn_text, parse_instant, parse_lsn
from lib.postgres import PostgresServer
from lib.product import Product
from lib.recovered import back_up, recovered, windows
from lib.stepped_clock import SteppedClock

UNREACHABLE = 8
HOUR = 3600
STEPS = (0, HOUR, -HOUR, 0)  # an hour ahead, two hours back, right again
COMMITS = 3  # after each


@pytest.fixture(scope="module")
def stepped(module_tmp):
    clock = SteppedClock(module_tmp)
    server = PostgresServer(15, module_tmp / "pg15", settings={"max_prepared_transactions": 20})
    server.more_environment = clock.environment
    server.initialise()
    server.start()
    with server:
        yield Stepped(module_tmp, server, clock)


class Stepped:
    def __init__(self, folder, server, clock):
        self.folder = folder
        self.product = Product(folder / "product", database_url=server.url())
        self.writer = LogWriter(server)
        back_up(self.product, "full")
        self.phases = []
        for seconds in STEPS:
            clock.step_to(seconds)
            self.phases.append([self.commit() for _ in range(COMMITS)])
        back_up(self.product)

    def commit(self):
        self.writer.rows()
        return self.writer.commits[-1]

    def last_by(self, instant):
        """By the definition."""
        later = next(place for place, commit in enumerate(self.writer.commits) if commit.before >= instant)
        return self.writer.commits[later - 1]

    def plan(self, *words):
        place = self.folder / "restored" / "data"
        return self.product.run("restore", *words, "--dry-run", "--target-dir", place, "--json").json()


def is_last_in(plan, commit):
    return commit.before_lsn < parse_lsn(plan["last_in"]["position"]) <= commit.after_lsn


def test_the_clock_did_step(stepped):
    first, ahead, behind, _ = (phase[0].before for phase in stepped.phases)
    assert (ahead - first).total_seconds() > HOUR - 60 and (behind - ahead).total_seconds() < -2 * HOUR + 60


def test_a_time_stops_before_the_first_commit_that_is_later(stepped):
    first, ahead, behind, again = stepped.phases
    for commit in (*first[:-1], *ahead[:-1]):
        assert is_last_in(stepped.plan("--target-time", instant_text(commit.after)), commit)
    for commit in (first[-1], *again):
        # The first one that is later came when the clock was ahead.
        assert stepped.last_by(commit.after) == first[-1]
        assert is_last_in(stepped.plan("--target-time", instant_text(commit.after)), first[-1])
    with recovered(stepped.product, stepped.folder / "restored", "--target-time", instant_text(again[1].after)) as server:
        assert_is(server, first[-1])


def test_after_the_latest_time_of_all_everything_is_in(stepped):
    _, ahead, _, again = stepped.phases
    (window,) = windows(stepped.product)
    end = parse_instant(window["to"])
    assert ahead[-1].before < end <= ahead[-1].after
    with recovered(stepped.product, stepped.folder / "restored", "--target-time", window["to"]) as server:
        assert_is(server, again[-1])
    later = instant_text(end + MICROSECOND)
    stepped.product.run("explain", later, expect=UNREACHABLE)


def test_a_time_before_the_backup_is_refused_although_commits_have_it(stepped):
    behind = stepped.phases[2]
    refused = stepped.product.run("explain", instant_text(behind[1].after), expect=UNREACHABLE)
    assert "before the first backup is consistent" in refused.out


def test_positions_bring_back_each_commit_whatever_its_time(stepped):
    for phase in stepped.phases:
        for commit in phase[:-1]:
            assert is_last_in(stepped.plan("--target-position", lsn_text(commit.after_lsn)), commit)
    behind = stepped.phases[2]
    with recovered(stepped.product, stepped.folder / "restored", "--target-position", lsn_text(behind[1].after_lsn)) as server:
        assert_is(server, behind[1])


def test_a_backup_of_a_day_that_is_not_yet_is_told_by_check(tmp):
    """It is the latest for as long as the clock was ahead."""
    product = Product(tmp / "product")
    (tmp / "app.conf").write_text("key = value\n")
    files = {"CONFIG_PATHS": str(tmp / "app.conf")}
    clock = SteppedClock(tmp)
    clock.step_to(365 * 24 * HOUR)
    ahead = back_up(product, "config", env=files | clock.environment)["name"]
    back_up(product, "config", env=files)
    checks = product.run("check", "--json", env=files, expect=None).json()["checks"]
    (catalog,) = [one for one in checks if one["subject"] == "catalog"]
    assert catalog["verdict"] == "warn" and "which is not yet: a clock was wrong" in catalog["detail"]
    assert catalog["detail"].startswith(ahead)
