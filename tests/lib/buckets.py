"""Why this exists: what the product did to a bucket is seen with Amazon's own library, and with plain requests to
Google's JSON API; neither is the product's code."""

import base64
import datetime
import hashlib
import json
from urllib.parse import quote

import boto3
from botocore.config import Config


def s3_client(endpoint, keys, region, ca_file=None, service="s3"):
    return boto3.client(
        service, endpoint_url=endpoint, region_name=region, verify=ca_file,
        aws_access_key_id=keys.access_key, aws_secret_access_key=keys.secret_key,
        aws_session_token=keys.token or None,
        config=Config(s3={"addressing_style": "path"}, retries={"max_attempts": 2}, proxies={}),
    )


class S3Bucket:
    """str() of it is its name; `client`: boto3's, for what is not here."""

    def __init__(self, client, name):
        self.client, self.name = client, name
        self._md5_by_tag = {}

    def __str__(self):
        return self.name

    def make(self, versions=False, lock=False):
        self.client.create_bucket(Bucket=self.name, ObjectLockEnabledForBucket=lock)
        if versions and not lock:
            self.client.put_bucket_versioning(Bucket=self.name, VersioningConfiguration={"Status": "Enabled"})

    def _pages(self, operation, field, **arguments):
        pages = self.client.get_paginator(operation).paginate(Bucket=self.name, **arguments)
        return [found for page in pages for found in page.get(field, [])]

    def keys(self, prefix=""):
        return sorted(found["Key"] for found in self._pages("list_objects_v2", "Contents", Prefix=prefix))

    def digests(self, prefix=""):
        """The MD5 of each object by its key."""
        found = {one["Key"]: one["ETag"].strip('"') for one in self._pages("list_objects_v2", "Contents", Prefix=prefix)}
        return {key: self._md5(key, tag) if "-" in tag else tag for key, tag in found.items()}

    def _md5(self, key, tag):
        """Of one that came in parts: its tag is a digest of their digests, the same for the same bytes."""
        if tag not in self._md5_by_tag:
            self._md5_by_tag[tag] = hashlib.md5(self.read(key)).hexdigest()
        return self._md5_by_tag[tag]

    def read(self, key, version=None):
        chosen = {"VersionId": version} if version else {}
        return self.client.get_object(Bucket=self.name, Key=key, **chosen)["Body"].read()

    def look(self, key):
        """What HEAD says of it, with its checksum: StorageClass, ServerSideEncryption, ObjectLockMode, Metadata, …"""
        return self.client.head_object(Bucket=self.name, Key=key, ChecksumMode="ENABLED")

    def write(self, key, body, **arguments):
        return self.client.put_object(Bucket=self.name, Key=key, Body=body, **arguments)

    def delete(self, key, version=None):
        self.client.delete_object(Bucket=self.name, Key=key, **({"VersionId": version} if version else {}))

    def clear(self, prefix):
        """Removes what is below, without its versions."""
        keys = [{"Key": key} for key in self.keys(prefix)]
        if keys:
            self.client.delete_objects(Bucket=self.name, Delete={"Objects": keys, "Quiet": True})

    def versions(self, prefix=""):
        """(key, version id) of all that is there, the old and the new."""
        found = self._pages("list_object_versions", "Versions", Prefix=prefix)
        return sorted((version["Key"], version["VersionId"]) for version in found)

    def delete_markers(self, prefix=""):
        found = self._pages("list_object_versions", "DeleteMarkers", Prefix=prefix)
        return sorted((marker["Key"], marker["VersionId"]) for marker in found)

    def uploads(self, key=""):
        """Keys of uploads in parts that were begun and neither completed nor aborted. MinIO lists those of one key
        only, moto lists all."""
        return sorted(found["Key"] for found in self._pages("list_multipart_uploads", "Uploads", Prefix=key))

    def begin_upload(self, key):
        """One that nobody will complete; its id."""
        return self.client.create_multipart_upload(Bucket=self.name, Key=key)["UploadId"]

    def set_policy(self, *statements):
        """Each a statement's fields, without those that every one of them has: for everybody, on all objects."""
        everything = [f"arn:aws:s3:::{self.name}", f"arn:aws:s3:::{self.name}/*"]
        common = {"Principal": {"AWS": ["*"]}, "Resource": everything}
        policy = {"Version": "2012-10-17", "Statement": [{**common, **statement} for statement in statements]}
        self.client.put_bucket_policy(Bucket=self.name, Policy=json.dumps(policy))

    def lock_by_default(self, days, mode="GOVERNANCE"):
        """Everything written from now on is locked for so long; the bucket must have been made with `lock`."""
        self.client.put_object_lock_configuration(Bucket=self.name, ObjectLockConfiguration={
            "ObjectLockEnabled": "Enabled", "Rule": {"DefaultRetention": {"Mode": mode, "Days": days}}})

    def lock(self, key, seconds, mode="GOVERNANCE"):
        """Locks the newest version for so long from now on."""
        until = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=seconds)
        self.client.put_object_retention(
            Bucket=self.name, Key=key, Retention={"Mode": mode, "RetainUntilDate": until})

    def hold(self, key, on=True):
        self.client.put_object_legal_hold(Bucket=self.name, Key=key, LegalHold={"Status": "ON" if on else "OFF"})


class GcsBucket:
    """str() of it is its name. `server`: a FakeGcs."""

    def __init__(self, server, name):
        self.server, self.name = server, name

    def __str__(self):
        return self.name

    def make(self, versions=False):
        self.server.request("POST", "/storage/v1/b?project=test",
                            {"name": self.name, "versioning": {"enabled": versions}})

    def _ask(self, method, rest="", document=None):
        return self.server.request(method, f"/storage/v1/b/{self.name}/o{rest}", document)

    def _list(self, prefix, query=""):
        found, page = [], ""
        while True:
            more = f"&pageToken={quote(page, safe='')}" if page else ""
            answer = json.loads(self._ask("GET", f"?prefix={quote(prefix, safe='')}{query}{more}"))
            found += answer.get("items", [])
            page = answer.get("nextPageToken", "")
            if not page:
                return found

    def keys(self, prefix=""):
        return sorted(found["name"] for found in self._list(prefix))

    def digests(self, prefix=""):
        """The MD5 of each object by its key."""
        return {found["name"]: base64.b64decode(found["md5Hash"]).hex() for found in self._list(prefix)}

    def look(self, key):
        """The object's resource: size, crc32c, generation, storageClass, metadata, temporaryHold, …"""
        return json.loads(self._ask("GET", f"/{quote(key, safe='')}"))

    def read(self, key, generation=None):
        chosen = f"&generation={generation}" if generation else ""
        return self._ask("GET", f"/{quote(key, safe='')}?alt=media{chosen}")

    def write(self, key, body):
        target = f"/upload/storage/v1/b/{self.name}/o?uploadType=media&name={quote(key, safe='')}"
        self.server.request_bytes("POST", target, body)

    def delete(self, key, generation=None):
        self._ask("DELETE", f"/{quote(key, safe='')}" + (f"?generation={generation}" if generation else ""))

    def clear(self, prefix):
        """Removes what is below."""
        for key in self.keys(prefix):
            self.delete(key)

    def versions(self, prefix=""):
        """(key, generation) of all that is there, the old and the new."""
        return sorted((found["name"], found["generation"]) for found in self._list(prefix, "&versions=true"))

    def change(self, key, **fields):
        """Of the object's resource, as temporaryHold=True."""
        return json.loads(self._ask("PATCH", f"/{quote(key, safe='')}", fields))
