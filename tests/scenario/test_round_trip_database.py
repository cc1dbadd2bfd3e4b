"""Why this exists: a restore into DATABASE_URL: what was lost comes back into a running server, with its
roles and grants, and nothing that was there is lost unless that was asked for."""

import re

import pytest
from lib import auth_data, cluster
from lib.auth_data import APP_PASSWORD, APP_ROLE
from lib.fingerprint import differences
from lib.postgres import BACKUP_PASSWORD, BACKUP_ROLE, SUPERUSER, SUPERUSER_PASSWORD, PostgresServer
from lib.product import Product

import psycopg

NEW_PASSWORD = "another-password-of-today"


@pytest.fixture(scope="module")
def full(pg15):
    cluster.fill(pg15)
    return pg15


@pytest.fixture(scope="module")
def target(module_tmp):
    """A second, running server: at first with nothing in it but a tablespace of the same name."""
    with PostgresServer.create(15, module_tmp / "target") as server:
        server.create_tablespace(cluster.TABLESPACE)
        yield server


@pytest.fixture(scope="module")
def backed_up(full, module_tmp):
    product = Product(module_tmp / "product", database_url=full.url(BACKUP_ROLE, BACKUP_PASSWORD))
    product.keep_secret(SUPERUSER_PASSWORD, auth_data.APP_PASSWORD, NEW_PASSWORD)
    product.run("backup")
    return product


def restore(product, server, *options, db="auth", expect=0):
    url = {"DATABASE_URL": server.url(db=db)}
    return product.run("restore", "--backup-file", "latest", *options, env=url, expect=expect)


def databases(server):
    return [name for (name,) in server.sql("SELECT datname FROM pg_database WHERE NOT datistemplate ORDER BY 1")]


def fingerprint(server, database):
    """Without the superuser: both servers have one, each with a password of its own. The grants on the
    database itself are a set: they are granted again one by one, in another order."""
    found = server.fingerprint(database)
    found["roles"] = [role for role in found["roles"] if role[0] != SUPERUSER]
    found["database"] = [(*row[:-1], sorted((row[-1] or "{}")[1:-1].split(","))) for row in found["database"]]
    return found


def assert_same(full, target, database="auth"):
    assert differences(fingerprint(full, database), fingerprint(target, database)) == []


def test_a_missing_database_comes_back_with_roles_and_grants(full, target, backed_up):
    assert databases(target) == [SUPERUSER]
    restore(backed_up, target)
    assert databases(target) == ["auth", SUPERUSER]
    assert_same(full, target)
    with psycopg.connect(target.url(APP_ROLE, APP_PASSWORD, db="auth")) as connection:
        assert connection.execute("SELECT count(*) FROM auth.users").fetchone() == (1000,)
    assert cluster.rows(target, "auth.rate_limits", "auth") == 0


def test_a_filled_database_is_replaced_only_with_force_and_is_kept(full, target, backed_up):
    target.sql("UPDATE auth.users SET email = 'lost' || id; DELETE FROM auth.documents", "auth")
    target.sql(f"ALTER ROLE {APP_ROLE} PASSWORD '{NEW_PASSWORD}' CONNECTION LIMIT 7")
    spoiled = target.fingerprint("auth")
    refused = restore(backed_up, target, expect=5)
    assert "hint: " in refused.err and "--force" in refused.err
    assert differences(spoiled, target.fingerprint("auth")) == []

    done = restore(backed_up, target, "--force")
    assert target.fingerprint("auth")["tables"] == full.fingerprint("auth")["tables"]
    (kept,) = [name for name in databases(target) if name not in ("auth", SUPERUSER)]
    assert re.fullmatch(r"auth__before_[0-9]{8}_[0-9]{6}_[0-9a-f]+", kept)
    assert kept in done.out
    assert target.fingerprint(kept)["tables"] == spoiled["tables"]
    # A role that was there is left as it is, and so is its password of today.
    assert target.value(f"SELECT rolconnlimit FROM pg_roles WHERE rolname = '{APP_ROLE}'") == 7
    psycopg.connect(target.url(APP_ROLE, NEW_PASSWORD, db="auth")).close()
    target.sql(f'DROP DATABASE "{kept}"')


def test_a_dry_run_names_what_would_be_replaced_and_changes_nothing(target, backed_up):
    before = databases(target), target.fingerprint("auth")
    done = restore(backed_up, target, "--force", "--dry-run")
    assert re.search(r"would replace .*auth", done.out)
    assert done.out.endswith("nothing was written\n")
    assert (databases(target), target.fingerprint("auth")) == before


def test_drop_old_leaves_nothing_behind_and_an_open_session_does_not_stop_it(full, target, backed_up):
    target.sql("DELETE FROM auth.documents", "auth")
    with psycopg.connect(target.url(db="auth"), autocommit=True) as busy:
        busy.execute("SELECT 1")
        restore(backed_up, target, "--force", "--drop-old")
        with pytest.raises(psycopg.OperationalError):
            busy.execute("SELECT 1")
    assert databases(target) == ["auth", SUPERUSER]
    assert target.fingerprint("auth")["tables"] == full.fingerprint("auth")["tables"]


def test_all_databases_come_back_together(full, target, backed_up):
    target.sql("DROP DATABASE auth")
    target.sql(f"DROP ROLE {APP_ROLE}, {auth_data.READER_ROLE}, {BACKUP_ROLE}")
    done = restore(backed_up, target, "--all-databases", "--force", "--drop-old", db="postgres")
    assert set(databases(target)) == {*cluster.DATABASES, SUPERUSER}
    for database in cluster.DATABASES:
        assert_same(full, target, database)
        assert database in done.out
    # The tablespace of that name is there, so the tables are in it again.
    where = target.value(
        "SELECT pg_tablespace_location(reltablespace) FROM pg_class WHERE relname = 'ledger'", "billing"
    )
    assert where == str(target.folder / f"tablespace-{cluster.TABLESPACE}")


@pytest.mark.parametrize("method", ["physical", "logical"])
def test_a_server_of_a_newer_major_version_takes_it(full, product, tmp, method):
    product.keep_secret(SUPERUSER_PASSWORD, auth_data.APP_PASSWORD, NEW_PASSWORD)
    product.run("backup", env={"DATABASE_URL": full.url(db="auth"), "POSTGRES_BACKUP_METHOD": method})
    with PostgresServer.create(18, tmp / "newer") as newer:
        restore(product, newer)
        assert differences(full.fingerprint("auth")["tables"], newer.fingerprint("auth")["tables"]) == []


def test_without_the_programs_of_the_backups_version_nothing_is_touched(target, product, tmp):
    """Of 18 there are no client programs here."""
    with PostgresServer.create(18, tmp / "newer") as newer:
        newer.sql("CREATE DATABASE auth")
        product.run("backup", env={"DATABASE_URL": newer.url(db="auth"), "POSTGRES_BACKUP_METHOD": "physical"})
    before = databases(target), target.fingerprint("auth")
    refused = restore(product, target, "--force", expect=6)
    assert "PostgreSQL 18 server programs" in refused.err and "install the package postgresql-18" in refused.err
    assert (databases(target), target.fingerprint("auth")) == before
