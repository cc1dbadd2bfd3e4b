"""Why this exists: a recovery that meets damage half way leaves a database at the wrong instant. Damage anywhere in a
chain is found before anything is published."""

import pytest
from lib.folder_state import folder_state
from lib.log_writer import LogWriter, lsn_text
from lib.postgres import PostgresServer
from lib.product import Product
from lib.recovered import back_up, let_the_server_read, names
from lib.stored_backup import StoredBackup

DAMAGED, UNREACHABLE = 4, 8
PLACES = (0, 9, 20, 0.5, 0.9, -20, -1)  # of a body: its salt, its first block, its middle, its end


@pytest.fixture(scope="module")
def server(module_tmp):
    with PostgresServer.create(15, module_tmp / "pg15", max_prepared_transactions=20) as made:
        yield made


@pytest.fixture(scope="module")
def chain(module_tmp, server):
    return Chain(module_tmp, server)


class Chain:
    """A full backup and two incremental ones; the target lies in the second."""

    def __init__(self, folder, server):
        self.product = Product(folder / "product", database_url=server.url(db="app"))
        writer = LogWriter(server)
        back_up(self.product, "full")
        for _ in range(2):
            writer.mixture(2)
            back_up(self.product)
        writer.close()
        self.stored = [StoredBackup(self.product.repository, name) for name in names(self.product)]
        self.target = ("--target-position", lsn_text(writer.commits[-2].after_lsn))

    def refused(self, place, code=DAMAGED):
        """Into a folder and into the database; what was said."""
        before = folder_state(place)
        done = self.product.run("restore", *self.target, "--target-dir", place / "data", expect=code)
        assert folder_state(place) == before, "nothing is published, and nothing is left"
        assert list(self.product.temporary.iterdir()) == []
        return done.err


@pytest.fixture
def place(tmp):
    (tmp / "neighbour").write_text("not ours")
    return tmp


@pytest.mark.parametrize("fetched", [False, True], ids=["unpacked", "fetched"])
@pytest.mark.parametrize("link", [0, 1, 2], ids=["full", "first", "second"])
def test_a_flipped_bit_of_any_body_or_index_is_found_before_anything_is_published(chain, place, link, fetched):
    if fetched:
        let_the_server_read(chain.product)
    stored = chain.stored[link]
    size = stored.body.stat().st_size
    for offset in PLACES:
        with stored.flipped(stored.body, int(offset * size) if isinstance(offset, float) else offset):
            assert stored.name in chain.refused(place)
    for offset in (0, 40, -5):
        with stored.flipped(stored.index, offset):
            assert stored.name in chain.refused(place)


@pytest.mark.parametrize("link", [0, 1, 2], ids=["full", "first", "second"])
def test_a_backup_with_a_damaged_manifest_counts_for_nothing(chain, place, link):
    stored = chain.stored[link]
    length = stored.manifest.stat().st_size
    for offset in range(0, length, length // 12):
        with stored.flipped(stored.manifest, offset):
            chain.refused(place, (DAMAGED, UNREACHABLE))
            assert chain.product.run("explain", *chain.target, expect=(0, UNREACHABLE))


@pytest.mark.parametrize("link", [0, 1, 2], ids=["full", "first", "second"])
def test_a_lost_object_is_a_hole_that_is_shown(chain, place, link):
    stored = chain.stored[link]
    for path in stored.objects:
        with stored.changed(path, None):
            chain.refused(place, UNREACHABLE)
            chain.product.run("explain", *chain.target, expect=UNREACHABLE)


def test_into_the_database_nothing_is_replaced(chain, server):
    before = server.sql("SELECT n FROM numbered", "app")
    for stored in chain.stored:
        with stored.flipped(stored.body, -20):
            chain.product.run("restore", *chain.target, "--force", expect=DAMAGED)
    assert server.sql("SELECT n FROM numbered", "app") == before
    assert server.value("SELECT count(*) FROM pg_database WHERE datname LIKE '%\\_\\_restore\\_%'") == 0


def test_undamaged_it_restores(chain, place):
    done = chain.product.run("restore", *chain.target, "--target-dir", place / "data")
    assert "it answers before that: wait until SELECT pg_is_in_recovery() says f" in done.out
