"""Why this exists: data of an auth service's shape, the same for every test, with one of each thing that a
backup of MongoDB could lose: every kind of index, options of collections, views, GridFS, every type of _id,
documents of the largest size, names that no file may have."""

import datetime
import hashlib
import random
import uuid

import bson
from bson import Binary, Code, Decimal128, Int64, MaxKey, MinKey, ObjectId, Regex, Timestamp
from pymongo import ASCENDING, DESCENDING, IndexModel

APP, APP_PASSWORD = "auth_app", "application-password-of-a-test"
BEGIN = datetime.datetime(2024, 1, 15, 2, 0, 0, 123000)
BATCH = 1000
AWKWARD_NAMES = (
    "with space", "ünïcode ☃", "per%cent", 'quo"te', "slash/es", "back\\slash", "dots.in.it", "CON", "a+b&c=d",
    "long-" + "x" * 180,  # escaped and with its endings longer than some tools' limit, not than a file's
    "very long " + "é" * 100,  # longer than a file name may be once it is escaped
)
TIME_SERIES, BUCKETS = "measures", "system.buckets.measures"
LARGEST_BYTES = 16 * 1024 * 1024  # of a document, mongod's limit


def users(count):
    for n in range(count):
        digest = hashlib.sha512(str(n).encode()).digest()
        yield {
            "_id": ObjectId(f"{n:024x}"), "email": f"User.{n}@example.org", "state": "active" if n % 7 else "locked",
            "password": {"scheme": "argon2id", "hash": digest, "rounds": 3},
            "profile": {"name": f"Zoë {n}", "tags": ["a", "b", n], "language": None, "quota": Int64(n << 33)},
            "created_at": BEGIN + datetime.timedelta(seconds=n), "balance": Decimal128(f"{n}.50"), "score": n / 3,
        }


def sessions(count):
    make = random.Random(1)
    for n in range(count):
        yield {
            "_id": Binary(uuid.UUID(int=make.getrandbits(128)).bytes, 4), "user": ObjectId(f"{n // 2:024x}"),
            "address": f"192.0.2.{n % 250}", "expires_at": datetime.datetime(2099, 1, 1) + datetime.timedelta(seconds=n),
        }


def tokens(count):
    for n in range(count):
        yield {"_id": n, "digest": hashlib.sha256(str(n).encode()).digest(), "revoked": n % 5 == 0, "scopes": {"s": n}}


IDS_OF_EVERY_TYPE = (
    1, Int64(2), 2.5, float("nan"), float("-inf"), "text", "", ObjectId("0" * 24), BEGIN, {"a": 1}, {"b": {"c": [1, 2]}},
    Binary(b"x", 0), Binary(b"y" * 16, 4), Binary(b"", 128), True, False, None, MinKey(), MaxKey(), Timestamp(7, 9),
    Decimal128("1.5"), Decimal128("Infinity"), Int64(-(2**63)), Code("f()"),
)
EVERY_TYPE = {
    "double": 1.0, "text": "a\0b", "document": {"": {"": 1}}, "array": [1, [2, {"x": [3]}]], "binary": b"\0\1",
    "regex": Regex("^a.*$", "imx"), "code": Code("function () {}"), "scope": Code("f", {"x": 1}), "null": None,
    "timestamp": Timestamp(1, 2), "int64": Int64(1), "min": MinKey(), "max": MaxKey(), "infinity": float("inf"),
    "zero": -0.0, "dotted.name": 1, "$dollar": 1,
}


def insert(collection, documents):
    batch = []
    for document in documents:
        batch.append(document)
        if len(batch) == BATCH:
            collection.insert_many(batch)
            batch = []
    if batch:
        collection.insert_many(batch)


def document_of(size):
    """A document of exactly `size` bytes."""
    empty = len(bson.encode({"_id": 0, "filler": b""}))
    return {"_id": 0, "filler": random.Random(size).randbytes(size - empty)}


def load_service(db, count):
    insert(db.users, users(count))
    db.users.create_indexes([
        IndexModel([("email", ASCENDING)], name="email_once", unique=True, collation={"locale": "en", "strength": 2}),
        IndexModel([("state", ASCENDING), ("created_at", DESCENDING)]),
        IndexModel([("profile.tags", ASCENDING)], sparse=True),
        IndexModel([("profile.$**", ASCENDING)], name="any part of the profile"),
    ])
    insert(db.sessions, sessions(2 * count))
    db.sessions.create_index("expires_at", expireAfterSeconds=3600)
    insert(db.tokens, tokens(3 * count))
    db.tokens.create_index("digest", unique=True, partialFilterExpression={"revoked": False})
    db.tokens.create_index("revoked", hidden=True)


def load_kinds(db):
    """Collections of every kind and option that the test servers have."""
    db.create_collection("audit", capped=True, size=1 << 20, max=300)
    insert(db.audit, ({"_id": n, "what": f"event {n}"} for n in range(500)))
    db.create_collection("strict", validator={"$jsonSchema": {"required": ["name"]}}, validationLevel="moderate",
                         validationAction="error")
    db.strict.insert_one({"_id": 1, "name": "valid"})
    db.create_collection("german", collation={"locale": "de", "strength": 1})
    insert(db.german, ({"_id": text} for text in ("Straße", "zebra", "Äpfel")))
    db.german.create_index("name")
    db.create_collection("clustered", clusteredIndex={"key": {"_id": 1}, "unique": True, "name": "by id"})
    insert(db.clustered, ({"_id": f"key {n}", "n": n} for n in range(100)))
    db.create_collection(TIME_SERIES, timeseries={"timeField": "at", "metaField": "from", "granularity": "minutes"})
    insert(db[TIME_SERIES], ({"at": BEGIN + datetime.timedelta(minutes=n), "from": n % 3, "value": n} for n in range(60)))
    db.create_collection("active_users", viewOn="users", pipeline=[{"$match": {"state": "active"}}])
    db.create_collection("empty")
    db.empty.create_index("nothing")
    db["system.js"].insert_one({"_id": "twice", "value": Code("function (x) { return 2 * x }")})


def load_odd(db):
    db.ids.insert_many([{"_id": value, "n": n} for n, value in enumerate(IDS_OF_EVERY_TYPE)])
    db.types.insert_one({"_id": 1, **EVERY_TYPE})
    db.largest.insert_one(document_of(LARGEST_BYTES))
    db["fs.files"].insert_one({"_id": 1, "length": Int64(600_000), "chunkSize": 255_000, "filename": "photo.jpg"})
    db["fs.chunks"].insert_many(
        [{"files_id": 1, "n": n, "data": random.Random(n).randbytes(255_000)} for n in range(3)]
    )
    db["fs.chunks"].create_index([("files_id", ASCENDING), ("n", ASCENDING)], unique=True)
    for name in AWKWARD_NAMES:
        db[name].insert_one({"_id": name})


def load_users(client, db):
    client[db].command("createRole", "session_reader", roles=[], privileges=[
        {"resource": {"db": db, "collection": "sessions"}, "actions": ["find"]}])
    client[db].command("createUser", APP, pwd=APP_PASSWORD, roles=["readWrite", "session_reader"])


def load(client, count, db):
    """All of it into database `db`, and a second database beside it."""
    load_service(client[db], count)
    load_kinds(client[db])
    load_odd(client[db])
    load_users(client, db)
    client[f"{db}-second"].things.insert_many([{"_id": n, "of": db} for n in range(10)])
