"""Why this exists: a backup of a busy database must be the state at one position: everything up to the one that
the manifest names and nothing after it, whatever was written while it was read."""

import re
import threading

import pytest
from bson import Int64
from lib.mongodb import KINDS, MongoServer
from lib.mongodb_data import insert
from lib.mongodb_fingerprint import differences
from lib.mongodb_oplog import parse_optime, replay
from lib.mongodb_writer import Writer, balance_of
from lib.product import Product
from lib.tcp_proxy import TcpProxy

CHANGES_BEFORE, CHANGES_DURING, CHANGES_AFTER = 150, 300, 50
MIDDLE = 2 * 1024 * 1024


class Scenario:
    """A backup that was held in the middle while the writer went on, and the server that it came back into."""

    def __init__(self, source, target, writer, committed, facts):
        self.source, self.target, self.writer, self.committed, self.facts = source, target, writer, committed, facts
        self.end = parse_optime(facts["end_optime"])
        self.expected = replay(source.client(), self.end)


@pytest.fixture(scope="module", params=KINDS)
def scenario(request, module_tmp):
    folder = module_tmp / request.param
    product = Product(folder / "product")
    with MongoServer.create(request.param, folder / "source") as source, \
            MongoServer.create(request.param, folder / "target") as target:
        insert(source.database("busy").filler, ({"_id": n, "x": "x" * 1000} for n in range(5000)))
        with Writer(source) as writer, TcpProxy(source.port, hold_after=MIDDLE) as proxy:
            writer.wait_for_more(CHANGES_BEFORE)
            committed = writer.committed
            product.database_url = proxy.url(source.url(db="busy", directConnection="true"), source)
            running = product.popen("backup", "--json")
            proxy.wait_until_holding()
            writer.wait_for_more(CHANGES_DURING)
            proxy.release()
            facts = running.wait().json()["engines"]["mongodb"]
            writer.wait_for_more(CHANGES_AFTER)
        product.database_url = target.restore_url(db="busy")
        product.run("restore", "-f", "latest")
        yield Scenario(source, target, writer, committed, facts)


def documents(server):
    return {name: found["documents"] for name, found in server.fingerprint("busy")["busy"].items()}


def test_the_writer_wrote_while_it_was_read(scenario):
    assert scenario.facts["oplog_entries"] > CHANGES_DURING
    assert scenario.writer.committed >= scenario.committed + CHANGES_DURING + CHANGES_AFTER


def test_the_replay_that_says_what_is_right_is_right(scenario):
    assert differences(documents(scenario.source), replay(scenario.source.client()).documents("busy")) == []


def test_every_document_is_as_it_was_at_the_manifests_position(scenario):
    assert differences(scenario.expected.documents("busy"), documents(scenario.target)) == []


def test_every_index_is_there_that_was_there_at_that_position(scenario):
    expected = {name: indexes | {"_id_"} for name, indexes in scenario.expected.index_names("busy").items()}
    for name, indexes in expected.items():
        assert {*scenario.target.database("busy")[name].index_information()} == indexes, name


def test_everything_committed_before_the_backup_began_is_there(scenario):
    numbers = {one["_id"] for one in scenario.target.database("busy").journal.find()}
    assert numbers >= {*range(1, scenario.committed + 1)}
    assert len(numbers) == max(numbers)


def test_transactions_came_whole(scenario):
    database = scenario.target.database("busy")
    assert balance_of(database) == 0
    transactions = [one["_id"] for one in database.journal.find({"_id": {"$mod": [5, 0]}})]
    assert transactions and any(account["balance"] for account in database.accounts.find())


def move_until(server, stop, accounts=40):
    """Transactions over all accounts, one after another; their sum stays 0."""
    client, number = server.client(), 0
    while not stop.is_set():
        number += 1
        with client.start_session() as session, session.start_transaction():
            for one in range(accounts):
                amount = Int64(number if one % 2 else -number)
                client.busy.accounts.update_one({"_id": one}, {"$inc": {"balance": amount}}, session=session)


@pytest.mark.parametrize("kind", KINDS)
def test_no_backup_begins_or_ends_within_a_transaction(kind, tmp):
    """secantusd-rs writes each update of a transaction at a position of its own, so that most moments lie within one."""
    product, stop = Product(tmp / "product"), threading.Event()
    with MongoServer.create(kind, tmp / "source") as source, MongoServer.create(kind, tmp / "target") as target:
        insert(source.database("busy").accounts, ({"_id": n, "balance": Int64(0)} for n in range(40)))
        mover = threading.Thread(target=move_until, args=(source, stop))
        mover.start()
        try:
            for _ in range(6):
                product.database_url = source.url(db="busy")
                product.run("backup")
                product.database_url = target.restore_url(db="busy")
                product.run("restore", "-f", "latest", "--force", "--drop-old")
                assert balance_of(target.database("busy")) == 0
            assert target.database("busy").accounts.find_one({"_id": 1})["balance"] > 0
        finally:
            stop.set()
            mover.join()


@pytest.mark.parametrize("kind", KINDS)
def test_only_what_a_majority_has_is_read(kind, tmp):
    """Asked for another level instead, the server refuses: so it was asked for this one."""
    product = Product(tmp / "product")
    with MongoServer.create(kind, tmp / "server") as server, \
            TcpProxy(server.port, replace_asked={b"level\0\x09\0\0\0majority": b"level\0\x09\0\0\0minority"}) as proxy:
        insert(server.database().things, ({"_id": n} for n in range(10)))
        product.database_url = proxy.url(server.url(db="auth", directConnection="true"), server)
        done = product.run("backup", expect=6)
    # Whichever reader was first; the oplog is read after the collections.
    assert re.match(r"find on (auth|admin)\.[a-z.]+ at .*'minority'", done.err)
