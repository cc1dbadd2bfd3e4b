"""Why this exists: a MongoDB backup must come back without this product: openssl, tar, cat and stock mongorestore
read it, bsondump reads its oplog; and what stock mongodump wrote comes back with this product."""

import os
import shutil
import subprocess
import threading

import pytest
from bson import json_util
from lib.mongodb import ADMIN, ADMIN_PASSWORD, KINDS, WHOLE_DEPLOYMENT, MongoServer, tool
from lib.mongodb_data import insert
from lib.mongodb_fingerprint import differences
from lib.mongodb_oplog import parse_optime
from lib.product import Product
from lib.stock_recipe import commands
from lib.tcp_proxy import TcpProxy

INCOMPLETE = 3
PART_BYTES = 8 * 1024 * 1024  # docs/FORMAT.md
# What stock mongorestore cannot do on these servers: write a time series, and, on one, make an index as it was in a
# collection with a collation.
NOT_BY_STOCK = {"py": {"german", "measures"}, "rs": {"measures"}}


@pytest.fixture(scope="module")
def stage(mongo, module_tmp):
    product = Product(module_tmp / f"stock-{mongo.kind}", database_url=mongo.url())
    product.run("backup", expect=WHOLE_DEPLOYMENT)
    # More than one part in the archive, of the collection and of what precedes the copy: stock tools need them joined.
    mongo.database("auth-second").large.insert_many([{"_id": n, "x": os.urandom(1 << 20)} for n in range(10)])
    done = product.run("backup", "--type", "full", "--json", expect=WHOLE_DEPLOYMENT).json()
    product.facts, product.backup = done["engines"]["mongodb"], done["name"]
    product.source, product.before = mongo, mongo.fingerprint()
    return product


class Recipe:
    """The commands of RESTORE.txt, exactly as they are printed, on a copy of the repository."""

    def __init__(self, product):
        self.copy, self.target = product.folder / "copy", product.folder / "unpacked"
        shutil.copytree(product.repository, self.copy)
        self.steps = commands((self.copy / "RESTORE.txt").read_text())
        self.environment = {
            "PATH": f"{os.environ['ASB_MONGO_TOOLS']}:/usr/bin:/bin", "LC_ALL": "C.UTF-8", "NAME": product.backup,
            "REPOSITORY": str(self.copy), "TARGET": str(self.target), "BACKUP_ENCRYPTION_KEY": product.key,
        }

    def run(self, *steps, **environment):
        done = subprocess.run(
            ["sh", "-e"], input="".join(self.steps[step] for step in steps), capture_output=True, text=True, cwd="/",
            timeout=120, env={**self.environment, **environment}, check=False,
        )
        assert done.returncode == 0, (done.args, done.stdout, done.stderr)


@pytest.fixture(scope="module")
def recipe(stage):
    made = Recipe(stage)
    made.run(1, 2, 3, 7)
    return made


@pytest.fixture(scope="module")
def unpacked(recipe):
    return recipe.target / "mongodb"


def test_the_recipe_with_stock_mongorestore_gives_the_same(stage, recipe):
    left_out = NOT_BY_STOCK[stage.source.kind]
    with MongoServer.create(stage.source.kind, stage.folder / "by-stock") as server:
        exclude = " ".join(f"--nsExclude={name}" for name in ["admin.*", *(f"auth.{one}" for one in left_out)])
        url = server.url(ADMIN, ADMIN_PASSWORD)
        recipe.run(1, 8, MONGODB_URL=url, MONGORESTORE_OPTIONS=exclude)  # no --oplogReplay: it needs applyOps
        expected, found = without_these(stage.before, left_out), without_these(server.fingerprint(), left_out)
        assert differences(expected, found) == []


def without_these(fingerprint, names):
    return {db: {n: c for n, c in found.items() if n not in names} for db, found in fingerprint.items()}


def test_a_collection_in_parts_is_joined_by_the_recipe(stage, unpacked):
    """Step 7 of the note; the data comes back in the test above."""
    listed = stage.run("list", "--contents", "latest", "--json").json()["contents"]
    (size,) = [line["bytes"] for line in listed if line["name"] == "auth-second.large"]
    folder = unpacked / "auth-second"
    assert size > PART_BYTES and (folder / "large.bson").stat().st_size == size
    assert [path.name for path in folder.glob("large.bson.*")] == []


def test_bsondump_reads_our_oplog(stage, unpacked):
    out, _ = tool("bsondump", unpacked / "oplog.bson")
    assert len(out.splitlines()) == stage.facts["oplog_entries"]
    end = parse_optime(stage.facts["end_optime"])
    assert f'"t":{end.time},"i":{end.inc}' in out.splitlines()[-1].replace(" ", "")


def test_bsondump_reads_what_precedes_it(stage, unpacked):
    """mongorestore, above, passes over it."""
    out, _ = tool("bsondump", unpacked / "oplog-before.bson")
    lines = out.splitlines()
    assert len(lines) == stage.facts["before_entries"] and (unpacked / "oplog-before.bson").stat().st_size > PART_BYTES
    start = parse_optime(stage.facts["before_optime"])
    assert all(json_util.loads(line)["ts"] > start for line in lines)


def test_our_restore_of_our_own_unpacked_archive(stage, unpacked):
    with MongoServer.create(stage.source.kind, stage.folder / "unpacked-target") as server:
        import_into(stage, server, unpacked)
        assert differences(stage.before, server.fingerprint()) == []


def dump(stage, *words):
    tool("mongodump", "--uri", stage.source.url(ADMIN, ADMIN_PASSWORD), "--oplog", *words)


def import_into(stage, server, path, *words, expect=(0, INCOMPLETE)):
    stage.database_url = server.restore_url()
    return stage.run("restore", "--from-mongodump", path, "--all-databases", *words, expect=expect)


FORMS = {
    "folder": ("--out", "{}"), "folder, gzip": ("--gzip", "--out", "{}"),
    "archive": ("--archive={}",), "archive, gzip": ("--gzip", "--archive={}"),
}


@pytest.mark.parametrize("form", FORMS)
def test_our_restore_of_a_stock_dump_gives_the_same(stage, form):
    path = stage.folder / form.replace(", ", "-")
    dump(stage, *(word.format(path) for word in FORMS[form]))
    with MongoServer.create(stage.source.kind, stage.folder / f"{path.name}-target") as server:
        done = import_into(stage, server, path)
        left = differences(stage.before, server.fingerprint())
        # secantusd-rs takes no buckets, which is what mongodump wrote: the time series is named as not made.
        unmade = "NOT WHOLE: auth.measures could not be made" in done.out
        assert unmade == (stage.source.kind == "rs")
        assert [line for line in left if not unmade or "/'measures" not in line] == []
        assert str(path) in done.out


def test_our_restore_replays_the_oplog_of_a_stock_dump(product, tmp):
    """Written to while stock mongodump reads: what came after its reads is in its oplog alone. Not of secantusd-rs:
    mongodump asks for the newest entry by {$natural: -1}, and that server gives it the oldest."""
    with MongoServer.create("py", tmp / "source") as source, MongoServer.create("py", tmp / "target") as target:
        things = source.database().things
        insert(things, ({"_id": n, "x": "x" * 1000, "list": [1, 2, 3]} for n in range(3000)))
        things.create_index("n", sparse=True)
        with TcpProxy(source.port, hold_after=1_000_000) as proxy:
            url = proxy.url(source.url(ADMIN, ADMIN_PASSWORD, directConnection="true"), source)
            dumping = threading.Thread(target=tool, args=("mongodump", "--uri", url, "--oplog", "--out", tmp / "dump"))
            dumping.start()
            proxy.wait_until_holding()
            things.update_many({"_id": {"$mod": [3, 0]}}, {"$set": {"list.1": 9, "n": 1}, "$unset": {"x": 1}})
            things.delete_many({"_id": {"$mod": [3, 1]}})
            insert(source.database().later, ({"_id": n} for n in range(50)))
            source.database().later.create_index("made_meanwhile")
            proxy.release()
            dumping.join()
        product.database_url = target.restore_url()
        product.run("restore", "--from-mongodump", tmp / "dump", "--all-databases", expect=(0, INCOMPLETE))
        assert differences(source.fingerprint(), target.fingerprint()) == []


@pytest.mark.parametrize("kind", KINDS[:1])
def test_a_stock_archive_that_is_damaged_leaves_the_target_as_it_was(product, tmp, kind):
    with MongoServer.create(kind, tmp / "server") as server:
        server.database().things.insert_many([{"_id": n, "x": "y" * 50} for n in range(1000)])
        tool("mongodump", "--uri", server.url(ADMIN, ADMIN_PASSWORD), "--oplog", f"--archive={tmp / 'all'}")
        whole = (tmp / "all").read_bytes()
        (tmp / "cut").write_bytes(whole[: len(whole) * 9 // 10])
        place = whole.rindex(b"y" * 50)
        (tmp / "changed").write_bytes(whole[:place] + b"Y" + whole[place + 1:])
        server.database().things.drop()
        before = server.fingerprint()
        product.database_url = server.restore_url()
        for name, words in (("cut", "it is cut short"), ("changed", "the checksum of auth.things is wrong")):
            done = product.run("restore", "--from-mongodump", tmp / name, "--all-databases", "--force", expect=4)
            assert words in done.err or "ends before" in done.err
            assert server.fingerprint() == before


def test_a_folder_that_is_no_dump(product, tmp, mongo):
    (tmp / "empty").mkdir()
    product.database_url = mongo.restore_url()
    done = product.run("restore", "--from-mongodump", tmp / "empty", "--all-databases", "--force", expect=2)
    assert "holds no dump of mongodump" in done.err
    done = product.run("restore", "--from-mongodump", tmp / "nothing", "--all-databases", "--force", expect=2)
    assert str(tmp / "nothing") in done.err
