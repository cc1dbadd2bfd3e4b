"""Why this exists: tests of damage and of keys must get at the three objects of one backup as a thief or
a bad disk would: by their bytes, and put them back afterwards."""

import contextlib
import hashlib
import os
import pathlib
import shutil

from lib.folder_state import folder_state

SEGMENT_BYTES = 16 * 1024 * 1024
MANIFEST, INDEX = ".manifest.json", ".index"


class StoredBackup:
    """The body, the index and the manifest of the backup `name` in a repository's folder."""

    def __init__(self, repository, name):
        self.repository, self.name = pathlib.Path(repository), name
        self.manifest = self.repository / (name + MANIFEST)
        self.index = self.repository / (name + INDEX)
        (self.body,) = self.repository.glob(name + ".tar*")

    @property
    def objects(self):
        return self.body, self.index, self.manifest

    @contextlib.contextmanager
    def changed(self, path, content):
        """Inside, the object holds `content` (bytes), or is not there (None)."""
        aside = path.with_name("aside-" + path.name)
        path.rename(aside)
        try:
            if content is not None:
                path.write_bytes(content)
            yield
        finally:
            aside.replace(path)

    @contextlib.contextmanager
    def flipped(self, path, offset, bit=0):
        """Inside, one bit of the object is the other way round; a negative offset counts from the end."""
        with open(path, "r+b", buffering=0) as file:
            if offset < 0:
                offset += os.fstat(file.fileno()).st_size
            before = os.pread(file.fileno(), 1, offset)
            os.pwrite(file.fileno(), bytes([before[0] ^ (1 << bit)]), offset)
            try:
                yield
            finally:
                os.pwrite(file.fileno(), before, offset)

    def copy_to(self, repository):
        """The same backup in another repository's folder."""
        repository = pathlib.Path(repository)
        repository.mkdir(parents=True, exist_ok=True)
        for path in self.objects:
            shutil.copy2(path, repository)
        return StoredBackup(repository, self.name)


def only_backup(product):
    """The one backup in the product's repository."""
    (manifest,) = product.repository.glob("*" + MANIFEST)
    return StoredBackup(product.repository, manifest.name.removesuffix(MANIFEST))


def back_up_files(product, folder, expect=0, **settings):
    """A config backup of `folder`; its stored objects."""
    done = product.run("backup", "config", "--json", env={"CONFIG_PATHS": folder, **settings}, expect=expect)
    return StoredBackup(product.repository, done.json()["name"])


def random_files(folder, megabytes):
    """A folder with two small files and `megabytes` that nothing can compress."""
    folder = pathlib.Path(folder)
    folder.mkdir()
    (folder / "app.conf").write_text("issuer = https://auth.example.org\n")
    (folder / "empty").touch()
    with open(folder / "random.bin", "wb") as file:
        for _ in range(megabytes):
            file.write(os.urandom(1024 * 1024))
    return folder


def segment_digests(body):
    """As the index has them."""
    data = body.read_bytes()
    return [hashlib.sha256(data[at:at + SEGMENT_BYTES]).hexdigest() for at in range(0, len(data), SEGMENT_BYTES)]


def assert_restores_to(product, stored, source, place, **settings):
    """The files of a config backup of `source` come back under `place`, the same to the last byte."""
    product.run("restore", "--backup-file", stored.name, "--components", "config", "--files-dir", place, env=settings)
    assert folder_state(pathlib.Path(place) / "config" / str(source).lstrip("/")) == folder_state(source)
