"""Why this exists: "exactly what was committed by then" needs a writer that knows it without asking the oplog. It lets
one change at a time happen to a database, makes the same one to a copy in memory, and keeps what that was after each.
What "by then" means is said here once more, from docs/mongodb.md."""

import contextlib
import copy
import dataclasses
import datetime
import random
import threading
import time

import bson
from bson import Timestamp

from lib.log_writer import parse_instant
from lib.mongodb_fingerprint import indexes, kinds
from lib.mongodb_oplog import parse_optime, point, set_path, unset_path

SECONDS_MAX = 60
LIVING_MAX = 60  # documents of a collection, so that a restore is quick
PAUSE_SECONDS_MAX = 0.004  # the server's clock has milliseconds: some changes share one, some do not
CLOCK_STEP = datetime.timedelta(milliseconds=1)


@dataclasses.dataclass(frozen=True)
class Change:
    """`state` ({collection: {bytes of the _id: document}}) is what is there after it; its entries of the oplog
    are dated from `before` to `after`, and the last of them is at `end`."""

    state: dict
    before: datetime.datetime
    after: datetime.datetime
    end: Timestamp


@dataclasses.dataclass(frozen=True)
class Definitions:
    """What the server itself says of its collections; from `begin` on up to the change of definitions at `end`."""

    said: dict
    begin: Timestamp


def key_of(document):
    return bson.encode({"": document["_id"]})


def clock():
    return datetime.datetime.now(datetime.timezone.utc)


def definitions(database):
    """{collection: (kind, options, indexes)}; a view has no indexes."""
    return {
        name: (kind, options, indexes(database[name]) if kind != "view" else {})
        for name, (kind, options) in kinds(database).items()
    }


class JournalWriter:
    """Changes the database `name`, from one thread at a time. `changes` are what it was told is committed."""

    def __init__(self, server, name, seed=1):
        self.server, self.name = server, name
        self.changes, self.definitions = [], []
        self.definition_spans = []  # (before the first entry, the last one) of each change of definitions
        self._state, self._number, self._random = {}, 0, random.Random(seed)

    @property
    def db(self):
        return self.server.database(self.name)

    # -- documents -----------------------------------------------------------------------------------

    def insert(self, name, count=1, **more):
        documents = [self._document(self._next(), **more) for _ in range(count)]

        def change():
            self.db[name].insert_many(copy.deepcopy(documents))

        self._note(change, {name: {key_of(one): one for one in documents}})

    def update(self, name):
        """Deep inside of one document."""
        key, now = self._any(name)
        number, which = self._next(), self._random.randrange(4)
        if which == 0:
            words = {"$set": {"n": number, "deep.er.est": number, "list.1": {"x": number}}}
            for path, value in words["$set"].items():
                set_path(now, path, value)
        elif which == 1:
            words = {"$push": {"list": number}, "$unset": {"deep.leaf": 1}}
            now["list"].append(number)
            unset_path(now, "deep.leaf")
        elif which == 2:
            words = {"$pop": {"list": 1}, "$inc": {"deep.count": 2}}
            now["list"] = now["list"][:-1]
            now["deep"]["count"] += 2
        else:
            words = {"$set": {f"field {number}.of a new part": [number]}}
            now[f"field {number}"] = {"of a new part": [number]}
        self._note(lambda: self.db[name].update_one({"_id": now["_id"]}, words), {name: {key: now}})

    def update_all(self, name):
        """One statement, as many entries as documents."""
        number = self._next()
        after = {key: {**one, "all": number} for key, one in self._state[name].items()}
        self._note(lambda: self.db[name].update_many({}, {"$set": {"all": number}}), {name: after})

    def replace(self, name):
        key, now = self._any(name)
        now = {**self._document(self._next()), "_id": now["_id"]}
        self._note(lambda: self.db[name].replace_one({"_id": now["_id"]}, copy.deepcopy(now), upsert=True), {name: {key: now}})

    def delete(self, name, count=1):
        gone = self._random.sample(sorted(self._state[name]), count)
        names = [self._state[name][key]["_id"] for key in gone]
        self._note(lambda: self.db[name].delete_many({"_id": {"$in": names}}), {name: dict.fromkeys(gone)})

    def transaction(self, one, other, commits=True):
        """Something of everything in two collections, or nothing at all."""
        key, now = self._any(other)
        gone, _ = self._any(one)
        added = [self._document(self._next()) for _ in range(3)]
        now["n"] = self._next()
        client = self.server.client()

        def change():
            with client.start_session() as session:
                session.start_transaction()
                self.db[one].insert_many(copy.deepcopy(added), session=session)
                self.db[other].update_one({"_id": now["_id"]}, {"$set": {"n": now["n"]}}, session=session)
                self.db[one].delete_one({"_id": self._state[one][gone]["_id"]}, session=session)
                self.db[other].insert_one(copy.deepcopy(added[0]), session=session)
                session.commit_transaction() if commits else session.abort_transaction()

        after = {one: {key_of(d): d for d in added} | {gone: None}, other: {key: now, key_of(added[0]): added[0]}}
        self._note(change, after if commits else {})

    def mixture(self, *names, rounds=1):
        """A bit of each, in any order."""
        one, other = names
        for _ in range(rounds):
            changes = [
                lambda: self.insert(one), lambda: self.insert(other, 4), lambda: self.update(one), lambda: self.update(other),
                lambda: self.replace(one), lambda: self.delete(other), lambda: self.transaction(one, other),
                lambda: self.transaction(other, one), lambda: self.transaction(one, other, commits=False),
                lambda: self.update_all(other),
            ]
            self._random.shuffle(changes)
            for change in changes:
                change()
            for name in names:
                self.delete(name, max(1, len(self._state[name]) - LIVING_MAX))

    @contextlib.contextmanager
    def beside(self, *names):
        """A mixture in a thread while the block runs, at least one round of it."""
        leave, failed = threading.Event(), []

        def write():
            try:
                self.mixture(*names)
                while not leave.is_set():
                    self.mixture(*names)
            except Exception as error:  # told to the thread that waits
                failed.append(error)

        thread = threading.Thread(target=write)
        thread.start()
        try:
            yield
        finally:
            leave.set()
            thread.join(SECONDS_MAX)
        if failed:
            raise failed[0]

    # -- definitions ---------------------------------------------------------------------------------

    def create(self, name, **options):
        self._define(lambda: self.db.create_collection(name, **options), {name: {}})

    def create_index(self, collection, *keys, **options):
        self._define(lambda: self.db[collection].create_index(list(keys), **options))

    def drop_index(self, name, index):
        self._define(lambda: self.db[name].drop_index(index))

    def validate(self, name, validator):
        self._define(lambda: self.db.command("collMod", name, validator=validator))

    def create_view(self, name, source):
        self._define(lambda: self.db.command("create", name, viewOn=source, pipeline=[{"$match": {"n": {"$gt": 1}}}]))

    def drop_view(self, name):
        self._define(lambda: self.db.drop_collection(name))

    def drop(self, name):
        self._define(lambda: self.db.drop_collection(name), {name: None})

    def rename(self, name, new, over=False):
        """Also over another one, as $out does it."""
        self._define(lambda: self.db[name].rename(new, dropTarget=over), {name: None, new: None}, {new: self._state[name]})

    def move_to_database(self, name, database):
        """Which no replay can follow."""
        words = {"renameCollection": f"{self.name}.{name}", "to": f"{database}.{name}"}
        self._define(lambda: self.server.client().admin.command(words), {name: None})

    def drop_database(self):
        """What somebody does who meant another one."""
        self._define(lambda: self.server.client().drop_database(self.name), dict.fromkeys(self._state))

    # -- what was there ------------------------------------------------------------------------------

    def at(self, end):
        """The change whose last entry is there, if that is one's last."""
        return next((change for change in self.changes if change.end == end), None)

    def definitions_at(self, end):
        """What the server said of them when `end` was its last entry; None while they were being changed."""
        if any(before < end < after for before, after in self.definition_spans):
            return None
        return [one for one in self.definitions if one.begin <= end][-1].said

    # -- how it is noted -----------------------------------------------------------------------------

    def _next(self):
        self._number += 1
        return self._number

    def _document(self, number, **more):
        return {
            "_id": number, "n": number, "deep": {"er": {"est": 0}, "leaf": "x", "count": number},
            "list": [number, {"x": 1}, [1, 2]], "text": "ü" * self._random.randrange(50), **more,
        }

    def _any(self, name):
        key = self._random.choice(sorted(self._state[name]))
        return key, copy.deepcopy(self._state[name][key])

    def _end(self):
        """Of the newest entry; asked from the last one on, since a server may read its whole oplog from the end."""
        known = self.changes[-1].end if self.changes else Timestamp(0, 0)
        entries = self.server.client().local["oplog.rs"].find({"ts": {"$gte": known}}).sort("ts", 1)
        return [known, *(entry["ts"] for entry in entries)][-1]

    def _note(self, change, *steps):
        """Each of `steps` is what comes into which collection; None for what goes, a whole collection too."""
        if self._random.random() < 0.5:
            time.sleep(self._random.random() * PAUSE_SECONDS_MAX)
        before = clock() - CLOCK_STEP
        change()
        after = clock()
        state = dict(self._state)
        for step in steps:
            for name, documents in step.items():
                if documents is None:
                    state.pop(name, None)
                else:
                    merged = {**state.get(name, {}), **documents}
                    state[name] = {key: one for key, one in merged.items() if one is not None}
        self._state = state
        self.changes.append(Change(state, before, after, self._end()))

    def _define(self, change, *steps):
        before = self._end()
        self._note(change, *steps)
        end = self.changes[-1].end
        self.definition_spans.append((before, end))
        self.definitions.append(Definitions(definitions(self.db), end))


# -- what a target means ---------------------------------------------------------------------------------


def is_out(words):
    """What says of entries that are committed together whether they are out of the target `words`."""
    option, value = words
    if option == "--target-time":
        instant = parse_instant(value)
        return lambda group: moment_of(group) > instant
    place = place_of(value)
    if option == "--target-position":
        return lambda group: point(group[-1]["ts"]) > place
    return lambda group: point(group[-1]["ts"]) >= place


def place_of(text):
    """Of "SECONDS:ORDINAL", or of the beginning of a second."""
    return point(parse_optime(text if ":" in text else text + ":0"))


def lies_in(words, window):
    """A window as `list --json` has it."""
    option, value = words
    if option == "--target-time":
        return parse_instant(window["from"]) <= parse_instant(value) <= parse_instant(window["to"])
    place = place_of(value) - (option == "--oplog-limit")
    return point(parse_optime(window["from_position"])) <= place <= point(parse_optime(window["to_position"]))


def in_some_zone(moments, instant):
    """The same moment as people anywhere write it."""
    zone = datetime.timezone(datetime.timedelta(minutes=15 * moments.randint(-48, 56)))
    text = instant.astimezone(zone).isoformat(sep=moments.choice("T "), timespec="microseconds")
    whole, digits, offset = text[:-13], text[-12:-6], text[-6:]
    shortened = digits.rstrip("0") if moments.random() < 0.5 else digits
    return whole + ("." + shortened if shortened else "") + offset


def moment_of(group):
    return max(entry["wall"] for entry in group).replace(tzinfo=datetime.timezone.utc)


def newest_by(groups, end):
    """The latest time of what ends at `end` or before it."""
    return max(moment_of(group) for group in groups if group[-1]["ts"] <= end)


def optime_text(place):
    return f"{place >> 32}:{place & 0xFFFFFFFF}"
