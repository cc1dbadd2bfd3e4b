"""Why this exists: one read of the database lands in several destinations, and each of them alone is enough to come
back from; one that fails is named and costs nobody else the backup."""

import shutil
import time

import pytest
from lib.http_fault_proxy import HttpFaultProxy, s3_error, stall
from lib.log_writer import LogWriter, assert_is, lsn_text
from lib.places import ManyPlaces
from lib.postgres import PostgresServer
from lib.recovered import back_up, let_the_server_read, recovered
from lib.stored_backup import random_files

INCOMPLETE, STORE, USAGE, NOT_FOUND = 3, 7, 2, 10
STALL_SECONDS = 30  # after which the product itself gives a connection up


class Chain:
    """A full backup and an incremental one of a PostgreSQL server, in three places."""

    def __init__(self, folder, minio, gcs):
        with PostgresServer.create(15, folder / "pg", max_prepared_transactions=20) as server:
            self.product = ManyPlaces(folder / "product", minio, gcs, database_url=server.url())
            self.writer = LogWriter(server)
            self.reports = [back_up(self.product, "full")]
            for _ in range(3):
                self.writer.mixture()
                server.sql("SELECT pg_switch_wal()")
            self.reports.append(back_up(self.product))
            self.writer.close()
        let_the_server_read(self.product)


@pytest.fixture(scope="module")
def chain(module_tmp, minio, gcs):
    return Chain(module_tmp, minio, gcs)


@pytest.fixture
def files(tmp, minio, gcs):
    """The product with 24 MB of configuration files to back up and no database."""
    product = ManyPlaces(tmp / "product", minio, gcs)
    random_files(tmp / "config", 24)
    product.settings |= {"CONFIG_PATHS": str(tmp / "config"), "DATABASE_URL": None}
    return product


def states(report):
    return {one["place"]: one["ok"] for one in report["destinations"]}


def places_of(product, name, **settings):
    backups = product.run("list", "--json", **settings).json()["backups"]
    return next(backup["places"] for backup in backups if backup["name"] == name)


def test_a_chain_lands_everywhere_from_one_read(chain):
    assert [report["type"] for report in chain.reports] == ["full", "incremental"]
    for report in chain.reports:
        assert states(report) == dict.fromkeys(chain.product.places, True)
        assert places_of(chain.product, report["name"]) == chain.product.places


@pytest.mark.parametrize("number", [0, 1, 2], ids=["folder", "s3", "gcs"])
def test_each_place_alone_brings_every_instant_back(chain, number, tmp):
    """The server fetches its WAL from there itself."""
    late = chain.writer.commits[-3]
    from_there = ("--set", f"REPOSITORY={chain.product.places[number]}")
    with recovered(chain.product, tmp / "restored", "--target-position", lsn_text(late.after_lsn), *from_there) as server:
        assert_is(server, late)
        assert any("fetches its WAL" in line for line in server.report["report"])


def test_what_is_in_one_place_only_is_found_by_its_name_and_as_the_latest(files, tmp):
    name = back_up(files, "config")["name"]
    shutil.rmtree(files.repository)
    verified = files.run("verify", "latest", "--json").json()
    assert verified["name"] == name
    files.run("verify", name)
    files.run("restore", "--backup-file", f"{files.places[1]}/{name}.tar.gz.enc", "--components", "config",
              "--files-dir", tmp / "out")
    assert places_of(files, name) == files.places[1:]
    assert f"NOT whole there: {name}" in files.run("list").out
    checked = files.run("check", expect=INCOMPLETE).out
    assert f"FAIL copies: of 1 backup {files.repository} lacks 1\n     fix: auth-service-backup sync" in checked
    files.run("sync")
    assert "copies" not in files.run("check", expect=USAGE).out


def test_a_place_that_is_away_is_named_and_the_others_have_the_backup(files, minio):
    minio.stop()
    try:
        done = files.run("backup", "config", "--json", expect=INCOMPLETE)
        report = done.json()
        assert states(report) == dict(zip(files.places, (True, False, True)))
        (away,) = [one for one in report["destinations"] if not one["ok"]]
        assert "cannot connect" in away["error"] or "refused" in away["error"]
        assert f"the backup is not in {files.places[1]}" in done.err
        assert "NOT READ" in files.run("list", expect=INCOMPLETE).out
        # One is enough where that is the policy, and none is an error of the store.
        files.run("backup", "config", env={"REQUIRED_DESTINATIONS": "any"})
        files.run("backup", "config", env={"REQUIRED_DESTINATIONS": "3"}, expect=INCOMPLETE)
        files.run("backup", "config", env={"REQUIRED_DESTINATIONS": "4"}, expect=USAGE)
        files.run("backup", "config", env={"BACKUP_DIR": "none", "GCS_BUCKET": None}, expect=STORE)
    finally:
        minio.start()
    assert places_of(files, report["name"]) == [files.places[0], files.places[2]]


def test_a_place_that_is_away_costs_those_who_ask_seconds_and_not_minutes(files, minio):
    name = back_up(files, "config")["name"]
    patient = {"STORE_RETRY_SECONDS": "300"}
    minio.stop()
    try:
        began = time.monotonic()
        files.run("list", env=patient, expect=INCOMPLETE)
        files.run("verify", name, env=patient)
        files.run("check", env=patient, expect=None)
        assert time.monotonic() - began < 100
    finally:
        minio.start()


def test_a_place_that_accepts_and_never_answers_costs_those_who_ask_seconds_too(files, minio):
    name = back_up(files, "config")["name"]
    patient = {"STORE_RETRY_SECONDS": "300"}
    minio.pause()
    try:
        for words, expect in ((("list",), INCOMPLETE), (("verify", name), 0), (("explain", name), None)):
            began = time.monotonic()
            done = files.run(*words, env=patient, expect=expect)
            assert time.monotonic() - began < STALL_SECONDS and "did not answer within 10.0 s" in done.out + done.err
    finally:
        minio.resume()


def test_a_slow_place_holds_up_the_others_only_as_long_as_it_may(files, minio):
    """It is left out where it is not required, and `sync` brings it there later."""
    with HttpFaultProxy(minio.port) as proxy:
        proxy.inject(stall("request"), method="PUT", where=r"tar\.gz\.enc", times=None)
        slowly = {"S3_ENDPOINT_URL": proxy.url, "REQUIRED_DESTINATIONS": "2", "SLOW_DESTINATION_SECONDS": "2"}
        began = time.monotonic()
        done = files.run("backup", "config", "--json", env=slowly)
        assert time.monotonic() - began < STALL_SECONDS / 2
    report = done.json()
    assert states(report) == dict(zip(files.places, (True, False, True)))
    (slow_one,) = [one for one in report["destinations"] if not one["ok"]]
    assert "held up the other destinations for 2" in slow_one["error"]
    files.run("sync")
    assert places_of(files, report["name"]) == files.places


@pytest.mark.parametrize("where", ["tar.gz.enc", "index", "manifest.json"])
def test_a_place_that_fails_in_the_middle_keeps_nothing_of_the_backup(files, minio, where):
    with HttpFaultProxy(minio.port) as proxy:
        proxy.inject(s3_error(403, "AccessDenied"), method="PUT", where=rf"[0-9]\.{where}\?|[0-9]\.{where}$", times=None)
        report = files.run("backup", "config", "--json", env={"S3_ENDPOINT_URL": proxy.url}, expect=INCOMPLETE).json()
    assert states(report) == dict(zip(files.places, (True, False, True)))
    left = [key for key in files.buckets[0].keys() if key != "RESTORE.txt"]
    assert left == []
    for number in (0, 2):
        files.run("verify", report["name"], "--set", f"REPOSITORY={files.places[number]}")


def test_a_dry_run_and_check_look_at_every_place_and_write_nothing(files):
    plan = files.run("backup", "config", "--dry-run", "--json").json()
    assert states(plan) == dict.fromkeys(files.places, True)
    assert files.buckets[0].keys() == [] and not files.repository.exists()
    lines = files.run("check", expect=USAGE).out
    assert all(f"{place} can be written" in lines for place in files.places)
    assert lines.count("fix: backup.sh --type full") == 3 and "auth-service-backup sync" not in lines


def test_a_folder_that_is_named_and_not_there_is_not_taken_for_an_empty_one(files):
    for place in (files.folder / "nowhere", "s3:/one-slash/too-few"):
        for words in (("list",), ("verify", "latest"), ("explain", "latest")):
            done = files.run(*words, "--repository", place, expect=NOT_FOUND)
            assert f"there is no folder {place}" in done.err and "hint: is it mounted? a bucket is written as s3://" in done.err


def test_a_bucket_that_is_not_there_is_told_with_the_way_to_make_it(files):
    lines = files.run("backup", "config", env={"S3_BUCKET": "no-such-bucket-here"}, expect=INCOMPLETE).err
    assert "no-such-bucket-here" in lines
