"""Why this exists: what an operator sees of a MongoDB backup: its facts, the list, the proof, the preconditions,
and that a dry run writes nothing."""

import pytest
from lib.mongodb import BACKUP_PASSWORD, SET_NAME, WHOLE_DEPLOYMENT, MongoServer
from lib.mongodb_oplog import parse_optime


@pytest.fixture
def backed_up(product, mongo):
    product.database_url = mongo.url()
    product.facts = product.run("backup", "--json", expect=WHOLE_DEPLOYMENT).json()["engines"]["mongodb"]
    return product


def test_the_facts_name_the_position_and_what_is_inside(backed_up, mongo):
    facts = backed_up.facts
    assert facts["method"] == "oplog"
    assert facts["set_name"] == SET_NAME
    assert facts["version"] == "8.2.11"
    assert facts["scope"] == "deployment"
    assert {"auth", "auth-second"} <= {*facts["databases"]}
    assert parse_optime(facts["start_optime"]) <= parse_optime(facts["end_optime"])
    assert parse_optime(facts["end_optime"]) <= parse_optime(mongo.newest_optime())


def test_list_and_verify_know_it(backed_up):
    (listed,) = backed_up.run("list", "--json").json()["backups"]
    assert (listed["state"], listed["type"]) == ("ok", "full")
    assert "mongodb" in backed_up.run("list").out
    backed_up.run("verify", "latest")


def test_the_contents_are_listed_by_collection(backed_up):
    out = backed_up.run("list", "--contents", "latest").out
    assert "auth.users" in out


def test_one_database_alone(product, mongo):
    product.database_url = mongo.url(db="auth-second")
    facts = product.run("backup", "--json").json()["engines"]["mongodb"]
    assert (facts["scope"], facts["databases"], facts["collections"]) == ("database", ["auth-second"], 1)


def test_check_says_ok_of_each_precondition(product, mongo):
    product.database_url = mongo.url()
    out = product.run("check", "--json").json()
    lines = {line["subject"]: line["verdict"] for line in out["checks"]}
    for subject in ("database connection", "server version", "replica set", "role", "oplog"):
        assert lines[subject] in ("ok", "warn"), out
    assert "fail" not in lines.values()


def test_a_dry_run_prints_the_plan_and_writes_nothing(product, mongo):
    product.database_url = mongo.url()
    before = mongo.newest_change()
    out = product.run("backup", "--dry-run").out
    assert f"127.0.0.1:{mongo.port}" in out
    assert f"set {SET_NAME}" in out
    assert not product.repository.exists() or product.objects() == []
    assert mongo.newest_change() == before


def test_the_server_holds_nothing_of_a_backup(backed_up, mongo):
    assert {*mongo.databases()} == {"auth", "auth-second"}


def test_the_password_is_in_no_object_of_the_repository(backed_up):
    for name in backed_up.objects("*.json"):
        assert BACKUP_PASSWORD not in (backed_up.repository / name).read_text()


def test_two_backups_at_once_are_both_whole(product, mongo):
    product.database_url = mongo.url(db="auth")
    first, second = product.popen("backup"), product.popen("backup")
    first.wait()
    second.wait()
    assert [backup["state"] for backup in product.run("list", "--json").json()["backups"]] == ["ok", "ok"]


@pytest.mark.parametrize("kind", ["rs", "py"])
def test_a_server_without_an_oplog_is_refused_unless_it_is_accepted(product, tmp, kind):
    with MongoServer.create(kind, tmp / "standalone", auth=False, options={"standalone": None}) as server:
        server.database().users.insert_one({"_id": 1})
        product.database_url = server.url()
        refused = product.run("backup", expect=6)
        assert "this is a standalone server: without an oplog no consistent backup can be made" in refused.err
        assert "--allow-inconsistent" in refused.err
        assert product.objects() in ([], ["RESTORE.txt"])
        done = product.run("backup", "--allow-inconsistent", "--json").json()
        assert done["engines"]["mongodb"]["method"] == "inconsistent"
        assert "NOT CONSISTENT" in product.run("list").out.upper()
