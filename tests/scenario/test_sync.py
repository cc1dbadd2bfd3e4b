"""Why this exists: a destination that was away, that is new, or that lost something gets the rest from the others, whole and
without the database; damage is never copied, and what was removed by policy is not brought back."""

import shutil

import pytest
from lib.crash import KILLED, armed
from lib.fail_points import steps_of
from lib.http_fault_proxy import HttpFaultProxy
from lib.log_writer import LogWriter, assert_is, lsn_text
from lib.places import ManyPlaces
from lib.postgres import PostgresServer
from lib.recovered import back_up, names, recovered
from lib.stored_backup import random_files
from lib.streaming import Stream

INCOMPLETE, DAMAGED, USAGE = 3, 4, 2
LOCAL_ONLY = {"S3_BUCKET": None, "GCS_BUCKET": None}


@pytest.fixture
def files(tmp, minio, gcs):
    """The product with 40 MB of files: bodies of three segments."""
    product = ManyPlaces(tmp / "product", minio, gcs)
    random_files(tmp / "config", 40)
    product.settings |= {"CONFIG_PATHS": str(tmp / "config"), "DATABASE_URL": None}
    return product


def copied(product, *words, expect=0):
    report = product.run("sync", "--json", *words, expect=expect).json()
    return {one["place"]: one["backups"] for one in report["repositories"]}


def backups_in(product, number):
    listed = product.run("list", "--json", "--set", f"REPOSITORY={product.places[number]}").json()["backups"]
    return [backup["name"] for backup in listed if backup["state"] == "ok"]


def mended_from(place):
    return f"{place} has it too: sync --repair writes it anew from there, and --repository {place} reads it there"


def test_what_was_missed_is_copied_from_a_place_that_has_it(files):
    files.run("backup", "config", env=LOCAL_ONLY)
    files.run("backup", "config", env={"S3_BUCKET": None})
    both = names(files)
    assert copied(files, "--dry-run") == dict(zip(files.places, (0, 2, 1)))
    assert [backups_in(files, number) for number in range(3)] == [both, [], both[1:]]
    assert copied(files) == dict(zip(files.places, (0, 2, 1)))
    assert copied(files) == dict.fromkeys(files.places, 0)
    for number in range(3):
        assert backups_in(files, number) == both
        for name in both:
            files.run("verify", name, "--set", f"REPOSITORY={files.places[number]}")
    body = next(files.repository.glob(f"{both[0]}.tar*"))
    assert files.buckets[0].read(body.name) == body.read_bytes() == files.buckets[1].read(body.name)


def test_a_lost_folder_comes_back_from_the_buckets(files):
    files.run("backup", "config")
    shutil.rmtree(files.repository)
    copied(files)
    files.run("verify", "latest", env=LOCAL_ONLY)


def test_what_is_damaged_is_named_never_copied_and_repaired_when_asked(files):
    files.run("backup", "config", env=LOCAL_ONLY)
    (name,) = names(files)
    body = next(files.repository.glob(f"{name}.tar*"))
    good = body.read_bytes()
    body.write_bytes(good[:-1] + bytes([good[-1] ^ 1]))
    done = files.run("sync", expect=INCOMPLETE)
    assert f"NOT DONE: {name} could not be copied" in done.out and "segment" in done.out
    assert backups_in(files, 1) == [] and [key for key in files.buckets[0].keys() if name in key] == []
    body.write_bytes(good)
    copied(files)
    body.unlink()
    done = files.run("verify", name, expect=DAMAGED)
    assert f"{name} in {files.places[0]}: {body.name} is missing" in done.err
    assert done.err.endswith(f"hint: {mended_from(files.places[1])}\n")
    for words in (("restore", "--components", "config", "--files-dir", "/nowhere/x", "-f"), ("list", "--contents")):
        assert mended_from(files.places[1]) in files.run(*words, name, expect=DAMAGED).err
        files.run(*words, name, "--repository", files.places[1], *(("--dry-run",) if words[0] == "restore" else ()))
    files.run("verify", name, "--set", f"REPOSITORY={files.places[1]}")
    assert "--repair writes it anew" in files.run("sync", expect=INCOMPLETE).out
    assert copied(files, "--repair") == dict(zip(files.places, (1, 0, 0)))
    assert body.read_bytes() == good


def test_bytes_that_changed_in_their_place_are_found_and_repaired(files):
    """Everywhere, also where the store's own copy has the right length and a good name."""
    name = back_up(files, "config")["name"]
    body = next(files.repository.glob(f"{name}.tar*"))
    good = body.read_bytes()
    body.write_bytes(good[:100] + bytes([good[100] ^ 1]) + good[101:])
    files.buckets[0].client.put_object(Bucket=str(files.buckets[0]), Key=body.name, Body=bytes(len(good)))
    assert copied(files) == dict.fromkeys(files.places, 0)
    plan = files.run("sync", "--repair", "--dry-run", "--json").json()["repositories"]
    assert [one["backups"] for one in plan] == [1, 1, 0]
    assert copied(files, "--repair") == dict(zip(files.places, (1, 1, 0)))
    assert body.read_bytes() == good
    for place in files.places:
        assert f"{name} in {place}: good" in files.run("verify", name, "--repository", place).out


def test_two_backups_of_one_name_are_told_and_neither_is_touched(files, tmp):
    """Two machines, each of which knew one of the places, took the same second."""
    files.settings["CONFIG_PATHS"] = str(random_files(tmp / "small", 0))
    bucket_only = {"BACKUP_DIR": "none", "GCS_BUCKET": None}
    both = []
    for _ in range(20):
        runs = [files.popen("backup", "config", "--json", env=env) for env in (LOCAL_ONLY, bucket_only)]
        both = [run.wait().json()["name"] for run in runs]
        if both[0] == both[1]:
            break
    assert both[0] == both[1]
    bucket = files.buckets[0]
    in_the_folder = {path: path.read_bytes() for path in files.repository.glob(f"{both[0]}.*")}
    in_the_bucket = {key: bucket.read(key) for key in bucket.keys() if key.startswith(both[0])}
    done = files.run("sync", "--repair", env={"GCS_BUCKET": None}, expect=INCOMPLETE)
    told = f"{both[0]} is one backup in {files.places[0]} and another in {files.places[1]}"
    assert f"NOT DONE: {told}" in done.out
    assert f"FAIL copies: {told}" in files.run("check", env={"GCS_BUCKET": None}, expect=None).out
    assert all(path.read_bytes() == content for path, content in in_the_folder.items())
    assert all(bucket.read(key) == content for key, content in in_the_bucket.items())
    # As the document says: the one that is not wanted goes, and then there is one.
    for path in in_the_folder:
        path.unlink()
    files.run("sync")
    assert {path.name: path.read_bytes() for path in files.repository.glob(f"{both[0]}.*")} == in_the_bucket


def test_what_was_removed_by_policy_somewhere_is_not_brought_back(files):
    for _ in range(2):
        files.run("backup", "config")
    old = names(files)[0]
    files.run("expire", env=LOCAL_ONLY | {"RETENTION_CONFIG_KEEP_LAST": "1"})
    assert old not in backups_in(files, 0)
    copied(files)
    assert old not in backups_in(files, 0) and old in backups_in(files, 1)


def test_a_shallow_verification_downloads_nothing_and_finds_other_bytes(files, minio):
    files.run("backup", "config")
    name = names(files)[0]
    s3, folder = (("--set", f"REPOSITORY={files.places[number]}") for number in (1, 0))
    with HttpFaultProxy(minio.port) as proxy:
        seen = files.run("verify", name, "--shallow", "--json", *s3, env={"S3_ENDPOINT_URL": proxy.url}).json()
        assert seen["checksums_compared"] and proxy.count("GET", r"\.tar\.gz\.enc") == 0
    assert not files.run("verify", name, "--shallow", "--json", *folder).json()["checksums_compared"]


def test_a_shallow_verification_finds_other_bytes_of_the_same_length(files, minio, tmp):
    (tmp / "small.conf").write_text("x = 1\n")
    files.run("backup", "config", env={"CONFIG_PATHS": tmp / "small.conf"})
    name = names(files)[0]
    body = next(files.repository.glob(f"{name}.tar*"))
    other = bytearray(body.read_bytes())
    other[-1] ^= 1
    files.buckets[0].delete(body.name)
    minio.client().put_object(Bucket=str(files.buckets[0]), Key=body.name, Body=bytes(other), ChecksumAlgorithm="SHA256")
    s3 = ("--set", f"REPOSITORY={files.places[1]}")
    assert "holds other bytes" in files.run("verify", name, "--shallow", *s3, expect=DAMAGED).err


def test_one_destination_has_nothing_to_copy_from(files):
    assert "there is one destination" in files.run("sync", env=LOCAL_ONLY, expect=USAGE).err


def test_a_copy_that_is_killed_anywhere_goes_on_later(files):
    files.run("backup", "config", env=LOCAL_ONLY)
    (name,) = names(files)
    settings = {"GCS_BUCKET": None}
    steps = steps_of(files, "sync", env=settings)
    assert len(steps) > 8
    for number in range(1, len(steps) + 1, 2):
        for key in files.buckets[0].keys():
            files.buckets[0].delete(key)
        files.run("sync", env={**settings, **armed(number, "kill")}, expect=KILLED)
        assert backups_in(files, 1) in ([], [name])
        files.run("sync", env=settings)
        files.run("verify", name, "--set", f"REPOSITORY={files.places[1]}")
        assert files.buckets[0].uploads(f"{name}.tar.gz.enc") == [] or backups_in(files, 1) == [name]


def test_a_streamed_log_is_copied_and_leads_to_the_same_instants(tmp, minio, gcs):
    with PostgresServer.create(15, tmp / "pg", max_prepared_transactions=20) as server:
        product = ManyPlaces(tmp / "product", minio, gcs, database_url=server.url())
        back_up(product, "full")
        writer = LogWriter(server)
        with Stream(product) as stream:
            stream.wait_until_streaming()
            writer.mixture()
            stream.wait_until_durable(server.value("SELECT pg_current_wal_lsn()"))
        writer.close()
    late = writer.commits[-1]
    pieces = sorted(product.repository.glob("log/*/*/*.log*"))
    good = pieces[0].read_bytes()
    pieces[0].write_bytes(good[:-1] + bytes([good[-1] ^ 1]))
    here = ("--repository", product.places[0])
    assert mended_from(product.places[1]) in product.run("verify", "latest", "--chain", *here, expect=DAMAGED).err
    lost = product.run("restore", "--target-time", "latest", "--target-dir", tmp / "lost", *here, expect=DAMAGED)
    assert mended_from(product.places[1]) in lost.err and not (tmp / "lost").exists()
    product.run("sync", "--repair")
    product.run("verify", "latest", "--chain", *here)
    from_s3 = ("--set", f"REPOSITORY={product.places[1]}")
    with recovered(product, tmp / "restored", "--target-position", lsn_text(late.after_lsn), *from_s3) as server:
        assert_is(server, late)
