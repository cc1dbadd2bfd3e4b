"""Why this exists: what a database held at one position is decided by its oplog alone. This replays the whole
oplog of a test server up to a position, in Python and without the product, so that a restored database can
be compared with the state at exactly the position that its manifest names.

Only what the test servers write: inserts, updates as replacement or as `updatedFields`, deletes, and the
commands of the writer in mongodb_writer.py. Anything else is an error, never passed over.
"""

import hashlib

import bson
from bson import Timestamp
from bson.raw_bson import RawBSONDocument

from lib.mongodb_fingerprint import identity

NOTHING_TO_DO = {"collMod"}  # of documents


def parse_optime(text):
    """ "SECONDS:COUNTER" as the manifest has it."""
    seconds, counter = map(int, text.split(":"))
    return Timestamp(seconds, counter)


def step_into(value, name):
    """What `name` of a dotted path leads to; made when it is not there."""
    if isinstance(value, list):
        return value[int(name)]
    return value.setdefault(name, {})


def put(value, name, new):
    if not isinstance(value, list):
        value[name] = new
        return
    place = int(name)
    value.extend([None] * (place + 1 - len(value)))
    value[place] = new


def set_path(document, path, new):
    *way, last = path.split(".")
    for name in way:
        document = step_into(document, name)
    put(document, last, new)


def unset_path(document, path):
    *way, last = path.split(".")
    for name in way:
        document = step_into(document, name)
    if isinstance(document, list):
        document[int(last)] = None
    else:
        document.pop(last, None)


def get_path(document, path):
    for name in path.split("."):
        document = step_into(document, name)
    return document


def updated(document, change):
    """The document after an update's `o`."""
    if "$v" not in change:
        return change
    difference = change["diff"]
    unknown = difference.keys() - {"updatedFields", "removedFields", "truncatedArrays"}
    assert not unknown, f"the oplog has an update that this replay does not know: {unknown}"
    for cut in difference["truncatedArrays"]:
        del get_path(document, cut["field"])[cut["newSize"]:]
    for path, value in difference["updatedFields"].items():
        set_path(document, path, value)
    for path in difference["removedFields"]:
        unset_path(document, path)
    return document


class Replay:
    """`collections`: {"db.collection": {bytes of the _id: document}}; `indexes`: {"db.collection": {name}}; `views`:
    their full names."""

    def __init__(self):
        self.collections, self.indexes, self.views = {}, {}, set()

    def apply(self, entry):
        operation, namespace = entry["op"], entry["ns"]
        if operation == "c":
            self.command(namespace.split(".")[0], entry["o"])
        elif operation != "n":
            self.change(self.collections.setdefault(namespace, {}), operation, entry)

    @staticmethod
    def change(documents, operation, entry):
        key = bson.encode({"": entry["o2" if operation == "u" else "o"]["_id"]})
        if operation == "d":
            documents.pop(key, None)
        elif operation == "i":
            documents[key] = entry["o"]
        else:
            documents[key] = updated(documents[key], entry["o"])

    def command(self, database, words):
        name, target = next(iter(words.items()))
        namespace = f"{database}.{target}"
        if name == "create":
            if "viewOn" in words:
                self.views.add(namespace)
            else:
                self.collections.setdefault(namespace, {})
        elif name == "renameCollection":
            for places in (self.collections, self.indexes):
                places.pop(words["to"], None)
                if target in places:
                    places[words["to"]] = places.pop(target)
        elif name == "createIndexes":
            self.indexes.setdefault(namespace, set()).update(index["name"] for index in words["indexes"])
        elif name in ("dropIndexes", "dropIndex"):
            self.indexes[namespace].discard(words["index"])
        elif name == "drop":
            self.collections.pop(namespace, None)
            self.indexes.pop(namespace, None)
            self.views.discard(namespace)
        elif name == "dropDatabase":
            for place in [ns for ns in self.collections if ns.startswith(database + ".")]:
                self.collections.pop(place)
                self.indexes.pop(place, None)
        else:
            assert name in NOTHING_TO_DO, f"the oplog has a command that this replay does not know: {words}"

    def documents(self, database):
        """{collection: {bytes of the _id: digest}} as mongodb_fingerprint has it."""
        prefix = database + "."
        found = {}
        for namespace, documents in self.collections.items():
            if namespace.startswith(prefix):
                raw = [RawBSONDocument(bson.encode(document)) for document in documents.values()]
                digests = {identity(one): hashlib.sha256(one.raw).hexdigest() for one in raw}
                found[namespace[len(prefix):]] = digests
        return found

    def index_names(self, database):
        prefix = database + "."
        return {ns[len(prefix):]: names for ns, names in self.indexes.items() if ns.startswith(prefix)}


def replay(client, until=None):
    """The state after the last change at or before `until` (a Timestamp), or after all there are."""
    state = Replay()
    for entry in client.local["oplog.rs"].find({"ts": {"$lte": until}} if until else {}).sort("ts", 1):
        state.apply(entry)
    return state


def point(optime):
    """A Timestamp as one number that orders as optimes do."""
    return optime.time << 32 | optime.inc


def transactions(client, database):
    """The oplog as lists of entries that are committed together: those at one position, those of one transaction that a
    server writes as single entries. Each entry gets "ours": whether it changes `database`."""
    groups, key = [], None
    for entry in client.local["oplog.rs"].find().sort("ts", 1):
        entry["ours"] = entry["op"] != "n" and entry["ns"].split(".")[0] == database
        before, key = key, (entry["lsid"]["id"], entry["txnNumber"]) if "txnNumber" in entry else None
        together = groups and (groups[-1][-1]["ts"] == entry["ts"] or (key and key == before))
        groups[-1].append(entry) if together else groups.append([entry])
    return groups


def last_in(groups, is_out):
    """The optime of the last entry before the first group that is out."""
    optime = None
    for group in groups:
        if is_out(group):
            break
        optime = group[-1]["ts"]
    return optime
