"""Why this exists: two databases are the same when every document is, byte for byte, and every collection's
options, indexes and kind are: compare fingerprints with ==, and ask `differences` what is not equal."""

import hashlib

import bson
from bson.codec_options import CodecOptions
from bson.raw_bson import RawBSONDocument

RAW = CodecOptions(document_class=RawBSONDocument)
SERVERS_OWN = {"admin", "config", "local"}
# What a server may choose anew for the same index.
NOT_OF_THE_INDEX = {"ns", "v", "multikey", "entryFormat"}


def identity(document):
    """The bytes of a document's _id, with its type."""
    return bson.encode({"": bson.decode(document.raw)["_id"]})


def documents(collection):
    """{bytes of the _id: digest of the whole document}."""
    found = collection.with_options(codec_options=RAW).find()
    return {identity(one): hashlib.sha256(one.raw).hexdigest() for one in found}


def indexes(collection):
    found = collection.list_indexes()
    return sorted(
        repr([(name, option(name, value)) for name, value in sorted(index.items()) if name not in NOT_OF_THE_INDEX])
        for index in found
    )


def plain(value):
    """Of documents, their pairs in order, so that order counts in a comparison."""
    if isinstance(value, dict):
        return [(name, plain(inner)) for name, inner in value.items()]
    return value


def option(name, value):
    """The same; but mongorestore writes the fields of an index's collation in any order, and none has a meaning."""
    return sorted(plain(value)) if name == "collation" else plain(value)


def kinds(database):
    """{collection: its kind and options}, of those that a person sees."""
    found = {}
    for one in database.list_collections():
        if one["name"].startswith("system.") and one["name"] != "system.js":
            continue
        found[one["name"]] = (one["type"], repr(sorted((k, plain(v)) for k, v in one["options"].items())))
    return found


def of_database(database):
    state = {}
    for name, (kind, options) in kinds(database).items():
        state[name] = {"kind": kind, "options": options}
        if kind != "view":
            state[name] |= {"documents": documents(database[name]), "indexes": indexes(database[name])}
    return state


def fingerprint(client, databases=()):
    """{database: {collection: {kind, options, documents, indexes}}}."""
    names = databases or [name for name in client.list_database_names() if name not in SERVERS_OWN]
    return {name: of_database(client[name]) for name in sorted(names)}


def differences(expected, found, path="", most=20):
    """One line for each place where the two are not equal; [] when they are."""
    if not (isinstance(expected, dict) and isinstance(found, dict)):
        return [] if expected == found else [f"{path}: expected {expected}, found {found}"]
    lines = []
    for name in sorted(expected.keys() | found.keys(), key=repr):
        place = f"{path}/{name!r}"
        if name not in found:
            lines.append(f"{place} is missing")
        elif name not in expected:
            lines.append(f"{place} should not be there")
        else:
            lines += differences(expected[name], found[name], place, most)
    return lines[:most]
