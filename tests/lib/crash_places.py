"""Why this exists: crash campaigns over several destinations begin each of hundreds of stories with the same objects in
three places, and see afterwards what lies there without asking the product."""

import functools
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


def md5_of(path):
    found = path.stat()
    return md5_of_file(path, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns)


@functools.lru_cache(maxsize=10_000)
def md5_of_file(path, *_):
    """Read once as long as it is the same."""
    return md5(path.read_bytes())


known_md5 = functools.lru_cache(maxsize=1000)(md5)  # of contents that many stories begin with


class Folder:
    """What a bucket of lib.buckets can, of a folder."""

    def __init__(self, path):
        self.path = pathlib.Path(path)

    def keys(self, _=""):
        return sorted(str(path.relative_to(self.path)) for path in self.path.rglob("*") if path.is_file())

    def digests(self, _=""):
        return {key: md5_of(self.path / key) for key in self.keys()}

    def read(self, key):
        return (self.path / key).read_bytes()

    def clear(self, _=""):
        shutil.rmtree(self.path, ignore_errors=True)

    def write(self, key, content):
        (self.path / key).parent.mkdir(parents=True, exist_ok=True)
        (self.path / key).write_bytes(content)

    def delete(self, key):
        (self.path / key).unlink()


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

    def begin_again(self, contents):
        """The same where the last story began, with its names: what it left as it was is not written anew."""
        shutil.rmtree(self.logs, ignore_errors=True)
        for (store, prefix), objects in zip(self.stores, contents):
            there = store.digests(prefix)
            for key in there:
                if key.removeprefix(prefix) not in objects:
                    store.delete(key)
            for key, content in objects.items():
                if there.get(prefix + key) != known_md5(content):
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


def unfinished(objects, *also):
    """What only a run that is alive may have there: leases, partial files, pieces of backups without a manifest. `also`:
    what else belongs there begins with these."""
    names = tuple(f"{name}." for name in names_in(objects))
    known = (crash.NOTE, HOLDS, RECORDS, *also, *names)
    return [key for key in objects if PARTIAL.search(key) or not key.startswith(known)]


def deaths_at(steps):
    """(name, n, "kill") for each step: at the n-th of its name, since threads come in any order."""
    return [(name, steps[:place].count(name) + 1, "kill") for place, name in enumerate(steps)]


def errors_at(deaths):
    """What a store may answer instead: the disk fails at the first step of each kind, and is full at the last."""
    first = {name: nth for name, nth, _ in reversed(deaths)}
    last = {name: nth for name, nth, _ in deaths}
    return [(name, first[name], "eio") for name in sorted(first)] + [(name, last[name], "enospc") for name in sorted(last)]
