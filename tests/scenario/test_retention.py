"""Why this exists: old backups go by policy, everywhere, and nothing goes that is held, locked, or from a list that
cannot be trusted. What the policy decides is proved on random repositories beside the code; here is what the verbs do."""

import json
import secrets
import time

import pytest
from lib.crash import KILLED, armed, steps_of
from lib.http_fault_proxy import HttpFaultProxy, s3_error
from lib.places import ManyPlaces
from lib.recovered import names
from lib.stored_backup import random_files

INCOMPLETE, DAMAGED, USAGE, STORE, NOT_FOUND, WRONG_KEY = 3, 4, 2, 7, 10, 12
KEEP_TWO = {"RETENTION_CONFIG_KEEP_LAST": "2"}


@pytest.fixture
def old(tmp, minio, gcs):
    """Four config backups in three places."""
    return with_backups(ManyPlaces(tmp / "product", minio, gcs))


def with_backups(product, count=4):
    random_files(product.folder / "config", 1)
    product.settings |= {"CONFIG_PATHS": str(product.folder / "config"), "DATABASE_URL": None}
    for _ in range(count):
        product.run("backup", "config")
    return product


def expire(product, *words, env=None, expect=0):
    return product.run("expire", "--json", *words, env=KEEP_TWO | (env or {}), expect=expect)


def kept(report):
    """By place, the backups that the plan keeps."""
    return {one["place"]: [b["name"] for b in one["backups"] if b["keep"]] for one in report["repositories"]}


def objects_everywhere(product):
    return {**{key: "local" for key in product.objects()}, **{key: "s3" for key in product.buckets[0].keys()}}


def remove_manifest(product, name):
    """As somebody who is not the product, in the folder."""
    (product.repository / f"{name}.manifest.json").unlink()


def test_a_dry_run_tells_each_backup_and_why_and_removes_nothing(old):
    before = names(old)
    report = expire(old, "--dry-run").json()
    assert kept(report) == dict.fromkeys(old.places, before[2:])
    assert [one["to_remove"] for one in report["repositories"]] == [2, 2, 2]
    said = old.run("expire", "--dry-run", env=KEEP_TWO).out
    assert "remove: " in said and "keep: " in said
    assert names(old) == before


def test_old_backups_go_everywhere_with_all_that_was_theirs_and_leave_a_record(old):
    before = names(old)
    report = expire(old).json()
    assert [one["removed"] for one in report["repositories"]] == [2, 2, 2]
    assert names(old) == before[2:]
    for keys in (old.objects(), old.buckets[0].keys(), old.buckets[1].keys()):
        assert not [key for key in keys if key.startswith((before[0], before[1]))]
        assert len([key for key in keys if key.startswith("removed/")]) == 1
    again = expire(old).json()
    assert [one["removed"] for one in again["repositories"]] == [0, 0, 0]
    for place in old.places:
        old.run("verify", before[3], "--set", f"REPOSITORY={place}")


def test_without_a_rule_nothing_goes(old):
    assert "no rule says what may be removed" in old.run("expire", expect=USAGE).err
    assert "RETENTION_MAX_DAYS=3 is less than RETENTION_DAYS=30" in old.run(
        "expire", env={"RETENTION_DAYS": "30", "RETENTION_MAX_DAYS": "3"}, expect=USAGE).err
    assert len(names(old)) == 4


def test_a_held_backup_stays_until_the_hold_is_lifted(old):
    oldest = names(old)[0]
    hold = old.run("hold", "add", oldest, "--reason", "case 4711", "--owner", "legal", "--json").json()
    (listed,) = old.run("hold", "list", "--json").json()["holds"]
    assert (listed["backup"], listed["owner"], listed["in_force"]) == (oldest, "legal", True)
    expire(old)
    assert names(old)[0] == oldest and len(names(old)) == 3
    assert "case 4711" in old.run("expire", "--dry-run", env=KEEP_TWO).out
    old.run("hold", "remove", hold["id"])
    assert "no holds" in old.run("hold", "list").out
    expire(old)
    assert oldest not in names(old)


def test_a_hold_that_did_not_arrive_everywhere_holds_everywhere(old, minio):
    oldest = names(old)[0]
    minio.stop()
    try:
        old.run("hold", "add", oldest, "--reason", "case 4711", "--owner", "legal", expect=INCOMPLETE)
    finally:
        minio.start()
    expire(old)
    in_the_bucket = ("--repository", old.places[1])
    expire(old, *in_the_bucket)
    left = old.run("list", "--json", *in_the_bucket).json()["backups"]
    assert [backup["name"] for backup in left] == names(old) and left[0]["name"] == oldest


def test_a_hold_ends_by_itself_and_names_what_is_wrong_with_it(old):
    oldest = names(old)[0]
    soon = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 2))
    old.run("hold", "add", oldest, "--reason", "short", "--owner", "me", "--until", soon)
    time.sleep(2.1)
    expire(old)
    assert oldest not in names(old)
    assert "(ended)" in old.run("hold", "list").out
    past = ("--reason", "r", "--owner", "o", "--until", "2020-01-01T00:00:00Z")
    old.run("hold", "add", "latest", *past, expect=USAGE)
    old.run("hold", "add", "auth-service-backup-20200101_000000", *past[:4], expect=NOT_FOUND)
    old.run("hold", "remove", secrets.token_hex(16), expect=NOT_FOUND)


def test_the_stores_own_lock_is_obeyed_and_told(tmp, minio, gcs):
    locked = ManyPlaces(tmp / "product", minio, gcs, lock=True)
    locked.settings |= {"S3_OBJECT_LOCK_MODE": "governance", "S3_OBJECT_LOCK_DAYS": "1"}
    with_backups(locked)
    before = names(locked)
    report = {one["place"]: one for one in expire(locked).json()["repositories"]}
    assert report[locked.places[1]]["retained"] == [before[1], before[0]]
    assert [report[place]["removed"] for place in locked.places] == [2, 0, 2]
    there = locked.run("list", "--json", "--set", f"REPOSITORY={locked.places[1]}").json()["backups"]
    assert [backup["name"] for backup in there] == before
    locked.run("verify", before[0], "--set", f"REPOSITORY={locked.places[1]}")


def test_a_list_from_which_a_backup_was_taken_stops_retention_there(old):
    before = names(old)
    remove_manifest(old, before[1])
    done = expire(old, expect=INCOMPLETE)
    assert "does not match its own history" in old.run("check", expect=USAGE).out
    local, *others = done.json()["repositories"]
    assert "does not match its own history" in local["error"] and before[1] in local["error"]
    assert [one["removed"] for one in others] == [2, 2]
    alone = {"S3_BUCKET": None, "GCS_BUCKET": None}
    refused = expire(old, env=alone, expect=DAMAGED)
    assert "hint: nothing is removed" in refused.err
    assert f"{before[0]}.manifest.json" in old.objects()


def test_a_list_that_was_put_back_to_an_older_state_stops_retention(old):
    expire(old)
    newest = names(old)[-1]
    remove_manifest(old, newest)
    local = expire(old, expect=INCOMPLETE).json()["repositories"][0]
    assert newest in local["error"]


def test_what_was_taken_away_on_purpose_is_accepted_with_a_reason(old):
    """One that others name, and the newest, which only this machine remembers."""
    expire(old, "--dry-run")
    before = names(old)
    expire(old, env={"RETENTION_CONFIG_KEEP_LAST": "9"})
    for name in (before[1], before[-1]):
        remove_manifest(old, name)
    alone = {"S3_BUCKET": None, "GCS_BUCKET": None}
    plan = expire(old, "--dry-run", "--accept-missing", "moved to tape", env=alone).json()["repositories"][0]
    assert [backup["name"] for backup in plan["backups"]] == [before[0], before[2]]
    expire(old, env=alone, expect=DAMAGED)
    done = expire(old, "--accept-missing", "moved to tape", env=alone)
    assert f"{before[1]} is accepted as missing" in done.err and f"{before[-1]} is accepted as missing" in done.err
    records = [json.loads(path.read_text()) for path in (old.repository / "removed").iterdir()]
    accepted = [one for one in records if one["policy"] == "accepted as missing: moved to tape"]
    assert sorted(backup["name"] for one in accepted for backup in one["removed"]) == [before[1], before[-1]]
    expire(old, env=alone)
    assert "history" not in old.run("check", env=alone, expect=None).out


def test_a_manifest_that_cannot_be_fetched_is_not_taken_for_damage(old, minio):
    """It counts for nothing while it is unread, and so what is older would look like the last good one, or worse."""
    only_s3 = {"BACKUP_DIR": "none", "GCS_BUCKET": None}
    before = old.buckets[0].keys()
    with HttpFaultProxy(minio.port) as proxy:
        proxy.inject(s3_error(403, "AccessDenied"), method="GET", where=rf"{names(old)[3]}\.manifest", times=None)
        refused = expire(old, env={**only_s3, "S3_ENDPOINT_URL": proxy.url}, expect=STORE)
    assert "cannot be read" in refused.err
    assert old.buckets[0].keys() == before


def test_another_key_may_not_say_what_goes(old):
    done = expire(old, env={"BACKUP_ENCRYPTION_KEY": secrets.token_hex(32), "S3_BUCKET": None, "GCS_BUCKET": None},
                  expect=WRONG_KEY)
    assert "nothing is removed" in done.err
    assert len(names(old)) == 4


def test_each_backup_removes_what_is_old_and_says_when_that_failed(old):
    old.settings |= {"RETENTION_CONFIG_KEEP_LAST": "1"}
    old.run("backup", "config")
    (left,) = names(old)
    remove_manifest(old, left)
    report = old.run("backup", "config", "--json", expect=INCOMPLETE).json()
    assert "error" in report["retention"]["repositories"][0]
    assert "RETENTION FAILED" in old.run("backup", "config", expect=INCOMPLETE).out


def test_a_run_that_is_killed_at_any_step_leaves_what_is_listed_whole(tmp, minio, gcs):
    def fresh(name):
        return with_backups(ManyPlaces(tmp / name, minio, gcs))

    steps = steps_of(fresh("counted"), "expire", env=KEEP_TWO)
    own = [number for number, step in enumerate(steps, 1) if step.startswith("expire.")]
    assert len(own) == 3 * 5  # in each place a record, and of each of the two its manifest and its body
    for number in own[::4]:
        product = fresh(f"killed-{number}")
        before = names(product)
        product.run("expire", env={**KEEP_TWO, **armed(number, "kill")}, expect=KILLED)
        for backup in product.run("list", "--json").json()["backups"]:
            assert backup["state"] == "ok"
        product.run("verify", before[3])
        expire(product)
        assert names(product) == before[2:]
        assert not [key for key in objects_everywhere(product) if key.startswith((before[0], before[1]))]
