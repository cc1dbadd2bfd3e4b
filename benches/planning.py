"""Why this exists: an instant must be planned for at once, however long a log was streamed: here over 10,000 backups and a
million log objects, listing and memory included."""

import json
import pathlib

from figures import judge
from listing import make_repository, renamed
from measure import Contestant, compare

OBJECTS = 1_000_000
FIRST_SECOND = 1_704_067_200  # 2024-01-01T00:00:00Z


def point(number):
    return f"{number:016X}"


def microseconds(second):
    return (FIRST_SECOND + second) * 1_000_000


def log_of(number, count):
    """A base every OBJECTS / count positions; an object a position and a second."""
    at = number * OBJECTS // count
    consistent = {"line": "00000001", "at": point(at + 1), "time_us": microseconds(at + 1)}
    return {"engine": "postgresql", "id": "bench", "identity": "1", "branches": [], "tail": {}, "commits": 0,
            "ranges": [{"line": "00000001", "start": point(at), "end": point(at + 1)}], "consistent": consistent,
            "newest_commit_us": 0, "covered_until_us": microseconds(at + 1), "last_record": point(at)}


def make_history(repository):
    manifests = sorted(repository.glob("*.manifest.json"))
    for number, path in enumerate(manifests):
        document = json.loads(path.read_text()) | {"type": "full", "log": log_of(number, len(manifests))}
        path.write_text(json.dumps(renamed(document, document["name"]), sort_keys=True, separators=(",", ":")) + "\n")
    for number in range(OBJECTS):
        folder = repository / "log" / "bench" / f"202401{1 + number // 86400:02}"
        if number % 86400 == 0:
            folder.mkdir(parents=True)
        name = f"00000001-{point(number)}-{point(number + 1)}-{point(microseconds(number))}-{point(microseconds(number + 1))}.log"
        (folder / name).touch()


def run(binary, folder):
    folder = pathlib.Path(folder) / "planning"
    folder.mkdir()
    environment, count = make_repository(binary, folder)
    make_history(folder / "list")
    near, far = "2024-01-12T13:40:00Z", "2030-01-01T00:00:00Z"
    contestants = [
        Contestant("explain an instant near the end", f"{binary} explain {near}", environment=environment),
        Contestant("explain latest", f"{binary} explain latest", environment=environment),
        Contestant("explain what cannot be reached", f"{binary} explain {far} || test $? = 8", environment=environment),
        Contestant("list", f"{binary} list", environment=environment),
    ]
    compare(f"Planning over {count} backups and {OBJECTS} log objects", contestants, 5)
    for contestant in contestants:
        judge(f"{contestant.name}, seconds", contestant.seconds, at_most=2, unit=" s")
    judge("peak memory", max(contestant.peak_mib for contestant in contestants), at_most=256, unit=" MiB", digits=0)
