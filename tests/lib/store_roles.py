"""Why this exists: docs/store-rights.md is run by tests. Here is how: its files, its commands, the product as one of its
roles, and what the clouds want for each request, which their emulators do not tell apart or do not ask for at all."""

import fnmatch
import json
import re
import subprocess
import sys

from lib.folder_state import folder_state
from lib.local_http import Answer, LocalHttp
from lib.places import QUICK
from lib.product import REPOSITORY, Product
from lib.stored_backup import random_files

PAGE = (REPOSITORY / "docs/store-rights.md").read_text()
AMAZON, GOOGLE = PAGE.split("\n## Google Cloud Storage\n")
BUCKET, PREFIX = "example-backups", "auth/"
# More than one part, so that it is uploaded in parts.
FILES_MIB = 17


def json_files(text):
    """{name: document} of the page's JSON, each under the name that stands last before it."""
    found = {}
    for match in re.finditer(r"^```json\n(.*?)^```$", text, re.MULTILINE | re.DOTALL):
        found[re.findall(r"`([a-z-]+\.json)`", text[:match.start()])[-1]] = json.loads(match.group(1))
    return found


def run_page(text, folder, environment, **instead):
    """All of the page's commands in order, beside its files; `instead`: what stands for a host of the cloud's."""
    for name, document in json_files(text).items():
        (folder / name).write_text(json.dumps(document))
    aws = folder / "aws"
    aws.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m awscli "$@"\n')
    aws.chmod(0o755)
    script = "\n".join(re.findall(r"^```sh\n(.*?)^```$", text, re.MULTILINE | re.DOTALL))
    for host, url in instead.items():
        script = script.replace(f"https://{host}.googleapis.com", url)
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script], cwd=folder, capture_output=True, text=True, timeout=120,
        env={"PATH": f"{folder}:/usr/bin:/bin", "HOME": str(folder), **environment},
    )
    assert done.returncode == 0, f"{script}\n{done.stdout}\n{done.stderr}"


class Roles(Product):
    """The product as one of the roles, with one bucket behind `proxy`, and a folder of files to back up."""

    def __init__(self, folder, proxy, settings):
        super().__init__(folder)
        self.proxy = proxy
        self.files = random_files(self.folder / "config", FILES_MIB)
        self.settings = QUICK | {"BACKUP_DIR": "none", "DATABASE_URL": None, "CONFIG_PATHS": self.files} | settings

    def environment(self, changes=None):
        return super().environment(self.settings | (changes or {}))

    def names(self):
        return [backup["name"] for backup in self.run("list", "--json").json()["backups"]]

    def restores(self, name, place):
        """What comes back is what was there."""
        self.run("restore", "--backup-file", name, "--components", "config", "--files-dir", place)
        assert folder_state(f"{place}/config{self.files}") == folder_state(self.files)

    def reads_all(self, place):
        """Everything that a reader may do."""
        names = self.names()
        for name in names:
            self.run("verify", name)
        self.run("verify", "--shallow", names[-1])
        self.restores(names[-1], place)
        return names


# -- Amazon -------------------------------------------------------------------------------------------


def actions_of(seen):
    """What Amazon wants for a request ("Actions, resources, and condition keys for Amazon S3"), and on what."""
    key = seen.path.removeprefix(f"/{BUCKET}").removeprefix("/")
    target = f"arn:aws:s3:::{BUCKET}" + (f"/{key}" if key else "")
    query = seen.query
    if not key and seen.method == "POST":
        return ["s3:DeleteObject", "s3:DeleteObjectVersion"], f"arn:aws:s3:::{BUCKET}/{PREFIX}*"
    if not key:
        named = {"versions": "s3:ListBucketVersions", "uploads": "s3:ListBucketMultipartUploads",
                 "versioning": "s3:GetBucketVersioning", "object-lock": "s3:GetBucketObjectLockConfiguration"}
        return [next((named[name] for name in query if name in named), "s3:ListBucket")], target
    version = "Version" if "versionId" in query else ""
    if seen.method in ("GET", "HEAD"):
        return [f"s3:GetObject{version}"], target
    if seen.method == "DELETE":
        return ["s3:AbortMultipartUpload" if "uploadId" in query else f"s3:DeleteObject{version}"], target
    more = {"x-amz-object-lock-mode": "s3:PutObjectRetention", "x-amz-object-lock-legal-hold": "s3:PutObjectLegalHold"}
    return ["s3:PutObject", *(action for header, action in more.items() if header in seen.headers)], target


def allows(policy, action, target):
    def lists(value):
        return value if isinstance(value, list) else [value]

    return any(action in lists(statement["Action"]) and
               any(fnmatch.fnmatchcase(target, resource) for resource in lists(statement["Resource"]))
               for statement in policy["Statement"])


def allows_all(policy, seen):
    actions, target = actions_of(seen)
    return all(allows(policy, action, target) for action in actions)


def used(product):
    """The rights that were used."""
    return {action for seen in product.proxy.seen if seen.status != 403 for action in actions_of(seen)[0]}


def refused(product):
    """Those that it asked for in vain."""
    return {action for seen in product.proxy.seen if seen.status == 403 for action in actions_of(seen)[0]}


def named(policy):
    return {action for statement in policy["Statement"] for action in statement["Action"]}


# -- Google -------------------------------------------------------------------------------------------

# The storage.objects permissions of Google's own roles that the page names ("IAM roles for Cloud Storage").
GOOGLES_ROLES = {
    "roles/storage.objectViewer": {"storage.objects.get", "storage.objects.list"},
    "roles/storage.objectCreator": {"storage.objects.create"},
    "roles/storage.legacyBucketOwner": set(),
}
OBJECTS = f"projects/_/buckets/{BUCKET}/objects/"


class Rights(LocalHttp):
    """Where roles are made and given; the emulator has no such thing. The last of each by its path."""

    def __init__(self):
        super().__init__()
        self.documents = {}

    def answer(self, asked):
        document = json.loads(asked.body)
        if asked.headers.get("authorization") != "Bearer token-of-a-test":
            return Answer.json({}, 401)
        self.documents[f"{asked.method} {asked.path} {document.get('roleId', '')}".strip()] = document
        return Answer.json(document)


def needs_of(seen):
    """What Google wants for a request ("IAM permissions for JSON methods"), and on which object."""
    if "upload_id" in seen.query:
        return [], ""  # its URL is right enough
    place, _, name = seen.path.partition(f"/b/{BUCKET}/o")
    name = seen.query.get("name", "") if seen.method == "POST" else name.removeprefix("/")
    if seen.method == "POST":
        overwrites = seen.query.get("ifGenerationMatch") != "0"
        return ["storage.objects.create", *["storage.objects.delete"] * overwrites], name
    if seen.method == "DELETE":
        return ["storage.objects.delete"], name
    if name:
        return ["storage.objects.get"], name
    return ["storage.objects.list" if seen.path.endswith("/o") else "storage.buckets.get"], ""


def permissions_on(rights, role, name):
    """Of the service account of that name, with an object of that name ("": with the bucket)."""
    own = {f"projects/example-project/roles/{document['roleId']}": set(document["role"]["includedPermissions"])
           for document in rights.values() if "roleId" in document}
    found = set()
    for binding in rights[f"PUT /storage/v1/b/{BUCKET}/iam"]["bindings"]:
        member = f"serviceAccount:{role}@example-project.iam.gserviceaccount.com"
        condition = binding.get("condition", {"expression": "resource.name.startsWith('')"})["expression"]
        (begin,) = re.fullmatch(r"resource\.name\.startsWith\('(.*)'\)", condition).groups()
        if member in binding["members"] and (OBJECTS + name).startswith(begin):
            found |= (GOOGLES_ROLES | own)[binding["role"]]
    return found


def used_at_google(product):
    return {permission for seen in product.proxy.seen if seen.status != 403 for permission in needs_of(seen)[0]}
