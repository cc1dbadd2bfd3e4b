"""Why this exists: an operator at 3 a.m. asks for the list first; here of 10,000 backups."""

import hashlib
import json
import pathlib

from measure import Contestant, compare, run_once

COUNT = 10_000


def canonical(document):
    return json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def renamed(document, name):
    """The same manifest under another name, its own digest made anew; the MAC, which list does not read, stays wrong."""
    rest = {key: value for key, value in document.items() if key not in ("mac", "manifest_sha256")} | {"name": name}
    return document | rest | {"manifest_sha256": hashlib.sha256(canonical(rest).encode()).hexdigest()}


def make_repository(binary, folder):
    """One real config backup, and its objects COUNT times under other names (the body as a hard link)."""
    environment = {"PATH": "/usr/bin:/bin", "BACKUP_DIR": f"{folder}/list", "LOG_DIR": f"{folder}/log", "CONFIG_PATHS": "/etc/hosts",
                   "BACKUP_ENCRYPTION_KEY": "0123456789abcdef" * 4}
    run_once(Contestant("one", f"{binary} backup --type config --quiet", environment=environment))
    repository = pathlib.Path(folder) / "list"
    (manifest,) = repository.glob("*.manifest.json")
    name = manifest.name.removesuffix(".manifest.json")
    document = json.loads(manifest.read_text())
    for number in range(COUNT - 1):
        copy = f"auth-service-backup-202401{1 + number // 1440:02}_{number // 60 % 24:02}{number % 60:02}00"
        (repository / f"{copy}.manifest.json").write_text(canonical(renamed(document, copy)) + "\n")
        for suffix in (".tar.gz.enc", ".index"):
            (repository / f"{copy}{suffix}").hardlink_to(repository / f"{name}{suffix}")
    return environment, len(list(repository.glob("*.manifest.json")))


def run(binary, folder):
    environment, count = make_repository(binary, folder)
    compare(f"List of {count} backups, and --help",
            [Contestant("list", f"{binary} list", environment=environment),
             Contestant("list --json", f"{binary} list --json", environment=environment),
             Contestant("--help", f"{binary} --help", environment=environment)], 5)
