"""Why this exists: at three in the morning the first question is whether the database can be brought back to half past
two at all. The answer must be right, say what is nearest, and touch nothing."""

import pytest
from lib.folder_state import folder_state
from lib.made_history import MadeHistory
from lib.product import Product

NO_KEY = {"BACKUP_ENCRYPTION_KEY": ""}


@pytest.fixture
def product(tmp):
    return Product(tmp / "product")


@pytest.fixture
def kept(product, tmp):
    return MadeHistory(product, tmp / "etc")


@pytest.fixture
def day(kept):
    """A full backup at two, incrementals until ten, an hour that is lost, and a new full one at noon."""
    kept.names = [
        kept.full("02:00:00", [(1, 0x1000000, 0x2000000)], "02:00:10"),
        kept.incremental("06:00:00", [(1, 0x2000000, 0x3000000)], "05:59:00", "06:00:00"),
        kept.incremental("10:00:00", [(1, 0x3000000, 0x4000000)], "09:30:00", "10:00:00"),
        kept.full("12:00:00", [(1, 0x5000000, 0x6000000)], "12:00:05"),
    ]
    return kept


def test_the_plan_names_the_base_and_what_is_read_of_the_log(day):
    assert day.product.run("explain", "2024-01-15T07:30:00+01:00").out == (
        "recovery to 2024-01-15T07:30:00+01:00\n"
        f"  base: {day.names[0]}, consistent at 2024-01-15T02:00:10.000000Z (0/2000000)\n"
        "  then the log:\n"
        f"    {day.names[1]}: 0/2000000 to 0/3000000\n"
        f"    {day.names[2]}: 0/3000000 to 0/4000000\n"
    )


def test_a_time_after_the_last_commit_but_before_the_end_of_coverage_is_reachable(day):
    plan = day.product.run("explain", "2024-01-15T09:59:59Z", "--json").json()
    assert (plan["reachable"], plan["base"], plan["log_end"]) == (True, day.names[0], "0/4000000")


def test_latest_is_the_newest_base(day):
    assert day.product.run("explain", "latest", "--json").json()["base"] == day.names[3]


def test_a_position_is_one_of_the_log(day):
    plan = day.product.run("explain", "--target-position", "0/2000028", "--json").json()
    assert [stage["backup"] for stage in plan["stages"]] == [day.names[1]]
    assert day.product.run("explain", "--target-position", "0/4800000", expect=8).out == (
        "position 0/4800000 cannot be reached: it is in a gap: nothing covers 0/4000000 to 0/5000000\n"
        "hint: the nearest ones are 2024-01-15T10:00:00.000000Z (0/4000000) before it and "
        "2024-01-15T12:00:05.000000Z (0/6000000) after it\n"
    )


@pytest.mark.parametrize("time, why, before, after", [
    ("2024-01-15T02:00:09Z", "it is before the first backup is consistent", None, "02:00:10"),
    ("2024-01-15T11:00:00Z", "it is in a gap: nothing covers 0/4000000 to 0/5000000", "10:00:00", "12:00:05"),
    ("2024-01-15T12:00:06Z",
     "it is after the end of what is kept: the newest instant is 2024-01-15T12:00:05.000000Z (0/6000000)", "12:00:05", None),
])
def test_what_cannot_be_reached_is_refused_with_the_nearest_instants(day, time, why, before, after):
    done = day.product.run("explain", time, "--json", expect=8)
    answer = done.json()
    assert (answer["code"], answer["reachable"], answer["reason"]) == ("unreachable_target", False, why)
    for instant, clock in ((answer["nearest_before"], before), (answer["nearest_after"], after)):
        assert instant is None if clock is None else instant["time"] == f"2024-01-15T{clock}.000000Z"
        if instant:
            assert day.product.run("explain", instant["time"], "--json").json()["reachable"]


def test_streamed_objects_stand_in_for_a_lost_incremental(day):
    day.remove(day.names[1])
    assert day.product.run("explain", "2024-01-15T09:00:00Z", expect=8).out.startswith(
        "2024-01-15T09:00:00Z cannot be reached: it is in a gap: nothing covers 0/2000000 to 0/3000000\n")
    for start in range(0x1F00000, 0x3100000, 0x100000):
        day.log_object(1, start, start + 0x180000, "05:00:00", "05:30:00")
    plan = day.product.run("explain", "2024-01-15T09:00:00Z", "--json").json()
    assert [stage.get("backup", stage.get("objects")) for stage in plan["stages"]] == [16, day.names[2]]


def test_nothing_is_touched_and_no_key_is_needed(day):
    before = folder_state(day.product.repository)
    day.product.run("explain", "latest", env=NO_KEY)
    day.product.run("list", env=NO_KEY)
    assert folder_state(day.product.repository) == before


def test_without_a_zone_a_time_is_refused(day):
    done = day.product.run("explain", "2024-01-15 02:30:00", expect=2)
    assert "it has no zone" in done.err and "2024-01-15 02:30:00+02:00" in done.err


def test_one_target_is_enough(day):
    assert "more than one option" in day.product.run("explain", "latest", "--target-name", "x", expect=2).err
    assert "explain needs to know where to" in day.product.run("explain", expect=2).err


def test_an_empty_repository_reaches_nothing(product):
    assert product.run("explain", "latest", expect=8).out == (
        f"the newest instant that is kept cannot be reached: no full backup is kept in {product.repository} from which its log "
        f"goes on\nhint: check that {product.repository} is the right place, and mounted; if it is, auth-service-backup backup "
        "--type full begins a chain; list shows what there is\n"
    )


def test_a_wrong_place_is_named_when_nothing_is_found_there(day, tmp):
    wrong = tmp / "not-mounted"
    wrong.mkdir()
    done = day.product.run("explain", "2024-01-15T07:30:00Z", "--json", env={"BACKUP_DIR": str(wrong)}, expect=8)
    assert done.json()["reason"] == f"no full backup is kept in {wrong} from which its log goes on"


def test_behind_a_hole_is_a_gap_and_later_than_everything_is_not(day):
    for name in (day.names[1], day.names[3]):
        day.remove(name)
    hint = ("hint: the nearest one is 2024-01-15T02:00:10.000000Z (0/2000000) before it; nothing covers 0/2000000 to 0/3000000, "
            "and what is kept behind that gap cannot be reached without what is missing: look for another copy of it; "
            "list shows which parent is missing\n")
    for clock in ("04:00:00", "09:00:00", "10:00:00"):
        assert day.product.run("explain", f"2024-01-15T{clock}Z", expect=8).out == (
            f"2024-01-15T{clock}Z cannot be reached: it is in a gap: nothing covers 0/2000000 to 0/3000000\n{hint}")
    assert day.product.run("explain", "2024-01-15T10:00:01Z", expect=8).out == (
        "2024-01-15T10:00:01Z cannot be reached: it is after the end of what is kept: the newest instant is "
        f"2024-01-15T02:00:10.000000Z (0/2000000)\n{hint}")
    answer = day.product.run("explain", "--target-position", "0/3800000", "--json", expect=8).json()
    assert answer["gap"] == {"from_position": "0/2000000", "to_position": "0/3000000"}


def test_of_a_name_it_says_that_nobody_has_looked_for_it(day):
    plan = day.product.run("explain", "--target-name", "release", "--json").json()
    assert plan["name_checked"] is False
    assert "name_checked" not in day.product.run("explain", "latest", "--json").json()
    assert day.product.run("explain", "--target-name", "release").out.endswith(
        "  the name was not looked for: only restore --dry-run reads the log to find it, with the key\n")


def test_the_list_shows_chains_as_trees_then_windows_and_gaps(day):
    lines = day.product.run("list").out.splitlines()
    rows = lines[1:5]
    assert [row[:row.index("auth-service-backup-")] for row in rows] == ["", "└ ", "└ ", ""]
    assert [row.replace("└ ", "").split()[:2] for row in rows] == list(
        map(list, zip(day.names, ("full", "incremental", "incremental", "full"))))
    assert len({row.index(" 2024-01-15 ") for row in rows}) == 1  # the columns stand below each other
    assert lines[5:] == [
        f"4 backups in {day.product.repository}",
        "log 9f3a (postgresql)",
        "  restorable from 2024-01-15T02:00:10.000000Z to 2024-01-15T10:00:00.000000Z (0/2000000 to 0/4000000), "
        f"from {day.names[0]} on",
        "  restorable from 2024-01-15T12:00:05.000000Z to 2024-01-15T12:00:05.000000Z (0/6000000 to 0/6000000), "
        f"from {day.names[3]} on",
        "  gap: nothing covers 0/4000000 to 0/5000000",
    ]


def test_the_list_says_the_same_to_programs(day):
    listed = day.product.run("list", "--json").json()
    assert [backup.get("parent", {}).get("name") for backup in listed["backups"]] == [None, day.names[0], day.names[1], None]
    (chain,) = listed["chains"]
    assert (chain["log"], chain["engine"]) == ("9f3a", "postgresql")
    assert chain["windows"][0] == {
        "base": day.names[0], "from": "2024-01-15T02:00:10.000000Z", "to": "2024-01-15T10:00:00.000000Z",
        "from_position": "0/2000000", "to_position": "0/4000000", "line": 1, "last_commit": "2024-01-15T09:30:00.000000Z",
    }
    assert chain["gaps"] == [{"from_position": "0/4000000", "to_position": "0/5000000"}]


def test_an_incremental_whose_parent_is_lost_says_so_and_is_in_no_window(day):
    day.remove(day.names[1])
    out = day.product.run("list").out
    (line,) = [line for line in out.splitlines() if line.startswith(day.names[2])]
    assert line.endswith(", its parent is missing")
    (chain,) = day.product.run("list", "--json").json()["chains"]
    assert chain["windows"][0]["to_position"] == "0/2000000"


def test_a_full_backup_may_be_lost_where_an_older_one_reaches_over_it(kept):
    base = kept.full("02:00:00", [(1, 0x1000000, 0x2000000)], "02:00:10")
    kept.incremental("06:00:00", [(1, 0x2000000, 0x4000000)], "05:59:00", "06:00:00")
    newer = kept.full("04:00:00", [(1, 0x2800000, 0x3000000)], "04:00:10")
    assert kept.product.run("explain", "2024-01-15T05:00:00Z", "--json").json()["base"] == newer
    kept.remove(newer)
    assert kept.product.run("explain", "2024-01-15T05:00:00Z", "--json").json()["base"] == base


def test_a_promotion_is_followed_and_what_the_old_line_has_after_it_is_not_used(kept):
    kept.full("02:00:00", [(1, 0x1000000, 0x2000000)], "02:00:10")
    kept.incremental("03:00:00", [(1, 0x2000000, 0x3000000)], "02:50:00", "03:00:00")
    kept.incremental("05:00:00", [(1, 0x2800000, 0x2900000), (2, 0x2900000, 0x4000000)], "04:59:00", "05:00:00",
                     branches=[(2, 1, 0x2900000)])
    out = kept.product.run("explain", "2024-01-15T04:00:00Z").out
    assert ": 0/2000000 (timeline 1) to 0/2900000 (timeline 1)\n" in out
    assert ": 0/2900000 (timeline 2) to 0/4000000 (timeline 2)\n" in out
    assert "  line 2 goes on from line 1 at 0/2900000\n" in out
    assert "attention" not in out


@pytest.fixture
def forked(kept):
    """One chain of two ends: timeline 2 left timeline 1 at 0/2900000, which went on to 0/3000000 by itself."""
    kept.names = [
        kept.full("02:00:00", [(1, 0x1000000, 0x2000000)], "02:00:10"),
        kept.incremental("03:00:00", [(1, 0x2000000, 0x3000000)], "02:50:00", "03:00:00"),
        kept.incremental("05:00:00", [(1, 0x2800000, 0x2900000), (2, 0x2900000, 0x4000000)], "04:59:00", "05:00:00",
                         branches=[(2, 1, 0x2900000)]),
    ]
    return kept


def restorable(product):
    return [line for line in product.run("list").out.splitlines() if line.startswith((" ", "log"))]


def test_what_a_timeline_has_after_it_was_left_is_shown_with_what_brings_it_back(forked):
    assert restorable(forked.product) == [
        "log 9f3a (postgresql)",
        "  restorable from 2024-01-15T02:00:10.000000Z to 2024-01-15T05:00:00.000000Z (0/2000000 (timeline 1) to "
        f"0/4000000 (timeline 2)), from {forked.names[0]} on",
        "  restorable from 2024-01-15T02:00:10.000000Z to 2024-01-15T03:00:00.000000Z (0/2000000 (timeline 1) to "
        f"0/3000000 (timeline 1)), from {forked.names[0]} on",
        "    attention: line 1 is not the newest; line 2 shares its past up to 0/2900000 only. A time that a newer line has too "
        "is that line's; --target-position '0/3000000 (timeline 1)' is on this one",
    ]
    (chain,) = forked.product.run("list", "--json").json()["chains"]
    assert [(window["line"], window.get("left_behind_at")) for window in chain["windows"]] == [(2, None), (1, "0/2900000")]


def test_a_position_as_it_is_printed_names_its_timeline(forked):
    def line(*words):
        return forked.product.run("explain", *words, "--json").json()["line"]

    assert line("--target-position", "0/2980000 (timeline 1)") == 1
    assert line("--target-position", "0/2980000 (timeline 2)") == line("--target-position", "0/2980000") == 2
    assert line("2024-01-15T02:59:00Z") == 2
    refused = forked.product.run("explain", "--target-position", "0/3080000 (timeline 1)", expect=8).out
    assert refused.startswith("position 0/3080000 (timeline 1) cannot be reached: it is after the end of what is kept")
    assert "nothing of that line" in forked.product.run("explain", "--target-position", "0/3080000 (timeline 3)", expect=8).out
    assert "as list shows it: '0/2000028 (timeline 1)'" in forked.product.run(
        "explain", "--target-position", "0/2980000 (line 1)", expect=2).err


def test_what_a_newer_timeline_shares_is_shown_once(forked):
    """The newer one has a hole where it begins: it reaches less than the older one, and nothing of its own."""
    forked.remove(forked.names[2])
    forked.names[2] = forked.incremental("05:00:00", [(2, 0x2A00000, 0x4000000)], "04:59:00", "05:00:00",
                                         branches=[(2, 1, 0x2900000)])
    (chain,) = forked.product.run("list", "--json").json()["chains"]
    assert [(window["line"], window["from_position"], window["to_position"]) for window in chain["windows"]] == [
        (1, "0/2000000", "0/3000000")]
    assert len([line for line in restorable(forked.product) if "restorable from" in line]) == 1


def test_a_position_that_only_an_older_timeline_has_is_refused_with_its_name(forked):
    forked.log_object(1, 0x3000000, 0x5000000, "05:30:00", "06:00:00")
    refused = forked.product.run("explain", "--target-position", "0/4800000", expect=8)
    assert refused.out.endswith("\nhint: line 1 has it: --target-position '0/4800000 (timeline 1)'\n")
    answer = forked.product.run("explain", "--target-position", "0/4800000", "--json", expect=8).json()
    assert answer["on_other_line"] == 1
    assert forked.product.run("explain", "--target-position", "0/4800000 (timeline 1)", "--json").json()["line"] == 1


def test_an_oplog_limit_is_for_mongodb(day):
    for words in (("explain",), ("restore", "--dry-run", "--target-dir", "/nowhere/x")):
        refused = day.product.run(*words, "--oplog-limit", "1705329000:1", expect=2).err
        assert "--oplog-limit names an entry of MongoDB's oplog, and this is a postgresql log" in refused
        assert "hint: name the place with --target-position; list shows the positions that can be reached" in refused


def test_another_log_that_reaches_the_instant_too_is_named_with_what_restores_it(day):
    """An old primary that came back, and was backed up as a log of its own."""
    day.log_id = "77aa"
    other = day.full("08:30:00", [(1, 0x1000000, 0x2000000)], "08:30:00")
    day.incremental("09:00:00", [(1, 0x2000000, 0x3000000)], "08:50:00", "09:20:00")
    line = (f"  attention: another log reaches this instant too: log 77aa from {other} on; restore --backup-file {other} "
            "--target-time '2024-01-15 09:00:00Z' restores that one\n")
    assert day.product.run("explain", "2024-01-15 09:00:00Z").out.endswith(line)
    plan = day.product.run("explain", "2024-01-15 09:00:00Z", "--json").json()
    assert (plan["base"], plan["other_logs"]) == (day.names[0], [{"log": "77aa", "base": other}])
    assert day.product.run("explain", "latest", "--json").json()["base"] == day.names[3]
    for only_one in (("2024-01-15 07:00:00Z",), ("latest",), ("--target-position", "0/2000028")):
        assert "another log" not in day.product.run("explain", *only_one).out
