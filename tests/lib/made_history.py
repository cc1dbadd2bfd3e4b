"""Why this exists: which instants a repository can bring back depends on manifests and names alone. Made by hand,
they tell any story of fulls, incrementals, streams and losses, without waiting for a server to live through it."""

import datetime
import hashlib
import json

LOG_ID, IDENTITY = "9f3a", "7300000000000000001"
DAY = datetime.datetime(2024, 1, 15, tzinfo=datetime.timezone.utc)


def at(clock):
    """'14:30:00' of the day of all these stories, as microseconds since 1970."""
    hours, minutes, seconds = (int(part) for part in clock.split(":"))
    return int((DAY + datetime.timedelta(hours=hours, minutes=minutes, seconds=seconds)).timestamp()) * 1_000_000


def canonical(document):
    return json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def _digested(document):
    """Its own digest made anew; the MAC, which planning does not read, stays that of the template."""
    rest = {key: value for key, value in document.items() if key not in ("mac", "manifest_sha256")}
    return document | {"manifest_sha256": hashlib.sha256(canonical(rest).encode()).hexdigest()}


class MadeHistory:
    """A repository that says of itself what the test wants; bodies are copies of one small real backup."""

    def __init__(self, product, folder):
        folder.mkdir()
        (folder / "a.yaml").write_text("a: 1\n")
        self.product, self.last, self.log_id = product, None, LOG_ID
        product.run("backup", "config", env={"CONFIG_PATHS": f"{folder}"})
        (manifest,) = product.repository.glob("*.manifest.json")
        self.template = json.loads(manifest.read_text())
        self.objects = {path.name.removeprefix(self.template["name"]): path.read_bytes()
                        for path in product.repository.glob(f"{self.template['name']}*")}
        for path in product.repository.glob(f"{self.template['name']}*"):
            path.unlink()

    def _put(self, clock, kind, ranges, newest, covered, branches=(), consistent=False, parent=None):
        name = f"auth-service-backup-20240115_{clock.replace(':', '')}"
        log = {
            "engine": "postgresql", "id": self.log_id, "identity": IDENTITY,
            "ranges": [{"line": f"{line:08X}", "start": f"{start:016X}", "end": f"{end:016X}"} for line, start, end in ranges],
            "branches": [{"line": f"{line:08X}", "parent": f"{before:08X}", "at": f"{place:016X}"} for line, before, place in branches],
            "commits": 0 if newest is None else 1, "newest_commit_us": 0 if newest is None else at(newest),
            "covered_until_us": at(covered), "last_record": f"{ranges[-1][1]:016X}", "tail": {},
        }
        if consistent:
            line, _, end = ranges[-1]
            log["consistent"] = {"line": f"{line:08X}", "at": f"{end:016X}", "time_us": at(covered)}
        document = self.template | {
            "name": name, "id": hashlib.md5(name.encode()).hexdigest(), "type": kind, "log": log,
            "started_at": f"2024-01-15T{clock}.000Z", "finished_at": f"2024-01-15T{clock}.900Z",
        }
        if parent:
            document["parent"] = {"id": hashlib.md5(parent.encode()).hexdigest(), "name": parent}
        for suffix, content in self.objects.items():
            (self.product.repository / f"{name}{suffix}").write_bytes(content)
        (self.product.repository / f"{name}.manifest.json").write_text(canonical(_digested(document)) + "\n")
        self.last = name
        return name

    def full(self, clock, ranges, covered):
        return self._put(clock, "full", ranges, None, covered, consistent=True)

    def incremental(self, clock, ranges, newest, covered, branches=(), parent=None):
        return self._put(clock, "incremental", ranges, newest, covered, branches, parent=parent or self.last)

    def log_object(self, line, start, end, newest, covered):
        """An object of a stream: planning reads its name only."""
        folder = self.product.repository / "log" / self.log_id / "20240115"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{line:08X}-{start:016X}-{end:016X}-{at(newest):016X}-{at(covered):016X}.log").write_bytes(b"")

    def remove(self, name):
        for path in self.product.repository.glob(f"{name}*"):
            path.unlink()
