"""Why this exists: you never depend on this program. A backup is restored with openssl, tar, gzip and
PostgreSQL alone, by the commands of RESTORE.txt as they are printed in the repository."""

import shutil

import pytest
from lib import cluster
from lib.postgres import BACKUP_PASSWORD, BACKUP_ROLE, PostgresServer, hand_over
from lib.processes import wait_until
from lib.product import Product
from lib.stock_recipe import StockRestore

FORMS = {
    ".tar.gz.enc": {},
    ".tar.enc": {"COMPRESSION_ENABLED": "false"},
    ".tar.gz": {"ENCRYPTION_ENABLED": "false"},
    ".tar": {"ENCRYPTION_ENABLED": "false", "COMPRESSION_ENABLED": "false"},
}
UNPACK = (1, 2, 3)
ALL = (1, 2, 3, 4, 5)


@pytest.fixture(scope="module")
def full(pg15):
    cluster.fill(pg15)
    return pg15


@pytest.fixture
def taken(full, product, tmp):
    """Takes a backup in a given form and gives its name and the repository as it arrives elsewhere."""
    def take(form, **more):
        product.database_url = full.url(BACKUP_ROLE, BACKUP_PASSWORD)
        name = product.run("backup", "--type", "full", "--json", env={**FORMS[form], **more}).json()["name"]
        assert f"{name}{form}" in product.objects()
        elsewhere = tmp / "elsewhere"
        shutil.copytree(product.repository, elsewhere)
        (tmp / "open").mkdir()
        hand_over(tmp / "open")
        return name, StockRestore(elsewhere, full.bin)
    return take


def assert_starts_and_is_the_same(stock, name, target, folder, expected, key):
    """Follows the note to its end; the running server must answer as `expected`."""
    server = PostgresServer(15, folder)  # never started here: it only knows how to connect
    options = f"-p {server.port} -k {server.folder} -c listen_addresses= -c fsync=off"
    try:
        out, err = stock.run(ALL, name, target, key, options)
        assert "server started" in out
        assert err == ""
        cluster.assert_same(expected, cluster.fingerprints(server))
        assert cluster.tablespace_place(server).startswith(str(target))
        assert server.value("SHOW archive_mode") == "off"
    finally:
        server.program("pg_ctl", "-D", target / "postgresql/base", "-m", "immediate", "stop")


def test_the_note_alone_brings_an_encrypted_backup_back(full, taken, product, tmp):
    expected = cluster.fingerprints(full)
    name, stock = taken(".tar.gz.enc")
    assert_starts_and_is_the_same(stock, name, tmp / "open/back", tmp / "second", expected, product.key)


def test_the_note_alone_goes_on_over_incremental_backups(product, tmp):
    """A server of its own, since its timeline and its slot are changed here."""
    with PostgresServer.create(15, tmp / "origin") as origin:
        origin.create_minimal_role()
        product.database_url = origin.url(BACKUP_ROLE, BACKUP_PASSWORD)
        origin.sql("CREATE TABLE numbers (n int)")
        name = product.run("backup", "--type", "full", "--json").json()["name"]
        later = []
        for n in range(3):
            origin.sql(f"INSERT INTO numbers SELECT {n} FROM generate_series(1, 1000)")
            if n == 1:
                origin.sql("SELECT pg_switch_wal()")
            later.append(product.run("backup", "--type", "incremental", "--json").json()["name"])
        elsewhere = tmp / "elsewhere"
        shutil.copytree(product.repository, elsewhere)
        (tmp / "open").mkdir()
        hand_over(tmp / "open")
        stock = StockRestore(elsewhere, origin.bin)
        server = PostgresServer(15, tmp / "second")
        options = f"-p {server.port} -k {server.folder} -c listen_addresses= -c fsync=off"
        target = tmp / "open/back"
        try:
            out, err = stock.run(ALL, name, target, product.key, options, INCREMENTAL=" ".join(later))
            assert "server started" in out
            assert err == ""
            wait_until(lambda: server.value("SELECT pg_is_in_recovery()") is False, "the end of recovery")
            assert server.value("SELECT string_agg(n || ':' || c, ' ' ORDER BY n) FROM "
                                "(SELECT n, count(*) AS c FROM numbers GROUP BY n) AS counted") == "0:1000 1:1000 2:1000"
        finally:
            server.program("pg_ctl", "-D", target / "postgresql/base", "-m", "immediate", "stop")


def test_a_passphrase_with_odd_characters_opens_with_openssl(taken, tmp):
    passphrase = "Grüße, 'quoted' \"twice\" $HOME `id` \\ %41 "
    name, stock = taken(".tar.gz.enc", BACKUP_ENCRYPTION_KEY=passphrase)
    assert stock.run(UNPACK, name, tmp / "open/back", passphrase) == ("", "")
    assert (tmp / "open/back/postgresql/base/PG_VERSION").read_text() == "15\n"


@pytest.mark.parametrize("form", [".tar.enc", ".tar.gz", ".tar"])
def test_each_other_form_unpacks_to_a_whole_data_directory(full, taken, product, tmp, form):
    name, stock = taken(form)
    target = tmp / "open/back"
    out = stock.run(UNPACK + (4,), name, target, product.key if form.endswith(".enc") else None)
    assert out == ("", "")
    # The server's own proof of every file and of the WAL; it looks for tablespaces where links lead.
    base = target / "postgresql/base"
    for line in (base / "tablespace_map").read_text().splitlines():
        oid, place = line.split(" ", 1)
        (base / "pg_tblspc" / oid).symlink_to(place)
    said = full.program("pg_verifybackup", "--ignore=tablespace_map", base)
    assert "backup successfully verified" in said


def test_a_configuration_backup_unpacks(full, product, tmp):
    application = tmp / "etc/auth"
    application.mkdir(parents=True)
    (application / "app.yaml").write_text("issuer: example\n")
    product.run("backup", "--type", "config", env={"CONFIG_PATHS": str(application)})
    (name,) = {line.split(".")[0] for line in product.objects("auth-service-backup-*")}
    stock = StockRestore(product.repository, full.bin)
    (tmp / "open").mkdir()
    hand_over(tmp / "open")
    tmp.joinpath("product").chmod(0o755)
    assert stock.run(UNPACK, name, tmp / "open/back", product.key) == ("", "")
    (found,) = (tmp / "open/back/config").rglob("app.yaml")
    assert found.read_text() == "issuer: example\n"


@pytest.mark.parametrize("ending", [".tar.gz.enc", ".index", ".manifest.json"])
@pytest.mark.parametrize("place", [0.05, 0.5, 0.999])
def test_the_checks_of_the_note_print_something_when_a_bit_is_flipped(mutilated, ending, place):
    name, stock = mutilated
    path = stock.repository / (name + ending)
    good = path.read_bytes()
    at = int(len(good) * place)
    try:
        path.write_bytes(good[:at] + bytes([good[at] ^ 1]) + good[at + 1:])
        out, err = stock.run((1, 2), name, stock.repository / "unused")
        assert out + err != ""
    finally:
        path.write_bytes(good)
    assert stock.run((1, 2), name, stock.repository / "unused") == ("", "")


@pytest.mark.parametrize("change", ["cut", "one byte more", "empty"])
def test_the_checks_of_the_note_print_something_when_the_length_is_wrong(mutilated, change):
    name, stock = mutilated
    path = stock.repository / f"{name}.tar.gz.enc"
    good = path.read_bytes()
    bad = {"cut": good[:-1], "one byte more": good + b"\0", "empty": b""}[change]
    try:
        path.write_bytes(bad)
        out, err = stock.run((1, 2), name, stock.repository / "unused")
        assert out + err != ""
    finally:
        path.write_bytes(good)


@pytest.fixture(scope="module")
def mutilated(full, module_tmp):
    """A repository that may be damaged, as long as it is mended again."""
    product = Product(module_tmp / "product", database_url=full.url(BACKUP_ROLE, BACKUP_PASSWORD))
    name = product.run("backup", "--json").json()["name"]
    shutil.copytree(product.repository, module_tmp / "mutilated")
    return name, StockRestore(module_tmp / "mutilated", full.bin)
