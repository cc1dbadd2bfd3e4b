#!/usr/bin/env python3
"""Why this exists: what is committed must be finished and must work on any machine, so no file holds
a marker of unfinished work, a path of one developer's machine, or the host of one package registry, and
a link from one page to another leads somewhere.

Usage: check_text.py [ROOT]. Prints one line a finding; exit 1 when there is any.
"""

import pathlib
import re
import shutil
import subprocess
import sys

# Put together from halves, so that this file does not find itself.
RULES = [
    ("unfinished work", re.compile(r"\b(?:TO" r"DO|FIX" r"ME|XX" r"X|HA" r"CK)\b")),
    ("a machine's path", re.compile(r"(?<![\w.})$*-])/(?:wo" r"rk|ro" r"ot|home/[a-z]\w*)(?=[/\s\"'`)]|$)")),
    ("a registry's host", re.compile(r"\b(?:registry\.npm" r"js|py" r"pi\.org|pythonhosted\.org|deb\.debi" r"an|proxy\.gol" r"ang|crates\." r"io)\b")),
    ("white space at the end", re.compile(r"[ \t]+$")),
    ("a conflict marker", re.compile(r"^(?:<{7}|>{7}) ")),
]
BINARY = {".enc", ".gz", ".tar", ".tgz", ".png", ".bin", ".index"}
NOT_OURS = {".git", "build", ".cache", "__pycache__"}
LINK = re.compile(r"\]\(([^)#:\s]+)(?:#[^)]*)?\)")
LINES_MAX = 400  # of a source file that is to tell one story


def committed_files(root):
    """What git knows or would add; without git, everything outside the folders of build products."""
    if (root / ".git").exists() and shutil.which("git"):
        listing = subprocess.run(
            ["git", "-c", "safe.directory=*", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
            cwd=root, capture_output=True, check=True,
        )
        names = {name.decode() for name in listing.stdout.split(b"\0") if name}
        return sorted(root / name for name in names)
    return sorted(p for p in root.rglob("*") if not NOT_OURS & set(p.relative_to(root).parts))


def is_text(path):
    return path.is_file() and not path.is_symlink() and path.suffix not in BINARY


def findings_of(root):
    for path in filter(is_text, committed_files(root)):
        name = path.relative_to(root).as_posix()
        if "/corpus/" in name or name.startswith("tests/golden/"):
            continue
        try:
            lines = path.read_bytes().decode("utf-8").split("\n")
        except UnicodeDecodeError:
            yield f"{name}:1: not UTF-8 text"
            continue
        for number, line in enumerate(lines, 1):
            for what, pattern in RULES:
                if pattern.search(line):
                    yield f"{name}:{number}: {what}: {line.strip()[:80]}"
            for target in LINK.findall(line) if path.suffix == ".md" else []:
                if not (path.parent / target).exists():
                    yield f"{name}:{number}: a link to nowhere: {target}"
        if lines[-1] != "":
            yield f"{name}:{len(lines)}: no newline at the end"
        if name.startswith("src/") and len(lines) - 1 > LINES_MAX:
            yield f"{name}:1: {len(lines) - 1} lines; a file of src/ has at most {LINES_MAX}"


def main():
    root = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else ".").resolve()
    findings = list(findings_of(root))
    print("\n".join(findings), end="\n" if findings else "")
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main())
