"""Why this exists: where a chain is damaged or has a hole in one place and not in another, whoever asks about it is told
which other place has the missing piece, and with what it comes back."""

import pytest
from lib.log_writer import LogWriter
from lib.places import ManyPlaces
from lib.postgres import PostgresServer
from lib.recovered import back_up

DAMAGED, UNREACHABLE = 4, 8


class Chain:
    """A full backup and two incremental ones, in a folder and a bucket."""

    def __init__(self, folder, minio, gcs):
        with PostgresServer.create(15, folder / "pg", max_prepared_transactions=20) as server:
            self.product = ManyPlaces(folder / "product", minio, gcs, database_url=server.url())
            self.product.settings |= {"GCS_BUCKET": None}
            writer = LogWriter(server)
            self.names = [back_up(self.product, "full")["name"]]
            for _ in range(2):
                writer.mixture(2)
                self.names.append(back_up(self.product)["name"])
            writer.close()

    def objects(self, link):
        return sorted(self.product.repository.glob(f"{self.names[link]}*"))

    def body(self, link):
        (body,) = (path for path in self.objects(link) if ".tar" in path.name)
        return body

    def in_folder(self, *words, expect):
        return self.product.run(*words, "--repository", self.product.places[0], expect=expect).err


@pytest.fixture(scope="module")
def made(module_tmp, minio, gcs):
    return Chain(module_tmp, minio, gcs)


@pytest.fixture
def chain(made):
    """Whole again after each test."""
    kept = {path: path.read_bytes() for link in range(3) for path in made.objects(link)}
    yield made
    for path, content in kept.items():
        path.write_bytes(content)


def flip(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def mended_from(place):
    return f"hint: {place} has it too: sync --repair writes it anew from there, and --repository {place} reads it there"


@pytest.mark.parametrize("link", [0, 1, 2], ids=["full", "first", "second"])
def test_of_a_damaged_link_the_other_place_is_named_and_the_way_without_it(chain, link, tmp):
    flip(chain.body(link))
    without = (f"; without it, restore --backup-file {chain.names[link - 1]} reaches where that one ends, 20" if link
               else "; restore --target-time with an earlier instant")
    for words in (("verify", "--chain", "latest"), ("restore", "-f", chain.names[2], "--target-dir", tmp / "data")):
        said = chain.in_folder(*words, expect=DAMAGED)
        assert chain.names[link] in said and mended_from(chain.product.places[1]) + without in said
    chain.product.run("verify", "--chain", "latest", "--repository", chain.product.places[1])


def test_of_a_missing_link_the_other_place_is_named(chain):
    for path in chain.objects(1):
        path.unlink()
    said = chain.in_folder("verify", "--chain", chain.names[2], expect=DAMAGED)
    assert f"the chain of {chain.names[2]} is broken: nothing covers " in said
    assert said.endswith(mended_from(chain.product.places[1]) + "\n")


def test_a_place_that_lacks_it_too_or_is_none_of_the_settings_is_not_named(chain):
    flip(chain.body(1))
    bucket = chain.product.buckets[0]
    kept = {path.name: bucket.read(path.name) for path in chain.objects(1)}
    for name in kept:
        bucket.delete(name)
    assert "has it too" not in chain.in_folder("verify", "--chain", "latest", expect=DAMAGED)
    for path in chain.objects(1):
        path.unlink()
    assert "has it too" not in chain.in_folder("verify", "--chain", chain.names[2], expect=DAMAGED)
    for name, content in kept.items():
        bucket.write(name, content)
    alone = chain.product.run("verify", "--chain", chain.names[2], env={"S3_BUCKET": None}, expect=DAMAGED).err
    assert "has it too" not in alone
