"""Why this exists: the scenarios of object stores believe tests/lib, so its servers must refuse what a cloud refuses,
its proxy must do the fault it is asked for and no other, and its eyes must see what is in a bucket."""

import hashlib
import http.client
import json
import socket
import time
from urllib.parse import urlencode

import jwt
import pytest
from botocore.exceptions import ClientError
from lib import http_fault_proxy as faults
from lib.buckets import S3Bucket, s3_client
from lib.cloud_credentials import (
    CONTAINER_PATH, IMDS_ROLES, IMDS_TOKEN, JWT_BEARER, METADATA_TOKEN, STORAGE_SCOPE, CredentialServer, Keys,
    TokenServer,
)
from lib.http_fault_proxy import HttpFaultProxy
from lib.mongodb_tls import Certificates
from lib.object_stores import REGION, FakeGcs, Minio, Moto, ObjectStoreError

PART = bytes(range(256)) * 4096 * 16  # 16 MiB


@pytest.fixture(scope="module")
def minio(module_tmp):
    with Minio(module_tmp / "minio", kms=True) as server:
        yield server


@pytest.fixture(scope="module")
def gcs(module_tmp):
    with FakeGcs(module_tmp / "gcs") as server:
        yield server


# -- servers -----------------------------------------------------------------------------------------


def test_a_missing_server_is_an_error(tmp, monkeypatch):
    monkeypatch.setenv("ASB_MINIO", "/nowhere/minio")
    with pytest.raises(ObjectStoreError, match="no MinIO at '/nowhere/minio'; hint: ./dev test sets ASB_MINIO"):
        Minio(tmp / "minio")


def test_minio_shows_versions_uploads_and_encryption(minio):
    bucket = minio.new_bucket(versions=True)
    bucket.write("a/1", b"old", ServerSideEncryption="AES256")
    bucket.write("a/1", b"new")
    bucket.write("b", b"other")
    assert bucket.keys() == ["a/1", "b"] and bucket.keys("a/") == ["a/1"]
    assert bucket.read("a/1") == b"new"
    assert {bucket.read(key, version) for key, version in bucket.versions("a/")} == {b"old", b"new"}
    bucket.delete("a/1")
    assert bucket.keys() == ["b"] and len(bucket.versions("a/")) == 2 and len(bucket.delete_markers()) == 1
    bucket.begin_upload("c")
    assert bucket.uploads("c") == ["c"]
    bucket.write("d", b"secret", ServerSideEncryption="AES256")
    assert bucket.look("d")["ServerSideEncryption"] == "AES256"


def test_minio_keeps_what_is_locked_and_knows_who_may_do_what(minio):
    bucket = minio.new_bucket(lock=True)
    bucket.write("a", b"kept")
    bucket.lock("a", seconds=60)
    bucket.write("b", b"held")
    bucket.hold("b")
    for key, version in bucket.versions():
        with pytest.raises(ClientError, match="WORM protected"):
            bucket.delete(key, version)
    reader = minio.client(minio.restricted(bucket, "s3:GetObject"))
    assert reader.get_object(Bucket=str(bucket), Key="a")["Body"].read() == b"kept"
    with pytest.raises(ClientError, match="AccessDenied"):
        reader.put_object(Bucket=str(bucket), Key="c", Body=b"")
    with pytest.raises(ClientError, match="SignatureDoesNotMatch"):
        minio.client(Keys(minio.keys.access_key, "another-secret-key")).list_buckets()
    bucket.set_policy({"Effect": "Allow", "Action": ["s3:GetObject"]})
    assert minio.request("GET", f"/{bucket}/a") == b"kept"


def test_minio_has_it_all_after_a_crash(tmp):
    with Minio(tmp / "minio", tls=Certificates(tmp / "tls")) as server:
        bucket = server.new_bucket()
        bucket.write("a", b"1")
        server.kill()
        server.start()
        assert bucket.read("a") == b"1"
        assert server.environment(bucket)["S3_ENDPOINT_URL"].startswith("https://")


def test_moto_knows_storage_classes(tmp):
    with Moto(tmp / "moto") as server:
        bucket = server.new_bucket()
        bucket.write("a", b"1", StorageClass="STANDARD_IA")
        assert bucket.look("a")["StorageClass"] == "STANDARD_IA"
        assert bucket.keys() == ["a"]
        bucket.begin_upload("b")
        assert bucket.uploads() == ["b"]


def test_fake_gcs_shows_versions_and_holds(gcs):
    bucket = gcs.new_bucket(versions=True)
    bucket.write("a/1", b"old")
    bucket.write("a/1", b"new")
    assert bucket.keys() == ["a/1"] and bucket.read("a/1") == b"new"
    assert [bucket.read(key, generation) for key, generation in bucket.versions()] == [b"old", b"new"]
    assert bucket.look("a/1")["size"] == "3"
    bucket.delete("a/1")
    assert bucket.keys() == []


def test_fake_gcs_has_it_all_after_a_crash_when_it_is_on_disk(tmp):
    with FakeGcs(tmp / "gcs", on_disk=True, tls=Certificates(tmp / "tls")) as server:
        bucket = server.new_bucket()
        bucket.write("a", b"1")
        server.kill()
        server.start()
        assert bucket.read("a") == b"1"


# -- credentials -------------------------------------------------------------------------------------


def ask(server, method, path, body=None, headers=None):
    connection = http.client.HTTPConnection(server.address, timeout=10)
    connection.request(method, path, body, headers or {})
    reply = connection.getresponse()
    return reply.status, reply.read()


def exchange(server, assertion):
    form = urlencode({"grant_type": JWT_BEARER, "assertion": assertion})
    status, body = ask(server, "POST", "/token", form)
    return status, json.loads(body)


def test_a_token_is_given_for_a_right_assertion_only(tmp):
    with TokenServer() as server:
        key = json.loads(server.write_key_file(tmp / "key.json").read_text())
        right = {"iss": key["client_email"], "scope": STORAGE_SCOPE, "aud": key["token_uri"],
                 "iat": int(time.time()), "exp": int(time.time()) + 3600}

        def signed(kid=server.key_id, **changes):
            claims = {name: value for name, value in {**right, **changes}.items() if value is not None}
            return jwt.encode(claims, key["private_key"], algorithm="RS256", headers={"kid": kid})

        assert exchange(server, signed()) == (
            200, {"access_token": server.tokens[0], "expires_in": 3600, "token_type": "Bearer"})
        for wrong in (signed(iss="somebody"), signed(scope="all"), signed(aud="https://elsewhere/token"),
                      signed(exp=right["iat"] - 60), signed(exp=right["iat"] + 7200), signed(iat=None),
                      signed(kid="another"), signed()[:-8] + "AAAAAAAA"):
            status, answer = exchange(server, wrong)
            assert (status, answer["error"]) == (400, "invalid_grant")
        assert len(server.tokens) == 1 and len(server.refusals) == 8


def test_a_machine_of_googles_is_asked_with_its_header():
    with TokenServer(lasts=60) as server:
        assert ask(server, "GET", METADATA_TOKEN)[0] == 403
        status, body = ask(server, "GET", METADATA_TOKEN, headers={"Metadata-Flavor": "Google"})
        assert (status, json.loads(body)["expires_in"]) == (200, 60)


def test_credentials_of_amazon_are_given_for_the_right_words_only(tmp):
    with CredentialServer(Keys("ASIATEST", "secret", "session")) as server:
        assert ask(server, "GET", IMDS_ROLES)[0] == 401
        _, token = ask(server, "PUT", IMDS_TOKEN, headers={"X-aws-ec2-metadata-token-ttl-seconds": "60"})
        headers = {"X-aws-ec2-metadata-token": token.decode()}
        role = ask(server, "GET", IMDS_ROLES, headers=headers)[1].decode()
        found = json.loads(ask(server, "GET", IMDS_ROLES + role, headers=headers)[1])
        assert (found["Code"], found["AccessKeyId"], found["Token"]) == ("Success", "ASIATEST", "session")
        assert ask(server, "GET", CONTAINER_PATH)[0] == 401
        assert ask(server, "GET", CONTAINER_PATH, headers={"Authorization": server.authorization})[0] == 200
        server.web_identity_environment(tmp / "token")
        form = {"Action": "AssumeRoleWithWebIdentity", "Version": "2011-06-15", "RoleArn": server.role_arn,
                "RoleSessionName": server.session_name, "WebIdentityToken": (tmp / "token").read_text()}
        status, body = ask(server, "POST", "/", urlencode(form))
        assert status == 200 and b"<SessionToken>session</SessionToken>" in body
        for name in form:
            status, body = ask(server, "POST", "/", urlencode({**form, name: "wrong"}))
            assert status == 400 and f"wrong: {name}<".encode() in body
        assert server.given == 3


# -- the proxy ---------------------------------------------------------------------------------------


class Client:
    """Plain requests over one connection, to a bucket of GCS that anybody may use."""

    def __init__(self, proxy, bucket):
        self.connection = http.client.HTTPConnection("127.0.0.1", proxy.port, timeout=10)
        self.bucket = bucket

    def ask(self, method, path, body=None):
        try:
            self.connection.request(method, path, body)
            reply = self.connection.getresponse()
            return reply.status, reply.read(), reply.headers
        except (OSError, http.client.HTTPException):
            self.connection.close()  # the next request opens it again
            raise

    def put(self, name, body=b"content"):
        return self.ask("POST", f"/upload/storage/v1/b/{self.bucket}/o?uploadType=media&name={name}", body)

    def get(self, name):
        return self.ask("GET", f"/storage/v1/b/{self.bucket}/o/{name}?alt=media")


@pytest.fixture
def proxy(gcs):
    with HttpFaultProxy(gcs.port) as made:
        yield made


@pytest.fixture
def client(gcs, proxy):
    return Client(proxy, gcs.new_bucket())


def test_the_proxy_passes_on_whole_bodies_and_counts(proxy, client):
    assert client.put("a", PART)[0] == 200
    status, body, headers = client.get("a")
    assert (status, hashlib.sha256(body).digest()) == (200, hashlib.sha256(PART).digest())
    assert headers["Content-Length"] == str(len(PART))
    assert client.get("b")[0] == 404
    assert (proxy.count(), proxy.count("GET"), proxy.count("GET", "/a$")) == (3, 2, 1)
    first = proxy.requests("POST")[0]
    assert (first.length, first.query["name"], first.status, first.fault) == (len(PART), "a", 200, "")
    assert first.headers["host"] == f"127.0.0.1:{proxy.port}"


def test_signatures_hold_through_the_proxy(minio):
    bucket = minio.new_bucket()
    with HttpFaultProxy(minio.port) as proxy:
        through = S3Bucket(s3_client(proxy.url, minio.keys, REGION), bucket.name)
        through.write("a b/ü", PART)
        assert through.read("a b/ü") == PART
        refused = proxy.inject(faults.s3_error(503, "SlowDown", Retry_After=0), "GET", "list-type=2")
        assert through.keys() == ["a b/ü"]  # boto tries again
        assert refused.happened == 1
        wrong = proxy.inject(faults.change_request(at=5), "PUT")
        with pytest.raises(ClientError, match="XAmzContentSHA256Mismatch"):
            through.write("c", b"0123456789")
        assert wrong.happened == 1 and bucket.keys() == ["a b/ü"]


def test_an_answer_comes_for_the_nth_request_and_so_many_times(proxy, client):
    injected = proxy.inject(faults.gcs_error(429, "rateLimitExceeded", Retry_After=3), "POST", "name=a", nth=2, times=2)
    assert [client.put("a")[0] for _ in range(4)] == [200, 429, 429, 200]
    assert client.put("b")[0] == 200
    assert injected.happened == 2 and injected.done.is_set()
    proxy.inject(faults.html_error(502), times=None)
    status, body, headers = client.get("a")
    assert (status, headers["Content-Type"]) == (502, "text/html") and body.startswith(b"<html>")
    proxy.clear()
    assert client.get("a")[0] == 200


def test_a_reset_comes_before_the_server_has_it_or_after(proxy, client):
    proxy.inject(faults.reset_before(), "POST", "name=before")
    proxy.inject(faults.reset_after(), "POST", "name=after")
    for name in ("before", "after"):
        with pytest.raises(ConnectionResetError):
            client.put(name)
    assert client.bucket.keys() == ["after"]
    assert [(seen.fault, seen.status) for seen in proxy.requests()] == [("reset before", None), ("reset after", None)]


def test_bodies_are_cut_short_changed_and_slow(proxy, client):
    client.put("a", b"0123456789" * 100)
    proxy.inject(faults.truncate(700), "GET")
    with pytest.raises(http.client.IncompleteRead) as cut:
        client.get("a")
    assert len(cut.value.partial) == 700
    proxy.inject(faults.change_reply(at=999), "GET")
    assert client.get("a")[1] == b"0123456789" * 99 + b"0123456788"
    proxy.inject(faults.trickle(bytes_per_second=2000), "GET")
    begin = time.monotonic()
    assert len(client.get("a")[1]) == 1000
    assert 0.3 < time.monotonic() - begin < 5


@pytest.mark.parametrize("at", ["request", "reply", "body"])
def test_a_stall_lasts_until_it_is_released(at, proxy, client):
    client.put("a", b"0123456789")
    proxy.inject(faults.stall(at), "GET")
    client.connection.timeout = 0.5
    client.connection.close()
    with pytest.raises(socket.timeout):
        client.get("a")
    assert proxy.is_stalled.is_set()
    proxy.release()
    assert client.get("a")[1] == b"0123456789"


def test_the_clock_and_headers_are_what_the_test_wants(proxy, client):
    client.put("a")
    proxy.inject(faults.clock_shifted(3600), "GET")
    proxy.inject(faults.change_headers(ETag="wrong", X_Extra=1), "GET")
    moments = []
    for _ in range(3):
        headers = client.get("a")[2]
        moments.append(headers)
    shifted = time.mktime(time.strptime(moments[0]["Date"], "%a, %d %b %Y %H:%M:%S GMT"))
    plain = time.mktime(time.strptime(moments[2]["Date"], "%a, %d %b %Y %H:%M:%S GMT"))
    assert abs(shifted - plain - 3600) < 10
    assert (moments[1]["ETag"], moments[1]["X-Extra"]) == ("wrong", "1") and moments[2]["ETag"] != "wrong"


def test_where_an_upload_goes_on_is_behind_the_proxy_too(proxy, client):
    status, _, headers = client.ask("POST", f"/upload/storage/v1/b/{client.bucket}/o?uploadType=resumable&name=a")
    assert status == 200
    assert headers["Location"].startswith(proxy.url + "/")


def test_a_server_that_is_down_resets(tmp):
    with FakeGcs(tmp / "gcs") as server, HttpFaultProxy(server.port) as proxy:
        client = Client(proxy, server.new_bucket())
        assert client.put("a")[0] == 200
        server.kill()
        with pytest.raises((ConnectionResetError, http.client.RemoteDisconnected)):
            client.get("a")
