"""Why this exists: between two full backups lies a day. An incremental backup takes what the oplog says of it, and a
restore brings back exactly what was committed by any position or instant in it; where the oplog does not go on, a
full backup is taken instead and says why."""

import random
import time
from datetime import timezone

import pytest
from bson import Int64
from lib.mongodb import KINDS, MongoServer
from lib.mongodb_chain import Chain
from lib.mongodb_data import insert
from lib.mongodb_ddl_writer import MigratingWriter
from lib.mongodb_fingerprint import differences
from lib.mongodb_oplog import last_in, parse_optime, point, replay, transactions
from lib.mongodb_writer import balance_of
from lib.product import Product
from lib.tcp_proxy import TcpProxy

INCREMENTALS = 2
IDLE_BYTES_MAX, IDLE_MS_MAX = 100 * 1024, 1000


@pytest.fixture(scope="module", params=KINDS)
def chain(request, module_tmp):
    folder = module_tmp / request.param
    with MongoServer.create(request.param, folder / "source") as source, \
            MongoServer.create(request.param, folder / "target") as target:
        chain = Chain(Product(folder / "product"), source, target)
        with MigratingWriter(source) as writer:
            writer.wait_for_more(60)
            chain.back_up()
            writer.migrates = True
            writer.wait_for_more(130)
            for _ in range(INCREMENTALS):
                chain.back_up("--type", "incremental")
                writer.wait_for_more(130)
        chain.back_up("--type", "incremental")
        chain.groups = transactions(source.client(), "busy")
        chain.begin = point(parse_optime(chain.backups[0][1]["end_optime"]))
        chain.later = [group for group in chain.groups if point(group[0]["ts"]) > chain.begin]
        yield chain


def some(chain, count=2):
    """Entries of the writer, anywhere between the full backup and the last one."""
    entries = [entry for group in chain.later for entry in group if entry["ours"]]
    return random.Random(1).sample(entries, count)


def text(optime):
    return f"{optime.time}:{optime.inc}"


def test_each_one_begins_where_the_one_before_ends(chain):
    assert [facts["method"] for _, facts in chain.backups] == ["oplog"] + ["incremental"] * (INCREMENTALS + 1)
    for (_, before), (_, after) in zip(chain.backups, chain.backups[1:]):
        assert after["start_optime"] == before["end_optime"]
        assert after["oplog_entries"] > 100


@pytest.mark.parametrize("number", [1, INCREMENTALS])
def test_each_link_is_the_state_at_its_end(chain, number):
    name, facts = chain.backups[number]
    chain.restore("--backup-file", name)
    chain.expect(parse_optime(facts["end_optime"]))


def test_latest_is_everything(chain):
    done = chain.restore("--backup-file", "latest")
    chain.expect(chain.groups[-1][-1]["ts"])
    assert f"as of {chain.backups[-1][1]['end_optime']}, " in done.out


def test_a_position_is_in_and_what_follows_is_out(chain):
    for entry in some(chain):
        chain.restore("--target-position", text(entry["ts"]))
        chain.expect(last_in(chain.groups, lambda group: group[-1]["ts"] > entry["ts"]))


def test_an_oplog_limit_is_out_as_mongorestore_has_it(chain):
    for entry in some(chain, 1):
        chain.restore("--oplog-limit", text(entry["ts"]))
        chain.expect(last_in(chain.groups, lambda group: group[-1]["ts"] >= entry["ts"]))


def test_an_instant_is_in_by_the_servers_clock(chain):
    for entry in some(chain):
        moment = entry["wall"].replace(tzinfo=timezone.utc)

        def later(group):
            return point(group[0]["ts"]) > chain.begin and group[0]["ours"] and \
                max(one["wall"] for one in group) > entry["wall"]

        chain.restore("--target-time", moment.isoformat(timespec="milliseconds").replace("+00:00", "Z"))
        chain.expect(last_in(chain.groups, later))


def test_one_collection_of_a_chain_is_restored_alone(chain):
    chain.target.drop_all()
    chain.restore("--backup-file", "latest", "--only", "busy.journal")
    expected = replay(chain.source.client()).documents("busy")["journal"]
    found = chain.target.fingerprint("busy")["busy"]
    assert {*found} == {"journal"} and differences(expected, found["journal"]["documents"]) == []


def test_a_renamed_collection_is_not_restored_without_its_old_name(chain):
    chain.product.database_url = chain.target.restore_url(db="busy")
    done = chain.product.run("restore", "-f", "latest", "--only", "busy.current", "--force", expect=6)
    # As $out does it, it was made under another name.
    assert "was renamed to current\nhint: name both with --only" in done.err


def test_what_is_asked_for_and_not_there_at_that_point_is_said(chain):
    chain.product.database_url = chain.target.restore_url(db="busy")
    done = chain.product.run("restore", "-f", "latest", "--only", "busy.nothing*", "--force", expect=10)
    assert "--only: at that point there is no busy.nothing*" in done.err


def test_an_idle_database_costs_next_to_nothing(chain):
    time.sleep(1.1)  # names are of the second
    done = chain.back_up("--type", "incremental")
    chain.backups.pop()
    assert done["engines"]["mongodb"]["oplog_entries"] == 0
    assert done["stored_bytes"] <= IDLE_BYTES_MAX and done["duration_ms"] <= IDLE_MS_MAX
    chain.restore("--backup-file", "latest")
    chain.expect(chain.groups[-1][-1]["ts"])


# -- what cannot go on -----------------------------------------------------------------------------------


class Broken:
    """A full backup of the database `auth` of a server, in a repository of its own; then something happens."""

    def __init__(self, server, tmp):
        self.server, self.product = server, Product(tmp / "product")
        self.server.client().drop_database("auth")
        insert(self.server.database().things, ({"_id": n} for n in range(20)))
        self.product.database_url = server.url(db="auth")
        full = self.product.run("backup", "--json").json()
        self.end = parse_optime(full["engines"]["mongodb"]["end_optime"])

    def expect_refused(self, *reasons):
        done = self.product.run("backup", "--type", "incremental", "--no-promote", expect=3)
        for reason in reasons:
            assert reason in done.err

    def expect_promoted(self, reason):
        """A full backup that can be restored and gone on from."""
        done = self.product.run("backup", "--type", "incremental", "--json")
        assert done.json()["promoted_to"] == "full" and reason in done.json()["promoted_because"]
        assert reason in done.err
        self.server.database().things.insert_one({"_id": "more"})
        more = self.product.run("backup", "--type", "incremental", "--json").json()
        assert more["type"] == "incremental" and more["parent"] == done.json()["name"]
        state = self.server.fingerprint("auth")
        self.server.database().things.drop()
        self.product.database_url = self.server.restore_url(db="auth")
        self.product.run("restore", "-f", "latest", "--force", "--drop-old")
        assert self.server.fingerprint("auth") == state


@pytest.mark.parametrize("kind", KINDS)
def test_an_oplog_that_rolled_over_means_a_full_backup(kind, tmp):
    with MongoServer.create(kind, tmp / "server", auth=False, options={"oplog-max-entries": 100}) as server:
        broken, deadline = Broken(server, tmp), time.monotonic() + 60
        for number in range(1, 1000):
            insert(server.database().things, ({"_id": f"{number} {n}"} for n in range(500)))
            if server.client().local["oplog.rs"].find_one(sort=[("ts", 1)])["ts"] > broken.end:
                break
            assert time.monotonic() < deadline, "the server does not forget"
        broken.expect_refused("the oplog rolled over, or this is another server: its oldest entry is ")
        broken.expect_promoted("the oplog rolled over")


def test_a_server_that_was_set_up_anew_means_a_full_backup(chain, tmp):
    broken = Broken(chain.source, tmp)
    insert(chain.target.database().things, ({"_id": n} for n in range(30)))
    broken.product.database_url = chain.target.url(db="auth")
    broken.expect_refused("or this is another server: ", str(broken.end.time))


def test_another_history_behind_the_same_position_means_a_full_backup(chain, tmp):
    """As after a rollback: the test servers have one member, so the entry is made another one on its way."""
    broken = Broken(chain.source, tmp)
    chain.source.database().things.insert_one({"_id": "last", "of": "what was lost"})
    broken.product.run("backup", "--type", "incremental")
    with TcpProxy(chain.source.port, replace=(b"what was lost", b"what was kept")) as proxy:
        direct = chain.source.url(db="auth", directConnection="true")
        broken.product.database_url = proxy.url(direct, chain.source)
        broken.expect_refused("the replica set rolled back, or this is another server: entry ")


def test_another_database_does_not_go_on_from_this_ones_log(chain, tmp):
    broken = Broken(chain.source, tmp)
    broken.product.database_url = chain.source.url(db="busy")
    broken.expect_refused("of another replica set or scope", "database auth), and this is", "database busy")


def test_what_a_restore_could_not_replay_means_a_full_backup(chain, tmp):
    broken = Broken(chain.source, tmp)
    chain.source.client().admin.command("renameCollection", "auth.things", to="other.things")
    insert(chain.source.database().things, [{"_id": 1}])
    broken.expect_refused("renameCollection on auth.things at ")
    broken.expect_promoted("renameCollection on auth.things at ")
    chain.source.client().drop_database("other")


def test_a_chain_is_never_cut_within_a_transaction(chain, tmp):
    """secantusd-rs writes each update of a transaction at a position of its own."""
    broken, client = Broken(chain.source, tmp), chain.source.client()
    insert(client.auth.accounts, ({"_id": n, "balance": Int64(0)} for n in range(20)))
    for number in range(2):
        with client.start_session() as session, session.start_transaction():
            for one in range(20):
                amount = Int64(number + 1 if one % 2 else -number - 1)
                client.auth.accounts.update_one({"_id": one}, {"$inc": {"balance": amount}}, session=session)
        broken.product.run("backup", "--type", "incremental")
    group = max(transactions(client, "auth"), key=len)
    assert len(group) == 20
    broken.product.database_url = chain.target.restore_url(db="auth")
    for entry in (group[0], group[10], group[-1]):
        broken.product.run("restore", "--target-position", text(entry["ts"]), "--force", "--drop-old")
        assert balance_of(chain.target.database()) == 0
