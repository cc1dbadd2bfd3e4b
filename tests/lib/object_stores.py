"""Why this exists: the stores are tested on real servers of their protocols: MinIO, which checks every signature, keeps
versions and refuses to delete what is locked; moto, which knows S3's storage classes; fake-gcs-server (./dev test
installs all three). Each lives in a folder of its own, on a free port of 127.0.0.1, stopped with the test. One that is
not installed is a failed test, never a skipped one."""

import base64
import ctypes
import json
import os
import pathlib
import shutil
import signal
import ssl
import subprocess
import time
import urllib.error
import urllib.request
import uuid

from lib.buckets import GcsBucket, S3Bucket, s3_client
from lib.cloud_credentials import Keys
from lib.postgres import free_port

REGION = "us-east-1"
START_SECONDS_MAX = 60
STOP_SECONDS_MAX = 30
PR_SET_PDEATHSIG = 1  # prctl(2)


class ObjectStoreError(Exception):
    """What a server said when it failed."""


def _die_with_parent():
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


class ObjectStore:
    """A server over `folder`, started when it is made. A context manager. `tls`: the Certificates that it uses."""

    name = variable = ready_path = ""

    def __init__(self, folder, tls=None):
        self.folder, self.tls = pathlib.Path(folder), tls
        self.program = os.environ.get(self.variable, "")
        if not os.access(self.program, os.X_OK):
            raise ObjectStoreError(f"no {self.name} at {self.program!r}; hint: ./dev test sets {self.variable}")
        self.port = free_port()
        self._process = None
        (self.folder / "data").mkdir(parents=True, exist_ok=True)
        self.start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.kill()

    @property
    def endpoint(self):
        return f"{'https' if self.tls else 'http'}://127.0.0.1:{self.port}"

    # -- running -------------------------------------------------------------------------------------

    def start(self):
        """Starts and waits until it answers; after kill() with what it had then, where it keeps that on disk."""
        with open(self.folder / "server.log", "ab") as log:
            self._process = subprocess.Popen(
                [self.program, *map(str, self.arguments())], stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                cwd=self.folder, preexec_fn=_die_with_parent,
                env={"PATH": "/usr/bin:/bin", "HOME": str(self.folder), **self.server_environment()},
            )
        self._wait_until_ready()

    def _wait_until_ready(self):
        deadline = time.monotonic() + START_SECONDS_MAX
        while True:
            try:
                self.check_ready()
                return
            except OSError as error:
                if self._process.poll() is not None or time.monotonic() > deadline:
                    self.kill()
                    raise ObjectStoreError(f"{self.program} did not start: {error}\n{self.log()}") from error
                time.sleep(0.02)

    def check_ready(self):
        """An OSError while it is not."""
        self.request("GET", self.ready_path)

    def stop(self):
        """In an orderly way; harmless when down."""
        self._end(signal.SIGTERM)

    def kill(self):
        """As a crash; harmless when down."""
        self._end(signal.SIGKILL)

    def _end(self, number):
        if self._process and self._process.poll() is None:
            self._process.send_signal(number)
            self._process.wait(STOP_SECONDS_MAX)
        self._process = None

    def pause(self):
        """Answers nothing until resume()."""
        self._process.send_signal(signal.SIGSTOP)

    def resume(self):
        self._process.send_signal(signal.SIGCONT)

    def log(self):
        return (self.folder / "server.log").read_text(errors="replace")

    def request(self, method, target, document=None):
        """One request without a login; the body of its answer. An OSError unless it succeeds."""
        return self.request_bytes(method, target, None if document is None else json.dumps(document).encode())

    def request_bytes(self, method, target, body):
        asked = urllib.request.Request(self.endpoint + target, body, {"Content-Type": "application/json"}, method=method)
        context = ssl.create_default_context(cafile=self.tls.path("authority")) if self.tls else None
        handlers = [urllib.request.ProxyHandler({})] + ([urllib.request.HTTPSHandler(context=context)] if context else [])
        with urllib.request.build_opener(*handlers).open(asked, timeout=10) as answer:
            return answer.read()

    # -- what differs --------------------------------------------------------------------------------

    def arguments(self):
        raise NotImplementedError

    def server_environment(self):
        return {}


def new_name():
    return f"backups-{uuid.uuid4().hex[:12]}"


class S3Store(ObjectStore):
    """What MinIO and moto have in common. `keys`: the owner's, who may do everything."""

    keys = Keys("owner-of-a-test", "secret-key-of-the-owner-of-a-test")

    def client(self, keys=None):
        """boto3's, for the owner or whoever has `keys`."""
        return s3_client(self.endpoint, keys or self.keys, REGION, self.tls and str(self.tls.path("authority")))

    def new_bucket(self, versions=False, lock=False):
        """A bucket that is empty; with versions, or with Object Lock (which brings versions along)."""
        bucket = S3Bucket(self.client(), new_name())
        bucket.make(versions=versions, lock=lock)
        return bucket

    def environment(self, bucket, endpoint=None, keys=None):
        """What the product must be told: of a bucket or its name, through another endpoint, as somebody else."""
        found = {"S3_BUCKET": str(bucket), "S3_ENDPOINT_URL": endpoint or self.endpoint, "AWS_REGION": REGION}
        if self.tls:
            found["TLS_CA_FILE"] = str(self.tls.path("authority"))
        return found | (keys or self.keys).environment()


class Minio(S3Store):
    """`kms`: with a key of its own, so that it can encrypt what it stores (AES256 and aws:kms)."""

    name, variable, ready_path = "MinIO", "ASB_MINIO", "/"
    kms_key = "key-of-a-test"

    def __init__(self, folder, kms=False, tls=None):
        self.kms = kms
        super().__init__(folder, tls)

    def check_ready(self):
        """Its health page says yes before it answers requests: this one must be refused for want of a signature."""
        try:
            super().check_ready()
        except urllib.error.HTTPError as error:
            if error.code != 403:
                raise

    def arguments(self):
        arguments = ["server", "--quiet", "--address", f"127.0.0.1:{self.port}"]
        if self.tls:
            arguments += ["--certs-dir", self._certificates()]
        return [*arguments, self.folder / "data"]

    def _certificates(self):
        """Under the names that it looks for."""
        folder = self.folder / "certificates"
        folder.mkdir(exist_ok=True)
        shutil.copy(self.tls.path("server"), folder / "public.crt")
        shutil.copy(self.tls.path("server", "key"), folder / "private.key")
        return folder

    def server_environment(self):
        found = {"MINIO_ROOT_USER": self.keys.access_key, "MINIO_ROOT_PASSWORD": self.keys.secret_key,
                 "MINIO_BROWSER": "off"}
        if self.kms:
            found["MINIO_KMS_SECRET_KEY"] = f"{self.kms_key}:{base64.b64encode(bytes(range(32))).decode()}"
        return found

    def restricted(self, bucket, *actions, seconds=3600):
        """Temporary keys, with a session token, of somebody who may only do these ("s3:GetObject") with the bucket."""
        return self.keys_with({"Version": "2012-10-17", "Statement": [{
            "Effect": "Allow", "Action": list(actions), "Resource": [f"arn:aws:s3:::{bucket}", f"arn:aws:s3:::{bucket}/*"],
        }]}, seconds)

    def keys_with(self, policy, seconds=3600):
        """The same for whoever has exactly this policy, and no right besides."""
        client = s3_client(self.endpoint, self.keys, REGION, self.tls and str(self.tls.path("authority")), service="sts")
        given = client.assume_role(
            RoleArn="arn:aws:iam::123456789012:role/any", RoleSessionName="test", DurationSeconds=seconds,
            Policy=json.dumps(policy),
        )["Credentials"]
        return Keys(given["AccessKeyId"], given["SecretAccessKey"], given["SessionToken"])


class Moto(S3Store):
    """Keeps everything in memory, and checks no signature."""

    name, variable, ready_path = "moto", "ASB_MOTO", "/moto-api/"

    def arguments(self):
        return ["-H", "127.0.0.1", "-p", self.port]


class FakeGcs(ObjectStore):
    """`on_disk`: objects survive a restart; otherwise they are in memory, where buckets may keep versions. It asks
    nobody for a token; a proxy before it sees those that it is sent."""

    name, variable, ready_path = "fake-gcs-server", "ASB_FAKE_GCS", "/storage/v1/b?project=test"

    def __init__(self, folder, on_disk=False, tls=None):
        self.on_disk = on_disk
        super().__init__(folder, tls)

    def arguments(self):
        arguments = ["-host", "127.0.0.1", "-port", self.port, "-log-level", "warn"]
        if self.tls:
            arguments += ["-scheme", "https", "-cert-location", self.tls.path("server"),
                          "-private-key-location", self.tls.path("server", "key")]
        else:
            arguments += ["-scheme", "http"]
        where = ["filesystem", "-filesystem-root", self.folder / "data"] if self.on_disk else ["memory"]
        return [*arguments, "-backend", *where]

    def new_bucket(self, versions=False):
        bucket = GcsBucket(self, new_name())
        bucket.make(versions=versions)
        return bucket

    def environment(self, bucket, endpoint=None):
        """What the product must be told: of a bucket or its name, through another endpoint."""
        found = {"GCS_BUCKET": str(bucket), "STORAGE_EMULATOR_HOST": endpoint or self.endpoint}
        if self.tls:
            found["TLS_CA_FILE"] = str(self.tls.path("authority"))
        return found
