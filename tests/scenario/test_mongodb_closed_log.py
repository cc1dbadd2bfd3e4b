"""Why this exists: a full backup every night must not leave a hole every night. It holds what was written since the
last backup, too, so that a recovery from an older one goes on over it; where that cannot be had, the hole is shown."""

import random
from datetime import timezone

import pytest
from lib.mongodb import KINDS, MongoServer
from lib.mongodb_chain import Chain
from lib.mongodb_data import insert
from lib.mongodb_ddl_writer import MigratingWriter
from lib.mongodb_fingerprint import differences
from lib.mongodb_oplog import last_in, parse_optime, point, replay, transactions
from lib.product import Product
from lib.recovered import back_up, windows

UNREACHABLE = 8
FULL, INCREMENTAL, SECOND_FULL, LAST = range(4)
LARGE = [{"_id": n, "padding": "x" * (1 << 20)} for n in range(6)]  # more than one part of an archive


@pytest.fixture(scope="module", params=KINDS)
def chain(request, module_tmp):
    folder = module_tmp / request.param
    with MongoServer.create(request.param, folder / "source") as source, \
            MongoServer.create(request.param, folder / "target") as target:
        chain = Chain(Product(folder / "product"), source, target)
        with MigratingWriter(source) as writer:
            writer.wait_for_more(40)
            chain.back_up()
            writer.wait_for_more(40)
            chain.back_up("--type", "incremental")
            writer.migrates = True
            writer.wait_for_more(90)
            writer.migrates = False
            writer.wait_for_more(2)  # no rename is under way
            chain.back_up("--type", "full")
            writer.wait_for_more(40)
            chain.back_up("--type", "incremental")
        chain.groups = transactions(source.client(), "busy")
        yield chain


def end_of(chain, number):
    return parse_optime(chain.backups[number][1]["end_optime"])


def between(chain, begin, end):
    """What was committed after `begin` and up to `end`."""
    return [group for group in chain.groups if begin < group[0]["ts"] and group[-1]["ts"] <= end and group[0]["ours"]]


def in_the_hole(chain):
    """After the incremental backup and before the copy of the second full one began."""
    start = parse_optime(chain.backups[SECOND_FULL][1]["start_optime"])
    return between(chain, end_of(chain, INCREMENTAL), start)


def text(optime):
    return f"{optime.time}:{optime.inc}"


def expect_at(chain, optime, base):
    words = ("--target-position", text(optime))
    assert chain.product.run("explain", *words, "--json").json()["base"] == chain.backups[base][0]
    chain.restore(*words)
    chain.expect(last_in(chain.groups, lambda group: group[-1]["ts"] > optime))


def test_a_window_goes_on_over_a_full_backup(chain):
    (shown,) = chain.product.run("list", "--json").json()["chains"]
    (window,) = shown["windows"]
    assert shown["gaps"] == []
    assert (window["base"], window["to_position"]) == (chain.backups[FULL][0], chain.backups[LAST][1]["end_optime"])
    before, full = chain.backups[INCREMENTAL][1], chain.backups[SECOND_FULL][1]
    assert full["before_optime"] == before["end_optime"]
    assert full["before_entries"] >= sum(len(group) for group in in_the_hole(chain)) > 200


def test_any_position_between_is_reached_from_the_older_full_one(chain):
    hole = in_the_hole(chain)
    for group in random.Random(1).sample(hole, 2) + [hole[0], hole[-1]]:
        expect_at(chain, group[-1]["ts"], FULL)


def test_an_instant_between_is_reached(chain):
    entry = random.Random(2).choice(in_the_hole(chain))[-1]
    moment = entry["wall"].replace(tzinfo=timezone.utc).isoformat(timespec="milliseconds")
    chain.restore("--target-time", moment.replace("+00:00", "Z"))
    chain.expect(last_in(chain.groups, lambda group: group[0]["ours"] and group[0]["ts"] > end_of(chain, INCREMENTAL)
                         and max(one["wall"] for one in group) > entry["wall"]))


def test_a_transaction_between_comes_whole_or_not_at_all(chain):
    """secantusd-rs writes each change of a transaction at a position of its own."""
    group = max((group for group in in_the_hole(chain) if "txnNumber" in group[0]), key=len)
    for entry in (group[0], group[-1]):
        expect_at(chain, entry["ts"], FULL)


def test_what_was_written_while_the_second_full_one_was_taken_is_reached_from_the_older_one(chain):
    """Its own oplog begins with entries that are in what precedes it, too."""
    start = parse_optime(chain.backups[SECOND_FULL][1]["start_optime"])
    during = between(chain, start, end_of(chain, SECOND_FULL))
    for group in (during[0], during[-2]):
        expect_at(chain, group[-1]["ts"], FULL)


def test_a_recovery_goes_over_the_second_full_one(chain):
    """What begins with the older one by name."""
    end = end_of(chain, LAST)
    chain.restore("--backup-file", chain.backups[FULL][0], "--target-position", text(end))
    chain.expect(end)


def test_what_comes_later_begins_with_the_second_full_one(chain):
    later = between(chain, end_of(chain, SECOND_FULL), end_of(chain, LAST))
    expect_at(chain, later[len(later) // 2][-1]["ts"], SECOND_FULL)


def test_the_second_full_one_alone_is_what_it_was_at_its_end(chain):
    chain.restore("--backup-file", chain.backups[SECOND_FULL][0])
    chain.expect(end_of(chain, SECOND_FULL))


def test_one_collection_of_the_second_full_one(chain):
    chain.target.drop_all()
    chain.restore("--backup-file", chain.backups[SECOND_FULL][0], "--only", "busy.journal")
    expected = replay(chain.source.client(), end_of(chain, SECOND_FULL)).documents("busy")["journal"]
    found = chain.target.fingerprint("busy")["busy"]
    assert {*found} == {"journal"} and differences(expected, found["journal"]["documents"]) == []


def test_the_chain_from_the_older_one_is_proved_over_the_second(chain):
    done = chain.product.run("verify", "--chain", chain.backups[FULL][0], "--json").json()
    assert done["chain"] == [name for name, _ in chain.backups]
    last = chain.product.run("verify", "--chain", "latest", "--json").json()
    assert last["chain"] == [chain.backups[number][0] for number in (SECOND_FULL, LAST)]


# -- without anything between, and what cannot be closed ----------------------------------------------------


@pytest.fixture
def quiet(tmp, kind):
    """A database without a writer, and its product."""
    with MongoServer.create(kind, tmp / "server", auth=False) as server:
        insert(server.database().things, ({"_id": n} for n in range(20)))
        product = Product(tmp / "product", database_url=server.url(db="auth"))
        product.server = server
        yield product


@pytest.mark.parametrize("kind", KINDS)
def test_full_backups_of_an_idle_database_make_one_window(quiet):
    for _ in range(3):
        done = back_up(quiet, "full")["engines"]["mongodb"]
    (window,) = windows(quiet)
    assert window["to_position"] == done["end_optime"] and done["before_entries"] == 0


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("documents", [1, len(LARGE)])
def test_a_change_that_cannot_be_replayed_leaves_a_hole(quiet, documents):
    """Whether or not parts of what precedes it are in the archive by then."""
    server = quiet.server
    first = back_up(quiet, "full")["engines"]["mongodb"]
    server.database().large.insert_many(LARGE[:documents])
    lost = server.newest_optime()
    server.client().admin.command("renameCollection", "auth.things", to="other.things")
    insert(server.database().things, [{"_id": 1}])
    done = back_up(quiet, "full")
    second = done["engines"]["mongodb"]
    assert "before_optime" not in second
    (log,) = quiet.logs.iterdir()
    assert "this backup cannot be reached: renameCollection on auth.things at " in log.read_text()
    (shown,) = quiet.run("list", "--json").json()["chains"]
    assert [window["from_position"] for window in shown["windows"]] == [first["end_optime"], second["end_optime"]]
    assert len(shown["gaps"]) == 1
    quiet.run("explain", "--target-position", lost, expect=UNREACHABLE)
    insert(server.database().things, [{"_id": 2}])
    back_up(quiet)
    quiet.run("verify", "--chain", "latest")
    state = server.fingerprint("auth")
    quiet.database_url = server.restore_url(db="auth")
    quiet.run("restore", "-f", done["name"], "--force", "--drop-old")
    quiet.run("restore", "-f", "latest", "--force", "--drop-old")
    assert server.fingerprint("auth") == state
