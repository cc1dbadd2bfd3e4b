"""Why this exists: what we store and how we log in is judged by programs that are not ours: Amazon's command, rclone,
openssl and tar, and by servers that refuse what the clouds would refuse."""

import datetime
import json
import re
import subprocess
import sys
import time

import pytest
from lib.cloud_credentials import CredentialServer, Keys, TokenServer
from lib.connect_proxy import ConnectProxy
from lib.folder_state import folder_state
from lib.http_fault_proxy import HttpFaultProxy
from lib.mongodb_tls import Certificates
from lib.object_stores import REGION, FakeGcs
from lib.places import QUICK, ManyPlaces
from lib.postgres import hand_over
from lib.processes import wait_until
from lib.product import Product
from lib.stock_recipe import StockRestore
from lib.stored_backup import random_files

USAGE, STORE = 2, 7
UNPACK = (1, 2, 3)
AMAZON = (sys.executable, "-m", "awscli")
ENDINGS = [".index", ".manifest.json", ".tar.gz.enc"]


def stranger(program, *arguments, folder, **environment):
    """What a program that is not ours prints; it must succeed."""
    whole = {"PATH": "/usr/bin:/bin", "HOME": folder, "LC_ALL": "C.UTF-8", **environment}
    done = subprocess.run(
        [*program, *map(str, arguments)], capture_output=True, text=True, timeout=120,
        env={name: str(value) for name, value in whole.items()},
    )
    assert done.returncode == 0, f"{arguments}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def amazons_command(*arguments, endpoint, folder, **environment):
    return stranger(AMAZON, "--endpoint-url", endpoint, *arguments, folder=folder, AWS_REGION=REGION, **environment)


def rclone(*arguments, folder, **environment):
    return stranger(("rclone", "--config", ""), *arguments, folder=folder, **environment)


def rclone_s3(minio):
    return {"RCLONE_S3_PROVIDER": "Minio", "RCLONE_S3_ENDPOINT": minio.endpoint, "RCLONE_S3_ENV_AUTH": "true",
            **minio.keys.environment()}


def rclone_gcs(gcs):
    return {"RCLONE_GCS_ENDPOINT": f"{gcs.endpoint}/storage/v1/", "RCLONE_GCS_ANONYMOUS": "true"}


class OneBucket(Product):
    """The product with a bucket alone, and one small file to back up."""

    def __init__(self, folder, settings):
        super().__init__(folder)
        files = self.folder / "files"
        files.mkdir()
        (files / "app.conf").write_text("issuer = https://auth.example.org\n")
        self.settings = QUICK | {"BACKUP_DIR": "none", "CONFIG_PATHS": files, "DATABASE_URL": None} | settings

    def environment(self, changes=None):
        return super().environment(self.settings | (changes or {}))

    def back_up(self, **settings):
        return self.run("backup", "config", "--json", env=settings).json()["name"]

    def restored(self, name, place, *more):
        """What came back, and what it must be."""
        self.run("restore", "--backup-file", name, "--components", "config", "--files-dir", place, *more)
        source = self.settings["CONFIG_PATHS"]
        return folder_state(f"{place}/config{source}"), folder_state(source)


@pytest.fixture
def on_s3(tmp, minio):
    """Without credentials."""
    bucket = minio.new_bucket()
    made = OneBucket(tmp / "product", {
        "S3_BUCKET": bucket, "S3_ENDPOINT_URL": minio.endpoint, "AWS_REGION": REGION,
        "AWS_EC2_METADATA_DISABLED": "true"})
    made.bucket = bucket
    made.keep_secret(minio.keys.secret_key)
    return made


@pytest.fixture
def on_gcs(tmp, gcs):
    """Seen by `proxy`."""
    bucket = gcs.new_bucket()
    with HttpFaultProxy(gcs.port) as proxy:
        made = OneBucket(tmp / "product", gcs.environment(bucket, proxy.url))
        made.bucket, made.proxy = bucket, proxy
        yield made


# -- what we store -----------------------------------------------------------------------------------


def sizes(listing):
    """{key: bytes} of `aws s3 ls`."""
    return {line.split(None, 3)[3]: int(line.split(None, 3)[2]) for line in listing.splitlines()}


def test_amazons_command_openssl_and_tar_bring_the_files_back(on_s3, minio, tmp):
    source = random_files(tmp / "config", 17)
    name = on_s3.back_up(CONFIG_PATHS=source, **minio.keys.environment())

    def amazon(*arguments):
        return amazons_command(*arguments, endpoint=minio.endpoint, folder=tmp, **minio.keys.environment())

    listed = sizes(amazon("s3", "ls", f"s3://{on_s3.bucket}"))
    assert sorted(listed) == ["RESTORE.txt", *(name + ending for ending in ENDINGS)]
    amazon("s3", "cp", "--quiet", "--recursive", f"s3://{on_s3.bucket}", tmp / "elsewhere")
    assert {path.name: path.stat().st_size for path in (tmp / "elsewhere").iterdir()} == listed
    (tmp / "open").mkdir()
    hand_over(tmp / "open")
    stock = StockRestore(tmp / "elsewhere", "/usr/bin")
    assert stock.run(UNPACK, name, tmp / "open/back", on_s3.key) == ("", "")
    assert folder_state(f"{tmp}/open/back/config{source}") == folder_state(source)


def test_rclone_finds_the_same_bytes_in_the_folder_and_in_both_buckets(tmp, minio, gcs):
    product = ManyPlaces(tmp / "product", minio, gcs)
    product.settings |= {"CONFIG_PATHS": random_files(tmp / "config", 17), "DATABASE_URL": None}
    name = product.run("backup", "config", "--json").json()["name"]
    expected = ["RESTORE.txt", *(name + ending for ending in ENDINGS)]
    s3, google = product.buckets
    for place, login in (f":s3:{s3}", rclone_s3(minio)), (f":gcs:{google}", rclone_gcs(gcs)):
        listed = json.loads(rclone("lsjson", "--recursive", "--files-only", place, folder=tmp, **login))
        assert sorted(found["Path"] for found in listed) == expected
        rclone("check", "--download", "--include", f"{name}.*", "--include", "RESTORE.txt", product.repository, place,
               folder=tmp, **login)


GSUTIL = """[Credentials]
gs_json_host = 127.0.0.1
gs_json_port = {port}
[Boto]
ca_certificates_file = {authority}
num_retries = 1
[GSUtil]
state_dir = {folder}/state
software_update_check_period = 0
disable_analytics_prompt = True
"""


def test_googles_command_lists_and_fetches_what_we_wrote(tmp):
    """gsutil speaks TLS only."""
    tls = Certificates(tmp / "tls")
    with FakeGcs(tmp / "gcs", tls=tls) as google:
        bucket = google.new_bucket()
        product = OneBucket(tmp / "product", google.environment(bucket))
        name = product.back_up(CONFIG_PATHS=random_files(tmp / "config", 17))
        (tmp / "boto").write_text(GSUTIL.format(port=google.port, authority=tls.path("authority"), folder=tmp))

        def gsutil(*arguments):
            return stranger((sys.executable, "-m", "gslib"), *arguments, folder=tmp, BOTO_CONFIG=tmp / "boto")

        expected = ["RESTORE.txt", *(name + ending for ending in ENDINGS)]
        assert sorted(gsutil("ls", f"gs://{bucket}").split()) == [f"gs://{bucket}/{key}" for key in expected]
        (tmp / "elsewhere").mkdir()
        gsutil("cp", f"gs://{bucket}/*", tmp / "elsewhere")
    assert sorted(path.name for path in (tmp / "elsewhere").iterdir()) == expected
    product.run("verify", tmp / "elsewhere" / f"{name}{ENDINGS[-1]}")


# -- how we log in: S3 -------------------------------------------------------------------------------


def profile_of_keys(server, folder):
    """In the place where Amazon's programs look for it."""
    (folder / ".aws").mkdir()
    (folder / ".aws/credentials").write_text(
        f"[default]\naws_access_key_id = nobody\naws_secret_access_key = nothing-at-all\n"
        f"[backup]\naws_access_key_id = {server.keys.access_key}\n"
        f"aws_secret_access_key = {server.keys.secret_key}\naws_session_token = {server.keys.token}\n")
    return {"AWS_PROFILE": "backup"}


def profile_of_a_role(server, folder):
    token = folder / "token"
    sts = server.web_identity_environment(token)["AWS_ENDPOINT_URL_STS"]
    (folder / "config").write_text(
        f"[profile backup]\nrole_arn = {server.role_arn}\nrole_session_name = {server.session_name}\n"
        f"web_identity_token_file = {token}\n")
    return {"AWS_PROFILE": "backup", "AWS_CONFIG_FILE": folder / "config", "AWS_ENDPOINT_URL_STS": sts}


def pod(server, folder):
    """As EKS says it: the token is in a file."""
    (folder / "token").write_text(server.authorization)
    return {"AWS_CONTAINER_CREDENTIALS_FULL_URI": server.container_environment()["AWS_CONTAINER_CREDENTIALS_FULL_URI"],
            "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE": folder / "token"}


def everything(minio, product):
    """Temporary keys with a session token, for the product's bucket alone."""
    keys = minio.restricted(product.bucket, "s3:*")
    product.keep_secret(keys.secret_key, keys.token)
    return keys


SOURCES = {
    "session token": lambda server, folder: server.keys.environment(),
    "profile of keys": profile_of_keys,
    "profile of a role": profile_of_a_role,
    "web identity": lambda server, folder: server.web_identity_environment(folder / "token"),
    "container": lambda server, folder: server.container_environment(),
    "pod": pod,
    "machine": lambda server, folder: server.machine_environment() | {"AWS_EC2_METADATA_DISABLED": "false"},
}


@pytest.mark.parametrize("source", SOURCES)
def test_what_logs_amazons_command_in_logs_us_in(on_s3, minio, tmp, source):
    on_s3.keep_secret(CredentialServer.authorization, CredentialServer.web_identity)
    with CredentialServer(everything(minio, on_s3)) as server:
        login = SOURCES[source](server, on_s3.folder)
        on_s3.settings |= login
        name = on_s3.back_up()
        given = server.given
        assert (given > 0) == (source not in ("session token", "profile of keys"))
        listed = amazons_command(
            "s3", "ls", f"s3://{on_s3.bucket}", endpoint=minio.endpoint, folder=on_s3.folder, **login)
        assert f"{name}.tar.gz.enc" in sizes(listed)
        assert (server.given > given) == (given > 0)
        back, expected = on_s3.restored(name, tmp / "out")
        assert back == expected


def access_key(seen):
    return re.search(r"Credential=([^/]+)/", seen.headers["authorization"])[1]


def test_credentials_are_renewed_before_they_expire(on_s3, minio, tmp):
    """They are asked for anew five minutes before; the upload takes about three seconds."""
    old, new = everything(minio, on_s3), everything(minio, on_s3)
    with HttpFaultProxy(minio.port) as proxy, CredentialServer(old, lasts=5 * 60 + 2) as server:
        on_s3.settings |= server.machine_environment() | {
            "AWS_EC2_METADATA_DISABLED": "false", "S3_ENDPOINT_URL": proxy.url, "UPLOAD_LIMIT_MB": "3",
            "CONFIG_PATHS": random_files(tmp / "config", 8)}
        run = on_s3.popen("backup", "config", "--json")
        wait_until(lambda: proxy.requests("PUT", "tar.gz.enc"), "the upload's first part")
        server.keys = new
        run.wait()
        assert access_key(proxy.requests("PUT", "tar.gz.enc")[0]) == old.access_key
        assert access_key(proxy.requests("PUT", "manifest.json")[-1]) == new.access_key
        assert not [seen for seen in proxy.requests() if seen.status in (400, 401, 403)]
        on_s3.run("verify", "latest")


def test_where_credentials_were_looked_for_is_told(on_s3):
    err = on_s3.run("backup", "config", expect=USAGE).err
    assert "there are no credentials for S3; looked at AWS_ACCESS_KEY_ID (not set)" in err
    for place in ("AWS_WEB_IDENTITY_TOKEN_FILE (not set)", f"the profile 'default' of {on_s3.folder}/.aws/credentials",
                  "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI and _FULL_URI (not set)",
                  "the machine's metadata service (AWS_EC2_METADATA_DISABLED)", "hint: set AWS_ACCESS_KEY_ID"):
        assert place in err


def test_keys_that_the_store_refuses_are_told_with_a_hint(on_s3, minio):
    wrong = "a-secret-that-is-not-the-right-one"
    on_s3.keep_secret(wrong)
    for keys, hint in (
        (Keys(minio.keys.access_key, wrong), "the secret of AWS_ACCESS_KEY_ID does not belong to its access key"),
        (Keys("nobody-at-all", minio.keys.secret_key), "the store does not know the access key of AWS_ACCESS_KEY_ID"),
    ):
        for words in (("backup", "config"), ("list",), ("check",)):
            done = on_s3.run(*words, env=keys.environment(), expect=STORE)
            assert hint in done.out + done.err, done
    assert on_s3.bucket.keys() == []


def test_a_role_that_cannot_be_assumed_is_told_without_its_token(on_s3, minio):
    on_s3.keep_secret("token-of-somebody-else")
    with CredentialServer(minio.keys) as server:
        login = server.web_identity_environment(on_s3.folder / "token")
        (on_s3.folder / "token").write_text("token-of-somebody-else")
        err = on_s3.run("backup", "config", env=login, expect=STORE).err
    assert f"cannot assume the role {server.role_arn}" in err and "InvalidIdentityToken" in err
    assert "hint: look at the role's trust policy" in err


# -- how we log in: Google ---------------------------------------------------------------------------


def bearer(seen):
    return seen.headers.get("authorization", "none").removeprefix("Bearer ")


def bearers(product):
    """What stood in requests to the store."""
    return {bearer(seen) for seen in product.proxy.requests()}


def test_what_logs_rclone_in_at_google_logs_us_in(on_gcs, tmp):
    with TokenServer() as server:
        key = server.write_key_file(tmp / "key.json")
        on_gcs.keep_secret("ya29.token-", json.loads(key.read_text())["private_key"].splitlines()[1])
        on_gcs.settings["GOOGLE_APPLICATION_CREDENTIALS"] = key
        name = on_gcs.back_up()
        back, expected = on_gcs.restored(name, tmp / "out")
        assert back == expected
        assert bearers(on_gcs) and bearers(on_gcs) <= set(server.tokens)
        listed = rclone("lsf", f":gcs:{on_gcs.bucket}", folder=tmp, RCLONE_GCS_SERVICE_ACCOUNT_FILE=key,
                        RCLONE_GCS_ENDPOINT=f"{on_gcs.proxy.url}/storage/v1/").split()
        assert f"{name}.tar.gz.enc" in listed
        assert bearer(on_gcs.proxy.requests()[-1]) == server.tokens[-1]
        assert server.refusals == []


def test_a_token_is_renewed_before_it_expires(on_gcs, tmp):
    """Half of a short life is used; the upload takes about three seconds."""
    with TokenServer(lasts=3) as server:
        on_gcs.settings |= server.key_environment(tmp / "key.json")
        on_gcs.settings |= {"UPLOAD_LIMIT_MB": "3", "CONFIG_PATHS": random_files(tmp / "config", 8)}
        name = on_gcs.back_up()
        begun = {seen.query.get("name"): bearer(seen) for seen in on_gcs.proxy.requests("POST")}
        assert begun[f"{name}.tar.gz.enc"] != begun[f"{name}.manifest.json"]
        assert bearers(on_gcs) <= set(server.tokens) and server.refusals == []


def test_the_key_of_another_account_is_told(on_gcs, tmp):
    with TokenServer() as server, TokenServer() as other:
        key = other.write_key_file(tmp / "key.json", token_uri=server.token_uri)
        on_gcs.keep_secret(json.loads(key.read_text())["private_key"].splitlines()[1])
        err = on_gcs.run("backup", "config", env={"GOOGLE_APPLICATION_CREDENTIALS": key}, expect=STORE).err
        assert server.refusals == ["Signature verification failed"] and server.tokens == []
    assert f"{server.address} gave no access token: 400, invalid_grant" in err
    assert "the key was deleted or the login was revoked: make a new one" in err
    assert on_gcs.proxy.requests() == []


def test_a_key_that_is_none_is_told_before_anybody_is_asked(on_gcs, tmp):
    with TokenServer() as server:
        key = server.write_key_file(tmp / "key.json", private_key="no key at all")
        err = on_gcs.run("backup", "config", env={"GOOGLE_APPLICATION_CREDENTIALS": key}, expect=USAGE).err
        assert server.asked == []
    assert f"the private key of {server.email} cannot be used: it is no RSA key in PEM" in err
    assert "hint: make a new key with `gcloud iam service-accounts keys create`" in err


def test_the_account_of_the_machine_logs_us_in_through_a_proxy(tmp):
    """Under Google's own name and with its certificate checked: nothing here says that it is an emulator."""
    tls = Certificates(tmp / "tls", "DNS:storage.googleapis.com,IP:127.0.0.1")
    with FakeGcs(tmp / "gcs", tls=tls) as google, ConnectProxy(google.port) as proxy, TokenServer() as server:
        product = OneBucket(tmp / "product", server.metadata_environment() | {
            "GCS_BUCKET": google.new_bucket(), "STORE_PROXY": proxy.url, "TLS_CA_FILE": tls.path("authority")})
        product.keep_secret("ya29.token-", proxy.password)
        back, expected = product.restored(product.back_up(), tmp / "out")
        assert back == expected
        assert set(proxy.wanted) == {"storage.googleapis.com:443"}
        assert server.tokens and server.refusals == []
        wrong = {"STORE_PROXY": proxy.url.replace(proxy.password, "not-the-password-of-it")}
        product.keep_secret("not-the-password-of-it")
        assert "407" in product.run("backup", "config", env=wrong, expect=STORE).err
        assert proxy.refused
        stranger_to = {"TLS_CA_FILE": tls.path("stranger")}
        assert "certificate" in product.run("backup", "config", env=stranger_to, expect=STORE).err


# -- versions ----------------------------------------------------------------------------------------


def whole_second_between():
    """A time in whole seconds, after all that was done and before all that will be."""
    time.sleep(1 - time.time() % 1 + 0.01)
    now = datetime.datetime.now(datetime.timezone.utc)
    time.sleep(1.05 - time.time() % 1)
    return now.strftime("%Y-%m-%dT%H:%M:%SZ")


@pytest.mark.parametrize("scheme", ["s3", "gs"])
def test_what_somebody_deleted_is_there_at_an_earlier_time(minio, gcs, tmp, scheme):
    store = {"s3": minio, "gs": gcs}[scheme]
    bucket = store.new_bucket(versions=True)
    product = OneBucket(tmp / "product", store.environment(bucket))
    names = [product.back_up(), product.back_up()]
    then = whole_second_between()
    for key in bucket.keys():
        bucket.delete(key)
    assert bucket.keys() == [] and product.run("list", "--json").json()["backups"] == []
    product.back_up()
    earlier = ("--set", f"REPOSITORY={scheme}://{bucket}?at={then}")
    found = product.run("list", "--json", *earlier).json()["backups"]
    assert sorted(backup["name"] for backup in found) == sorted(names)
    for name in names:
        product.run("verify", name, *earlier)
    back, expected = product.restored(names[0], tmp / "out", *earlier)
    assert back == expected
