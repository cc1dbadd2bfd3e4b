"""Why this exists: crash campaigns over several destinations begin each of hundreds of stories with the same objects in
three places, and see afterwards what lies there without asking the product."""

import hashlib
import pathlib
import re
import shutil

from lib import crash
from lib.places import ManyPlaces

PARTIAL = re.compile(r"(^|/)\.[^/]+\.partial$")  # of the folder; buckets have leases
LEASES, HOLDS, RECORDS = ".writing/", "holds/", "removed/"


def md5(content):
    return hashlib.md5(content).hexdigest()


class Folder:
    """What a bucket of lib.buckets can, of a folder."""

    def __init__(self, path):
        self.path = pathlib.Path(path)

    def keys(self, _=""):
        return sorted(str(path.relative_to(self.path)) for path in self.path.rglob("*") if path.is_file())

    def digests(self, _=""):
        return {key: md5(self.read(key)) for key in self.keys()}

    def read(self, key):
        return (self.path / key).read_bytes()

    def clear(self, _=""):
        shutil.rmtree(self.path, ignore_errors=True)

    def write(self, key, content):
        (self.path / key).parent.mkdir(parents=True, exist_ok=True)
        (self.path / key).write_bytes(content)


class CrashPlaces(ManyPlaces):
    """Three destinations that begin() makes anew, with names of their own: nothing is remembered of them."""

    def __init__(self, folder, minio, gcs, **more):
        super().__init__(folder, minio, gcs, **more)
        self.story = 0
        self.settings |= {"DATABASE_URL": None}

    def begin(self, contents):
        """`contents`: of each place, the bytes of each object by its key. What the last story left goes."""
        for store, prefix in self.stores:
            store.clear(prefix)
        shutil.rmtree(self.logs, ignore_errors=True)
        self.story += 1
        self.repository, self.logs = (self.folder / f"{name}-{self.story}" for name in ("repo", "log"))
        self.settings |= {"S3_PREFIX": f"{self.story}", "GCS_PREFIX": f"{self.story}"}
        for (store, prefix), objects in zip(self.stores, contents):
            for key, content in objects.items():
                store.write(prefix + key, content)

    @property
    def stores(self):
        """Each place's objects, and what their names there begin with."""
        return [(Folder(self.repository), ""), *((bucket, f"{self.story}/") for bucket in self.buckets)]

    @property
    def places(self):
        """As the product names them."""
        return [str(self.repository), *(f"{name}/{self.story}" for name in super().places[1:])]

    def at(self, number):
        """Words that let a run look at that place alone."""
        return "--set", f"REPOSITORY={self.places[number]}"

    def digests(self):
        """Of each place, the MD5 of each object by its key."""
        return [{key.removeprefix(prefix): digest for key, digest in store.digests(prefix).items()}
                for store, prefix in self.stores]

    def contents(self):
        return [{key.removeprefix(prefix): store.read(key) for key in store.keys(prefix)} for store, prefix in self.stores]


def names_in(objects):
    """Of the backups that exist: those with a manifest."""
    return sorted(key.removesuffix(crash.MANIFEST) for key in objects if key.endswith(crash.MANIFEST))


def objects_of(name, objects):
    """What of a place's objects is that backup's."""
    return {key: digest for key, digest in objects.items() if key.startswith(f"{name}.")}


def lasting(objects):
    """Holds, and the records of what was removed."""
    return {key: digest for key, digest in objects.items() if key.startswith((HOLDS, RECORDS))}


def unfinished(objects):
    """What only a run that is alive may have there: leases, partial files, pieces of backups without a manifest."""
    names = tuple(f"{name}." for name in names_in(objects))
    known = (crash.NOTE, HOLDS, RECORDS, *names)
    return [key for key in objects if PARTIAL.search(key) or not key.startswith(known)]


def deaths_at(steps):
    """(name, n, "kill") for each step: at the n-th of its name, since threads come in any order."""
    return [(name, steps[:place].count(name) + 1, "kill") for place, name in enumerate(steps)]


def errors_at(steps):
    """What a store may answer: the disk fails at the first step of each kind, and is full at the last."""
    kinds = sorted({*steps})
    return [(name, 1, "eio") for name in kinds] + [(name, steps.count(name), "enospc") for name in kinds]
