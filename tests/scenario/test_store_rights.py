"""Why this exists: docs/store-rights.md promises that a writer cannot remove a backup, and that each role gets along
with the rights it names. Its commands are run and its policies are given to the product: MinIO enforces them to the
letter, save what it does not tell apart; so each request is also held against the policy, as the clouds would."""

import json
import re
import urllib.error

import pytest
from lib.buckets import GcsBucket, S3Bucket, s3_client
from lib.crash import MANIFEST
from lib.http_fault_proxy import HttpFaultProxy, gcs_error, s3_error
from lib.object_stores import REGION, FakeGcs, Minio, Moto
from lib.postgres import BACKUP_PASSWORD, BACKUP_ROLE
from lib.store_roles import (
    AMAZON, BUCKET, GOOGLE, PAGE, PREFIX, Rights, Roles, allows_all, json_files, named, needs_of, permissions_on, refused,
    run_page, used, used_at_google,
)
from lib.streaming import Stream, Writer, new_server, position, wait_for

STORE = 7
ROLES = ("writer", "reader", "eraser")
KEEP_ONE = {"RETENTION_CONFIG_KEEP_LAST": "1"}
LOCKED = {"S3_OBJECT_LOCK_MODE": "governance", "S3_OBJECT_LOCK_DAYS": "1"}
LEFTOVERS = "leftovers of an earlier run could not be removed"
# What Amazon wants for two headers of a reply: no request of their own shows them.
OF_HEADERS = {"s3:GetObjectRetention", "s3:GetObjectLegalHold"}


# -- Amazon ------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def amazon(module_tmp):
    """The bucket in MinIO and the roles in moto, as the page's own commands make them."""
    with Minio(module_tmp / "minio", kms=True) as minio, Moto(module_tmp / "moto") as moto:
        run_page(AMAZON, module_tmp, {
            **minio.keys.environment(), "AWS_DEFAULT_REGION": REGION, "AWS_ENDPOINT_URL_S3": minio.endpoint,
            "AWS_ENDPOINT_URL_IAM": moto.endpoint})
        minio.roles = {role: iam_policy(moto, role) for role in ROLES}
        yield minio


def iam_policy(moto, role):
    client = s3_client(moto.endpoint, moto.keys, REGION, service="iam")
    return client.get_role_policy(RoleName=f"auth-backup-{role}", PolicyName="backups")["PolicyDocument"]


@pytest.fixture
def bucket(amazon):
    """The page's, without what the last test left there."""
    made = S3Bucket(amazon.client(), BUCKET)
    for key, version in made.versions() + made.delete_markers():
        made.client.delete_object(Bucket=BUCKET, Key=key, VersionId=version, BypassGovernanceRetention=True)
    return made


@pytest.fixture
def roles(tmp, amazon, bucket):
    with HttpFaultProxy(amazon.port) as proxy:
        made = Roles(tmp / "product", proxy, {"S3_BUCKET": BUCKET, "S3_PREFIX": PREFIX.strip("/"), "AWS_REGION": REGION,
                                              "S3_ENDPOINT_URL": proxy.url})
        made.keep_secret(amazon.keys.secret_key)
        yield made


def become(product, amazon, role):
    """From now on it has this role's rights, and what it asks is counted from here. MinIO takes listing versions for
    listing, and reading one for reading; Amazon does not, nor does the guard."""
    product.settings |= amazon.keys_with(amazon.roles[role]).environment()
    product.proxy.seen.clear()
    product.proxy.clear()
    product.proxy.guard(s3_error(403, "AccessDenied"), lambda seen: not allows_all(amazon.roles[role], seen))


def state(bucket):
    """All versions, and whatever hides one; but for what says who is writing."""
    return [found for found in bucket.versions() + bucket.delete_markers() if "/.writing/" not in found[0]]


def test_the_commands_for_s3_make_what_the_page_describes(amazon):
    client, wanted = amazon.client(), json_files(AMAZON)
    assert client.get_bucket_versioning(Bucket=BUCKET)["Status"] == "Enabled"
    assert client.get_object_lock_configuration(Bucket=BUCKET)["ObjectLockConfiguration"] == {"ObjectLockEnabled": "Enabled"}
    rules = client.get_bucket_lifecycle_configuration(Bucket=BUCKET)["Rules"]
    # MinIO drops what tells it to abort uploads, which it does by itself.
    assert [(rule["ID"], rule["NoncurrentVersionExpiration"]) for rule in rules] == [
        (rule["ID"], rule["NoncurrentVersionExpiration"]) for rule in wanted["lifecycle.json"]["Rules"]]
    (rule,) = client.get_bucket_encryption(Bucket=BUCKET)["ServerSideEncryptionConfiguration"]["Rules"]
    assert rule["ApplyServerSideEncryptionByDefault"] == {"SSEAlgorithm": "AES256"}
    assert amazon.roles == {role: wanted[f"{role}.json"] for role in ROLES}


def test_the_buckets_policy_refuses_whoever_asks_without_tls(amazon, bucket):
    """Seen on an object that everybody may read."""
    policy = json.loads(bucket.client.get_bucket_policy(Bucket=BUCKET)["Policy"])
    everybody = {"Effect": "Allow", "Principal": {"AWS": ["*"]}, "Action": ["s3:GetObject"],
                 "Resource": [f"arn:aws:s3:::{BUCKET}/*"]}
    bucket.write("seen", b"by everybody")
    try:
        bucket.set_policy(everybody)
        assert amazon.request("GET", f"/{BUCKET}/seen") == b"by everybody"
        bucket.set_policy(everybody, *policy["Statement"])
        with pytest.raises(urllib.error.HTTPError, match="403"):
            amazon.request("GET", f"/{BUCKET}/seen")
    finally:
        bucket.client.put_bucket_policy(Bucket=BUCKET, Policy=json.dumps(policy))


def test_the_writer_backs_up_and_reads_and_can_remove_nothing(roles, amazon, bucket, tmp):
    become(roles, amazon, "writer")
    roles.run("backup", "config", "--dry-run", env=LOCKED)
    roles.proxy.inject(s3_error(400, "InvalidRequest"), "PUT", "partNumber=2")
    roles.run("backup", "config", expect=STORE)
    assert bucket.keys(f"{PREFIX}auth") == [] and roles.proxy.count("DELETE", "tar.gz.enc$") > 0
    first = roles.run("backup", "config", "--json").json()["name"]
    second = roles.run("backup", "config", "--json", env=LOCKED).json()["name"]
    assert roles.reads_all(tmp / "back") == [first, second]
    roles.run("hold", "add", second, "--reason", "case 4711", "--owner", "legal")
    assert bucket.keys(f"{PREFIX}.writing/") == []

    before = state(bucket)
    done = roles.run("expire", env=KEEP_ONE, expect=STORE)
    fact, hint = re.search(r"^```text\n(.*): AccessDenied: .*\n(.*)\n```$", PAGE, re.MULTILINE).groups()
    assert fact.replace("auth-service-backup-20240115_020000", first) + ": AccessDenied" in done.err and hint in done.err
    assert set(before) <= set(state(bucket)) and bucket.delete_markers(f"{PREFIX}auth") == []
    assert roles.names() == [first, second]

    assert used(roles) == named(amazon.roles["writer"])
    assert refused(roles) == {"s3:DeleteObject", "s3:GetBucketVersioning", "s3:ListBucketVersions"}


def test_a_writer_that_may_list_versions_and_not_delete_them_ends_its_leases_all_the_same(roles, amazon, bucket):
    become(roles, amazon, "writer")
    roles.proxy.clear()
    roles.run("backup", "config")
    assert roles.proxy.requests("DELETE", "/.writing/") and bucket.keys(f"{PREFIX}.writing/") == []


def test_a_writer_with_a_rule_has_its_backup_and_is_told_that_retention_failed(roles, amazon):
    become(roles, amazon, "writer")
    first = roles.run("backup", "config", "--json").json()["name"]
    done = roles.run("backup", "config", env=KEEP_ONE, expect=3)
    assert "RETENTION FAILED" in done.out and "AccessDenied" in done.out + done.err
    assert len(roles.names()) == 2 and roles.names()[0] == first


def test_what_a_killed_run_left_is_no_hindrance_to_a_writer_and_goes_with_the_eraser(roles, amazon, bucket, tmp):
    dead = f"{PREFIX}auth-service-backup-20240115_020000.tar.gz.enc"
    bucket.write(dead, b"half of it")
    become(roles, amazon, "writer")
    done = roles.run("backup", "config")
    assert LEFTOVERS in done.err and dead in bucket.keys()
    folder = {"BACKUP_DIR": tmp / "folder"}
    (tmp / "folder").mkdir()
    done = roles.run("sync", env=folder)
    assert LEFTOVERS in done.err and "1 backup" in done.out
    roles.run("verify", "latest", "--set", f"REPOSITORY={tmp / 'folder'}")
    become(roles, amazon, "eraser")
    roles.run("expire", env=KEEP_ONE)
    assert [found for found in state(bucket) if found[0] == dead] == []


def test_a_legal_hold_takes_one_right_more(roles, amazon, bucket):
    policy = json.loads(json.dumps(amazon.roles["writer"]))
    (row,) = re.findall(r"^\| `S3_LEGAL_HOLD=true` \| writer \| `(.*?)` on `(.*?)`", AMAZON, re.MULTILINE)
    become(roles, amazon, "writer")
    done = roles.run("backup", "config", env={"S3_LEGAL_HOLD": "true"}, expect=STORE)
    assert "AccessDenied" in done.err and bucket.keys(f"{PREFIX}auth") == []
    policy["Statement"].append({"Effect": "Allow", "Action": [row[0]], "Resource": row[1]})
    roles.settings |= amazon.keys_with(policy).environment()
    roles.proxy.clear()
    roles.run("backup", "config", env={"S3_LEGAL_HOLD": "true"})
    written = bucket.keys(f"{PREFIX}auth")
    assert [bucket.look(key)["ObjectLockLegalHoldStatus"] for key in written] == ["ON"] * 3
    for key in bucket.keys(PREFIX):
        bucket.hold(key, on=False)


def test_a_writers_stream_goes_on_beside_the_objects_that_it_merged(roles, amazon, bucket, tmp):
    become(roles, amazon, "writer")
    with new_server(15, tmp / "pg") as server:
        roles.settings["DATABASE_URL"] = server.url(user=BACKUP_ROLE, password=BACKUP_PASSWORD)
        roles.run("backup", "--type", "full")
        writer = Writer(server)
        for said in ("could not be merged: cannot delete", ", merged into larger ones, could not be removed: cannot delete"):
            with Stream(roles, env={"STREAM_SEAL_OBJECTS": 2, "STREAM_SYNCHRONOUS": "true"}) as stream:
                stream.wait_until_streaming()
                with writer.beside():
                    wait_for(lambda: said in (roles.logs / "stream.log").read_text(), said)
                stream.wait_until_durable(position(server))
        assert bucket.keys(f"{PREFIX}.writing/") == []
        roles.run("verify", "latest", "--chain")


def test_the_reader_reads_also_what_was_deleted_and_may_not_write(roles, amazon, bucket, tmp):
    become(roles, amazon, "writer")
    name = roles.run("backup", "config", "--json").json()["name"]
    (written,) = bucket.client.list_object_versions(Bucket=BUCKET, Prefix=f"{PREFIX}{name}{MANIFEST}")["Versions"]
    become(roles, amazon, "reader")
    assert roles.reads_all(tmp / "back") == [name]
    before = state(bucket)
    for words in ((), ("--dry-run",)):
        done = roles.run("backup", "config", *words, expect=STORE)
        assert "AccessDenied" in done.err
        assert f"hint: allow s3:PutObject on arn:aws:s3:::{BUCKET}/{PREFIX}* to " in done.err
    assert f"fix: allow s3:PutObject on arn:aws:s3:::{BUCKET}/{PREFIX}* to " in roles.run("check", expect=None).out
    assert state(bucket) == before
    bucket.delete(f"{PREFIX}{name}{MANIFEST}")
    assert roles.names() == []
    then = written["LastModified"].isoformat(timespec="milliseconds").replace("+00:00", "Z")
    roles.run("verify", name, "--set", f"REPOSITORY=s3://{BUCKET}/{PREFIX.strip('/')}?at={then}")
    assert used(roles) == named(amazon.roles["reader"])


def test_the_eraser_removes_what_is_old_for_good_and_keeps_what_is_locked(roles, amazon, bucket):
    become(roles, amazon, "writer")
    names = [roles.run("backup", "config", "--json", env=env).json()["name"] for env in ({}, LOCKED, {})]
    held = roles.run("hold", "add", names[2], "--reason", "case 4711", "--owner", "legal", "--json").json()["id"]
    become(roles, amazon, "eraser")
    done = roles.run("expire", env=KEEP_ONE | LOCKED)
    assert f"retained by the store, which has it locked or held: {names[1]}" in done.out
    assert "removed: 1 backup" in done.out
    assert roles.names() == names[1:]
    assert [found for found in state(bucket) if names[0] in found[0]] == []
    roles.run("hold", "remove", held)
    assert [found for found in state(bucket) if "/holds/" in found[0]] == []
    roles.run("verify", names[1])
    done = roles.run("backup", "config", expect=STORE)
    assert "AccessDenied" in done.err and "s3:PutObject" in done.err
    # No upload is a day old; MinIO tells of none in any case.
    seen = used(roles) | {"s3:AbortMultipartUpload"}
    assert seen == named(amazon.roles["eraser"]) - OF_HEADERS


# -- Google ------------------------------------------------------------------------------------------

@pytest.fixture(scope="module")
def google(module_tmp):
    """The bucket in the emulator and what each role may, as the page's own commands make them."""
    folder = module_tmp / "google"
    with FakeGcs(folder) as gcs, HttpFaultProxy(gcs.port) as proxy, Rights() as rights:
        # Of Google's storage interface only what is about rights is not the emulator's.
        page = GOOGLE.replace(f"https://storage.googleapis.com/storage/v1/b/{BUCKET}/iam",
                              f"https://iam.googleapis.com/storage/v1/b/{BUCKET}/iam")
        run_page(page, folder, {"TOKEN": "token-of-a-test"}, storage=proxy.url, iam=rights.url)
        gcs.made = [(seen.method, seen.path, seen.query, seen.status) for seen in proxy.seen]
        gcs.rights = rights.documents
        # The page's last choice is a bucket without versions; with them more rights are needed.
        gcs.request("PATCH", f"/storage/v1/b/{BUCKET}", {"versioning": {"enabled": True}})
        yield gcs


@pytest.fixture
def accounts(tmp, google):
    bucket = GcsBucket(google, BUCKET)
    for key, generation in bucket.versions():
        bucket.delete(key, generation)
    with HttpFaultProxy(google.port) as proxy:
        made = Roles(tmp / "account", proxy, google.environment(BUCKET, proxy.url) | {"GCS_PREFIX": PREFIX.strip("/")})
        made.bucket = bucket
        yield made


def act_as(product, google, role):
    """From now on it has this role's rights: the emulator asks nobody, the guard does."""
    def refuses(seen):
        permissions, name = needs_of(seen)
        return not set(permissions) <= permissions_on(google.rights, role, name)

    product.proxy.seen.clear()
    product.proxy.clear()
    product.proxy.guard(gcs_error(403, "forbidden", f"{role} has not the permission"), refuses)


def test_the_commands_for_google_make_what_the_page_describes(google):
    wanted = json_files(GOOGLE)
    assert google.made == [
        ("POST", "/storage/v1/b", {"project": "example-project", "enableObjectRetention": "true"}, 200),
        ("PATCH", f"/storage/v1/b/{BUCKET}", {"fields": "name,versioning,retentionPolicy"}, 200)]
    assert google.rights == {
        "POST /v1/projects/example-project/roles authBackupDelete": wanted["delete-role.json"],
        "POST /v1/projects/example-project/roles authBackupRetain": wanted["retain-role.json"],
        f"PUT /storage/v1/b/{BUCKET}/iam": wanted["rights.json"]}


def test_googles_writer_backs_up_and_reads_and_can_remove_nothing(accounts, google, tmp):
    act_as(accounts, google, "writer")
    names = [accounts.run("backup", "config", "--json").json()["name"] for _ in range(2)]
    assert accounts.reads_all(tmp / "back") == names
    accounts.run("hold", "add", names[1], "--reason", "case 4711", "--owner", "legal")
    assert accounts.bucket.keys(f"{PREFIX}.writing/") == []
    before = accounts.bucket.versions(f"{PREFIX}auth")
    done = accounts.run("expire", env=KEEP_ONE, expect=STORE)
    assert f"cannot remove gs://{BUCKET}/{PREFIX}{names[0]}{MANIFEST}" in done.err
    assert f"hint: grant storage.objects.delete on gs://{BUCKET}" in done.err
    assert accounts.bucket.versions(f"{PREFIX}auth") == before
    assert used_at_google(accounts) == {
        "storage.objects.create", "storage.objects.delete", "storage.objects.get", "storage.objects.list"}


def test_googles_reader_reads_and_may_not_write(accounts, google, tmp):
    act_as(accounts, google, "writer")
    name = accounts.run("backup", "config", "--json").json()["name"]
    act_as(accounts, google, "reader")
    before = accounts.bucket.versions()
    assert accounts.reads_all(tmp / "back") == [name]
    done = accounts.run("backup", "config", expect=STORE)
    assert f"hint: grant storage.objects.create on gs://{BUCKET}" in done.err
    assert accounts.bucket.versions() == before
    assert used_at_google(accounts) == {"storage.objects.get", "storage.objects.list"}


def test_googles_eraser_removes_what_is_old_for_good_and_writes_no_backup(accounts, google):
    act_as(accounts, google, "writer")
    names = [accounts.run("backup", "config", "--json").json()["name"] for _ in range(3)]
    held = accounts.run("hold", "add", names[0], "--reason", "case 4711", "--owner", "legal", "--json").json()["id"]
    act_as(accounts, google, "eraser")
    assert "removed: 1 backup" in accounts.run("expire", env=KEEP_ONE).out
    assert accounts.names() == [names[0], names[2]]
    assert accounts.bucket.versions(f"{PREFIX}{names[1]}") == []
    accounts.run("hold", "remove", held)
    done = accounts.run("backup", "config", expect=STORE)
    assert f"hint: grant storage.objects.create on gs://{BUCKET}" in done.err


def test_what_google_keeps_under_a_lock_is_told_as_retained(accounts, google):
    act_as(accounts, google, "writer")
    names = [accounts.run("backup", "config", "--json").json()["name"] for _ in range(2)]
    act_as(accounts, google, "eraser")
    kept = gcs_error(403, "retentionPolicyNotMet", "the object is subject to its retention policy")
    accounts.proxy.inject(kept, "DELETE", rf"{names[0]}\.manifest", times=None)
    done = accounts.run("expire", env=KEEP_ONE)
    assert f"retained by the store, which has it locked or held: {names[0]}" in done.out
    assert accounts.names() == names
