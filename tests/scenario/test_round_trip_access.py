"""Why this exists: the ways to a server that operators use (socket, TCP, TLS, a standby) all give the same
backup with the same least role, and the files beside the database come back too."""

import os
import shutil
import subprocess

import pytest
from lib.fingerprint import differences
from lib.postgres import BACKUP_PASSWORD, BACKUP_ROLE, PostgresServer, hand_over
from lib.stock_recipe import StockRestore


@pytest.fixture(scope="module")
def standby(pg15, module_tmp):
    with pg15.standby(module_tmp / "standby") as server:
        yield server


def back_up(product, server, expect=0, **how):
    product.database_url = server.url(BACKUP_ROLE, BACKUP_PASSWORD, **how)
    return product.run("backup", "--json", expect=expect)


@pytest.mark.parametrize("via", ["host", "socket"])
def test_the_least_role_is_enough_over(pg15, product, via):
    attributes = pg15.sql(
        f"SELECT rolsuper, rolcreatedb, rolcreaterole, rolreplication FROM pg_roles WHERE rolname = '{BACKUP_ROLE}'"
    )
    assert attributes == [(False, False, False, True)]
    done = back_up(product, pg15, via=via, db="auth")
    product.run("restore", "--verify", done.json()["name"])
    checked = product.run("check")
    assert "FAIL" not in checked.out
    assert "ok   role: backup may replicate" in checked.out
    assert pg15.sql("SELECT slot_name FROM pg_replication_slots") == []


def test_a_restored_directory_satisfies_the_servers_own_verifier(pg15, product, tmp):
    back_up(product, pg15)
    product.run("restore", "--backup-file", "latest", "--target-dir", tmp / "restored")
    assert "backup successfully verified" in pg15.program("pg_verifybackup", tmp / "restored")


def test_a_backup_from_a_standby_starts_as_a_server_of_its_own(pg15, standby, product, tmp):
    pg15.sql("CREATE TABLE IF NOT EXISTS auth.seen_by_the_standby AS SELECT 1 AS one", "auth")
    pg15.wait_for_standby(standby)
    facts = back_up(product, standby).json()["engines"]["postgresql"]
    assert facts["from_standby"] is True
    product.run("restore", "--backup-file", "latest", "--target-dir", tmp / "restored")
    assert not (tmp / "restored/standby.signal").exists()
    with PostgresServer.on(15, tmp / "restored", tmp / "second") as second:
        assert second.value("SELECT pg_is_in_recovery()") is False
        assert differences(pg15.fingerprint(), second.fingerprint()) == []


def test_the_stock_recipe_unties_a_standbys_backup_from_its_primary(pg15, standby, product, tmp):
    name = back_up(product, standby).json()["name"]
    shutil.copytree(product.repository, tmp / "elsewhere")
    (tmp / "open").mkdir()
    hand_over(tmp / "open")
    stock = StockRestore(tmp / "elsewhere", pg15.bin)
    base = tmp / "open/back/postgresql/base"
    stock.run((1, 2, 3), name, tmp / "open/back", product.key)
    assert (base / "standby.signal").exists()
    stock.run((1, 4), name, tmp / "open/back", product.key)
    assert not (base / "standby.signal").exists()


# -- TLS ---------------------------------------------------------------------------------------------


def openssl(*arguments):
    subprocess.run(["openssl", *map(str, arguments)], check=True, capture_output=True)


def make_certificates(folder, names):
    """An authority of its own, and the server's certificate for `names`; returns the authority's."""
    openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", 2,
            "-subj", "/CN=authority of a test", "-keyout", folder / "ca.key", "-out", folder / "ca.crt")
    openssl("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
            "-subj", "/CN=database", "-keyout", folder / "server.key", "-out", folder / "server.csr")
    (folder / "names").write_text(f"subjectAltName={names}\n")
    openssl("x509", "-req", "-in", folder / "server.csr", "-CA", folder / "ca.crt", "-CAkey", folder / "ca.key",
            "-CAcreateserial", "-days", 2, "-extfile", folder / "names", "-out", folder / "server.crt")
    return folder / "ca.crt"


@pytest.fixture(scope="module")
def authority(pg15, module_tmp):
    """pg15 with TLS for 127.0.0.1, where the backup role gets in no other way; its authority's certificate."""
    folder = module_tmp / "tls"
    folder.mkdir()
    certificate = make_certificates(folder, "IP:127.0.0.1")
    (folder / "server.key").chmod(0o600)
    hand_over(folder)
    settings = {"ssl_cert_file": folder / "server.crt", "ssl_key_file": folder / "server.key", "ssl": "on"}
    for name, value in settings.items():
        pg15.sql(f"ALTER SYSTEM SET {name} = '{value}'")
    pg15.add_hba(f"hostnossl all,replication {BACKUP_ROLE} 127.0.0.1/32 reject")
    return certificate


def test_a_backup_over_tls_that_proves_the_server(pg15, authority, product):
    back_up(product, pg15, sslmode="verify-full", sslrootcert=authority)
    assert "ok   TLS: in use" in product.run("check").out
    refused = back_up(product, pg15, sslmode="disable", expect=6)
    assert "pg_hba.conf" in refused.json()["error"]["fact"]


def test_a_server_that_is_not_who_it_should_be_gets_no_password(pg15, authority, product, tmp):
    (tmp / "other").mkdir()
    stranger = make_certificates(tmp / "other", "IP:127.0.0.1")
    refused = back_up(product, pg15, sslmode="verify-full", sslrootcert=stranger, expect=6)
    assert "certificate verify failed" in refused.json()["error"]["fact"]
    url = pg15.url(BACKUP_ROLE, BACKUP_PASSWORD, sslmode="verify-full", sslrootcert=authority)
    product.database_url = url.replace("127.0.0.1", "localhost")
    refused = product.run("backup", "--json", expect=6)
    assert "localhost" in refused.json()["error"]["fact"]
    assert product.objects("*.manifest.json") == []


# -- files -------------------------------------------------------------------------------------------


@pytest.fixture
def application(tmp):
    """Files of an auth service, and the settings that name them."""
    for folder in ("etc/auth/conf.d", "ssl/private", "log"):
        (tmp / folder).mkdir(parents=True)
    (tmp / "etc/auth/app.yaml").write_text("issuer: example\n")
    (tmp / "etc/auth/conf.d/ü 1.yaml").write_text("a: b\n")
    (tmp / "etc/auth/current").symlink_to("app.yaml")
    (tmp / "ssl/auth.pem").write_text("certificate\n")
    (tmp / "ssl/private/auth.key").write_text("private\n")
    (tmp / "ssl/private/auth.key").chmod(0o640)
    (tmp / "log/auth.log").write_text("today\n")
    (tmp / "log/ancient.log").write_text("long ago\n")
    os.utime(tmp / "log/ancient.log", (1_600_000_000, 1_600_000_000))
    return {
        "CONFIG_PATHS": f"{tmp}/etc/auth", "CERTIFICATE_PATHS": f"{tmp}/ssl/*", "LOG_PATHS": f"{tmp}/log/*.log",
        "ENVIRONMENT_NAMES": "AUTH_*:TZ", "AUTH_MODE": "strict", "AUTH_ISSUER": "https://id.example.org", "TZ": "UTC",
    }


FILES = ("config", "certificates", "logs")


def back_where_they_were(tmp, files):
    """What the restore laid into `files`, as it lay before: relative path -> content or link."""
    found = {}
    for path in sorted(files.rglob("*")):
        if path.is_symlink():
            found[str(path.relative_to(files))] = f"-> {os.readlink(path)}"
        elif path.is_file():
            found[str(path.relative_to(files))] = path.read_text()
    return found


def expected_files(tmp):
    return {
        f"config{tmp}/etc/auth/app.yaml": "issuer: example\n",
        f"config{tmp}/etc/auth/conf.d/ü 1.yaml": "a: b\n",
        f"config{tmp}/etc/auth/current": "-> app.yaml",
        f"certificates{tmp}/ssl/auth.pem": "certificate\n",
        f"certificates{tmp}/ssl/private/auth.key": "private\n",
        f"logs{tmp}/log/auth.log": "today\n",
    }


@pytest.mark.parametrize("kind", ["config", "full"])
def test_the_files_beside_the_database_come_back(pg15, product, tmp, application, kind):
    product.database_url = pg15.url(BACKUP_ROLE, BACKUP_PASSWORD, via="socket")
    product.run("backup", "--type", kind, env=application)
    files = tmp / "files"
    product.run("restore", "--backup-file", "latest", "--components", ",".join(FILES), "--files-dir", files)
    found = back_where_they_were(tmp, files)
    environment = found.pop("config/environment")
    assert found == expected_files(tmp)
    assert set(environment.splitlines()) == {
        'AUTH_ISSUER="https://id.example.org"', 'AUTH_MODE="strict"', 'TZ="UTC"'
    }
    key = next(files.rglob("auth.key")).stat()
    assert key.st_mode & 0o7777 == 0o640
    assert next(files.rglob("auth.log")).stat().st_mtime == (tmp / "log/auth.log").stat().st_mtime


def test_one_component_alone_comes_back(product, tmp, application):
    product.run("backup", "--type", "config", env=application)
    product.run("restore", "--backup-file", "latest", "--components", "certificates", "--files-dir", tmp / "files")
    assert [path.name for path in (tmp / "files").iterdir()] == ["certificates"]
    refused = product.run("restore", "--backup-file", "latest", "--target-dir", tmp / "data", expect=2)
    assert "holds no database" in refused.err
    assert not (tmp / "data").exists()
