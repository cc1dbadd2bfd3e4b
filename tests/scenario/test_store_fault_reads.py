"""Why this exists: what a store or the network does to a verification, a restore, a list or a removal, at whichever of
its requests: what passes is survived, what stays is told with the fix, damage is called damage, and a removal that
failed in the middle leaves whole backups and nothing else for the next."""

import pytest
from lib.far_store import FarStore, passing, refusals, spread
from lib.http_fault_proxy import HttpFaultProxy, change_reply, gcs_error, reset_after, reset_before, s3_error, truncate
from lib.stored_backup import random_files

STORE, DAMAGED, NOT_FOUND = 7, 4, 10
# Bodies of two segments.
MEGABYTES = 18


@pytest.fixture(scope="module")
def files(module_tmp):
    return random_files(module_tmp / "config", MEGABYTES)


@pytest.fixture(scope="module")
def small(module_tmp):
    return random_files(module_tmp / "small", 1)


@pytest.fixture(scope="module")
def proxies(minio, gcs):
    with HttpFaultProxy(minio.port) as to_minio, HttpFaultProxy(gcs.port) as to_gcs:
        yield {"s3": (minio, to_minio), "gcs": (gcs, to_gcs)}


@pytest.fixture(params=["s3", "gcs"])
def far(request, tmp, proxies, files):
    return FarStore(tmp / "product", *proxies[request.param], files)


@pytest.fixture
def kept(far):
    """A backup to read: its name."""
    far.directly("backup", "config")
    (name,) = far.names()
    return name


def test_reading_gets_over_what_passes_and_tells_what_does_not(far, kept, tmp):
    restore = ("restore", "--backup-file", kept, "--components", "config", "--files-dir")
    for words in (("verify", kept), (*restore, tmp / "counted")):
        count = len(far.requests_of(*words))
        for place, (fault, number) in enumerate(spread(count, [*passing(far), truncate(20)], hits=1)):
            again = (*restore, tmp / f"{words[0]}-{place}") if words[0] == "restore" else words
            done, met = far.meets(fault, number, *again)
            assert met and done.code == 0, (met, done)
        for place, (fault, number) in enumerate(spread(count, refusals(far), hits=2)):
            folder = tmp / f"refused-{words[0]}-{place}"
            again = (*restore, folder) if words[0] == "restore" else words
            done, met = far.meets(fault, number, *again)
            assert met and done.code in (0, STORE, DAMAGED, NOT_FOUND), (met, done)
            assert not done.code or not (folder / "config" / "random.bin").exists()
            if done.code == STORE:
                far.assert_says(done)


def test_a_changed_byte_in_what_is_read_is_damage(far, kept):
    requests = far.requests_of("verify", kept)
    objects = [number for number, seen in enumerate(requests, 1) if seen.method == "GET" and kept in seen.path
               and (far.is_s3 or "alt" in seen.query)]
    assert len(objects) >= 4
    for number in objects:
        done, met = far.meets(change_reply(at=30), number, "verify", kept)
        assert done.code == DAMAGED, (met, done)
    far.proxy.clear()
    far.run("verify", kept)


def test_a_body_that_goes_while_it_is_read_is_damage(far, kept, tmp):
    missing = s3_error(404, "NoSuchKey") if far.is_s3 else gcs_error(404, "notFound")
    restore = ("restore", "--backup-file", kept, "--components", "config", "--files-dir", tmp / "back")
    for words in (("verify", kept), restore):
        far.proxy.clear()
        met = far.proxy.inject(missing, "GET", rf"{kept}\.tar\.gz\.enc" + ("" if far.is_s3 else r"\?.*alt=media"), times=None)
        done = far.run(*words, expect=DAMAGED)
        assert met.happened and f"{kept} in {far.place}: the body of {kept} went while it was being read" in done.err, done
        assert "hint: use another copy of this backup, or another backup" in done.err
    assert not (tmp / "back").exists()


def test_a_connection_that_is_lost_again_and_again_names_the_bucket(far, kept):
    for words, where in ((("verify", kept), "tar.gz.enc"), (("list",), r"list-type=2|/o\?prefix=")):
        far.proxy.clear()
        met = far.proxy.inject(reset_before(), "GET", where, times=None)
        done = far.run(*words, expect=STORE)
        assert met.happened > 1 and "connection" in done.err, done
        far.assert_says(done, far.place)


def test_a_list_is_whole_or_an_error(far, kept):
    count = len(far.requests_of("list", "--json"))
    for fault, number in spread(count, [*passing(far), *refusals(far)], hits=1):
        done, met = far.meets(fault, number, "list", "--json")
        assert met and done.code in (0, STORE), (met, done)
        if done.code:
            far.assert_says(done)
        else:
            assert [backup["name"] for backup in done.json()["backups"]] == [kept], (met, done)


def test_a_removal_that_fails_anywhere_is_done_by_the_next(far, small):
    far.settings |= {"CONFIG_PATHS": small, "RETENTION_CONFIG_KEEP_LAST": None}
    rule = {"RETENTION_CONFIG_KEEP_LAST": "1"}

    def two_backups():
        far.begin_anew()
        far.directly("backup", "config")
        far.directly("backup", "config")
        return max(far.names())

    two_backups()
    far.settings |= rule
    count = len(far.requests_of("expire"))
    far.settings.pop("RETENTION_CONFIG_KEEP_LAST")
    for fault, number in spread(count, [far.error(403), far.error(400), far.error(503), reset_after()], hits=1):
        last = two_backups()
        done, met = far.meets(fault, number, "expire", **rule)
        assert met and done.code in (0, STORE), (met, done)
        assert fault.name not in ("503", "reset after") or done.code == 0, (met, done)
        if done.code:
            far.assert_says(done)
        assert last in far.names()
        far.directly("expire", **rule)
        assert far.names() == [last]
        far.assert_nothing_left()
