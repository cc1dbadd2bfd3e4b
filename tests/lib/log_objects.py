"""Why this exists: what a stream keeps is judged with stock tools and the format document alone: names are
taken apart, keys derived, MACs checked and bodies opened here, without a line of the product's code."""

import gzip
import hashlib
import hmac
import json
import pathlib
import re
import subprocess

NAME = re.compile(
    r"(?P<line>[0-9A-F]{8})-(?P<start>[0-9A-F]{16})-(?P<end>[0-9A-F]{16})"
    r"-(?P<newest>[0-9A-F]{16})-(?P<covered>[0-9A-F]{16})\.log(?P<gz>\.gz)?(?P<enc>\.enc)?"
)
WRONG_BODY = "the body is not what its header says"


def canonical(document):
    return json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def log_key(record, passphrase):
    """The log's key, from log.json and the operator's passphrase."""
    encryption = record["encryption"]
    derived = hashlib.pbkdf2_hmac(
        "sha256", passphrase.encode(), bytes.fromhex(encryption["salt"]), encryption["iterations"], 96
    )
    check = hmac.digest(derived[64:], b"kcv" + record["id"].encode(), "sha256")[:16]
    assert check.hex() == encryption["key_check"], "the passphrase is another one"
    return hmac.digest(derived[64:], b"asb-log-key-v1" + record["id"].encode(), "sha256")


class LogObject:
    """One object, taken apart. `plain()` opens it with openssl and gzip."""

    def __init__(self, repository, path, key):
        self.path, self.key = path, str(path.relative_to(repository))
        self._log_key = key
        named = NAME.fullmatch(path.name)
        assert named, f"{path.name} is no log object's name"
        self.line, self.start, self.end, self.newest, self.covered = (
            int(named[part], 16) for part in ("line", "start", "end", "newest", "covered")
        )
        self.encrypted = bool(named["enc"])
        header, _, self.body = path.read_bytes().partition(b"\n")
        assert len(header) < 4096
        self.header = json.loads(header)
        assert canonical(self.header) == header

    @property
    def passphrase(self):
        return hmac.digest(self._log_key, self.key.encode(), "sha256").hex()

    def check_mac(self):
        salt = bytes.fromhex(self.header["encryption"]["salt"])
        mac_key = hashlib.pbkdf2_hmac("sha256", self.passphrase.encode(), salt, 1, 96)[64:]
        unsigned = {name: value for name, value in self.header.items() if name != "mac"}
        expected = hmac.digest(mac_key, b"asb-log-v1" + canonical(unsigned), "sha256").hex()
        assert expected == self.header["mac"], f"the MAC of {self.key} does not fit"

    def plain(self):
        header = self.header
        assert hashlib.sha256(self.body).hexdigest() == header["body_sha256"], WRONG_BODY
        assert len(self.body) == header["body_length"], WRONG_BODY
        stored = self.body
        if self.encrypted:
            self.check_mac()
            stored = subprocess.run(
                ["openssl", "enc", "-d", "-aes-256-cbc", "-pbkdf2", "-iter", "1", "-md", "sha256", "-pass", "env:P"],
                input=stored, env={"P": self.passphrase}, check=True, stdout=subprocess.PIPE,
            ).stdout
        plain = gzip.decompress(stored) if header["compression"] == "gzip" else stored
        assert len(plain) == header["plain_bytes"], WRONG_BODY
        return plain


class StreamedLog:
    """What lies below log/ of the one log that a repository has."""

    def __init__(self, product):
        self.repository = pathlib.Path(product.repository)
        (record,) = self.repository.glob("log/*/log.json")
        self.folder = record.parent
        self.id = self.folder.name
        self.record = json.loads(record.read_text())
        self.key = log_key(self.record, product.key) if self.record["authenticated"] else None

    def objects(self):
        """All of them, by line and place."""
        found = []
        for path in self.folder.rglob("*.log*"):
            if path.name.startswith("."):
                continue  # not published
            try:
                found.append(LogObject(self.repository, path, self.key))
            except FileNotFoundError:
                pass  # merged meanwhile into a larger one
        return sorted(found, key=lambda one: (one.line, one.start, -one.end))

    def histories(self):
        return {
            int(path.stem, 16): json.loads(path.read_text())["branches"] for path in self.folder.glob("*.history")
        }

    def end(self):
        """How far one line after the other is covered without a gap, as (line, position)."""
        *_, (line, _, data) = self.contiguous()
        return line, self._starts[line] + len(data)

    def contiguous(self):
        """The bytes of each line, as (line, start, bytes); what overlaps must be the same bytes, and nothing
        may be missing between two objects of a line."""
        lines = {}
        self._starts = {}
        for one in self.objects():
            plain = one.plain()
            assert one.end - one.start == len(plain)
            start = self._starts.setdefault(one.line, one.start)
            kept = lines.setdefault(one.line, bytearray())
            at = one.start - start
            assert at <= len(kept), f"there is a gap before {one.key}"
            common = kept[at : at + len(plain)]
            assert plain[: len(common)] == common, f"{one.key} contradicts what is kept"
            kept += plain[len(common) :]
        return [(line, self._starts[line], bytes(data)) for line, data in sorted(lines.items())]
