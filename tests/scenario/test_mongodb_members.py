"""Why this exists: of a replica set one member is read, the whole run long: a secondary unless it is too far behind,
or whatever the URL wants."""

import datetime

import pytest
from lib.mongodb import KINDS, MongoServer
from lib.mongodb_set import TwoMembers

HOUR = datetime.timedelta(hours=1)


@pytest.fixture(scope="module")
def server(module_tmp):
    with MongoServer.create(KINDS[0], module_tmp / "server") as made:
        made.database().users.insert_many([{"_id": n} for n in range(10)])
        yield made


def back_up(product, members, seed, env=None, **parameters):
    """The facts of a backup, and what was said aloud."""
    product.database_url = members.url(seed, **parameters)
    done = product.run("backup", "--json", env=env)
    return done.json()["engines"]["mongodb"], done.err


def test_a_secondary_is_read_although_the_url_names_the_primary(product, server):
    with TwoMembers(server) as members:
        facts, _ = back_up(product, members, members.primary)
        assert f"connected to 127.0.0.1:{members.secondary.port} as backup (secondary, " in product.run("backup", "--dry-run").out
    assert (facts["server_kind"], facts["collections"]) == ("secondary", 1)
    product.run("verify", "latest")


def test_the_read_preference_of_the_url_is_honoured(product, server):
    with TwoMembers(server) as members:
        facts, _ = back_up(product, members, members.secondary, readPreference="primary")
    assert facts["server_kind"] == "primary"


def test_a_secondary_too_far_behind_is_not_read_and_that_is_said(product, server):
    with TwoMembers(server, lag=HOUR) as members:
        facts, said = back_up(product, members, members.secondary)
        assert f"127.0.0.1:{members.secondary.port} is 1 h" in said and "reading from the primary" in said
    assert facts["server_kind"] == "primary"


def test_how_far_behind_is_a_setting(product, server):
    with TwoMembers(server, lag=HOUR) as members:
        facts, said = back_up(product, members, members.primary, env={"MONGODB_READ_LAG_MAX": 2 * 3600})
        assert "secondary 1 h" in product.run("check", env={"MONGODB_READ_LAG_MAX": 2 * 3600}).out
    assert facts["server_kind"] == "secondary" and "behind" not in said


def test_a_secondary_that_the_url_alone_names_is_not_called_the_primary(product, server):
    """With directConnection there is no other member to turn to."""
    with TwoMembers(server, lag=HOUR) as members:
        facts, said = back_up(product, members, members.secondary, directConnection="true")
    assert facts["server_kind"] == "secondary"
    assert "1 h" in said and "reading from the primary" not in said
