"""Why this exists: the promise itself, on every version: a backup taken with the least role comes back
as a data directory whose server answers as the old one did."""

import os
import stat
import subprocess

import pytest
from lib import cluster
from lib.postgres import BACKUP_PASSWORD, BACKUP_ROLE, PostgresServer, server_user

REFUSED = 5


@pytest.fixture(scope="module")
def full(pg, module_tmp):
    """A server of the version with three databases and a tablespace, and where that tablespace is."""
    return pg, cluster.fill(pg)


def back_up(product, server, **how):
    product.database_url = server.url(BACKUP_ROLE, BACKUP_PASSWORD, **how)
    return product.run("backup", "--type", "full", "--json").json()


def test_a_backup_comes_back_as_a_data_directory(full, major, product, tmp):
    server, tablespace = full
    before = cluster.fingerprints(server)
    facts = back_up(product, server)["engines"]["postgresql"]
    assert facts["version_num"] // 10000 == major
    assert facts["version_num"] == server.value("SELECT current_setting('server_version_num')::int")
    assert facts["system_identifier"] == str(server.value("SELECT system_identifier FROM pg_control_system()"))
    assert [entry["path"] for entry in facts["tablespaces"]] == [str(tablespace)]

    target, new_place = tmp / "restored", tmp / "fast-again"
    done = product.run(
        "restore", "--backup-file", "latest", "--target-dir", target, "--tablespace", f"{tablespace}={new_place}"
    )
    assert f"PostgreSQL {major} data directory at {target}" in done.out
    assert f"is at {new_place} (it was at {tablespace})" in done.out
    check_owner_and_modes(target)

    with PostgresServer.on(major, target, tmp / "second") as second:
        cluster.assert_same(before, cluster.fingerprints(second))
        assert cluster.tablespace_place(second) == str(new_place)
        check_unlogged_and_partitioned(second)
        check_it_can_be_written_to(second)
    # The original was never touched.
    cluster.assert_same(before, cluster.fingerprints(server))


def check_owner_and_modes(target):
    for path in [target, *target.rglob("*")]:
        found = path.lstat()
        assert found.st_uid == server_user().pw_uid, path
        if stat.S_ISDIR(found.st_mode):
            assert stat.S_IMODE(found.st_mode) == 0o700, path
        elif stat.S_ISREG(found.st_mode):
            assert stat.S_IMODE(found.st_mode) == 0o600, path


def check_unlogged_and_partitioned(server):
    assert cluster.rows(server, "auth.rate_limits", "auth") == 0
    assert cluster.rows(server, "cache", "billing") == 0
    assert cluster.rows(server, "auth.audit_log", "auth") == 3000
    assert cluster.rows(server, "auth.audit_log_2024_02", "auth") > 0


def check_it_can_be_written_to(server):
    server.sql("INSERT INTO auth.rate_limits VALUES ('10.0.0.1', 1)", "auth")
    server.sql("INSERT INTO ledger VALUES (-1, 'new')", "billing")
    server.restart()
    assert cluster.rows(server, "ledger", "billing") == 2001


def test_without_encryption_and_compression_the_same_comes_back(full, major, product, tmp):
    server, _ = full
    before = cluster.fingerprints(server, ("billing",))
    plain = {"ENCRYPTION_ENABLED": "false", "COMPRESSION_ENABLED": "false", "BACKUP_ENCRYPTION_KEY": None}
    product.database_url = server.url(BACKUP_ROLE, BACKUP_PASSWORD)
    name = product.run("backup", "--json", env=plain).json()["name"]
    assert f"{name}.tar" in product.objects()
    product.run("restore", "--backup-file", name, "--target-dir", tmp / "restored", env=plain)
    default_place = tmp / "restored-tablespaces"
    assert [stat.S_IMODE(os.stat(folder).st_mode) for folder in default_place.iterdir()] == [0o700]
    with PostgresServer.on(major, tmp / "restored", tmp / "second") as second:
        cluster.assert_same(before, cluster.fingerprints(second, ("billing",)))


def test_a_closed_target_is_no_reason_to_warn_and_a_closed_folder_above_it_is(full, major, product, tmp):
    """The target itself is replaced: opened to others, as a hint about it said, its server would refuse to start."""
    back_up(product, full[0])
    place, above = tmp / "closed", tmp / "above"
    for folder in (place, above):
        folder.mkdir(mode=0o700)
    for words in ((), ("--force", "--drop-old")):
        words = ("--target-dir", place, "--tablespace", f"{full[1]}={tmp / 'fast'}{len(words)}", *words)
        assert "may not enter" not in product.run("restore", "-f", "latest", "--dry-run", *words).out
        assert "may not enter" not in product.run("restore", "-f", "latest", *words).out
        assert stat.S_IMODE(place.stat().st_mode) == 0o700
    said = product.run("restore", "-f", "latest", "--target-dir", above / "data", "--dry-run").out
    assert f"may not enter {above}; before the first start: chmod o+x {above}\n" in said


def test_from_a_folder_that_is_gone_a_relative_target_is_refused_with_a_hint(full, product, tmp):
    back_up(product, full[0])
    gone = tmp / "gone"
    here = f"mkdir {gone}; cd {gone}; rmdir {gone}; exec "
    asb = f"{product.binary} restore -f latest --dry-run"
    for words in ("--target-dir rel/dir", "--target-dir rel/dir --staging " + str(tmp / "staging"), "--staging rel/dir"):
        done = subprocess.run(["sh", "-c", f"{here}{asb} {words}"], env=product.environment(None), capture_output=True,
                              text=True, timeout=60, check=False)
        assert done.returncode == REFUSED and "rel/dir" in done.stderr, done
        assert "hint: the working folder may have been removed" in done.stderr
