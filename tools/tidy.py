#!/usr/bin/env python3
"""Why this exists: clang-tidy needs some seconds a file; a file that it found clean, and of which
nothing it includes has changed since, need not be read again. Most of the time goes into headers, so
some files of one folder are read as one; when that finds anything, its halves are read, and so on.

Usage: tidy.py BUILD_FOLDER [JOBS], in the folder of the project. The build folder must be configured with
clang and without precompiled headers (the tidy preset): its compile_commands.json says how a file is
compiled. clang's own warnings are findings as well. Remembers clean files in BUILD_FOLDER/clean/. Prints what clang-tidy finds; exit 1 when there is any.
"""

import collections
import concurrent.futures
import functools
import hashlib
import json
import os
import pathlib
import re
import shlex
import subprocess
import sys
import tempfile

TIDY = "clang-tidy-14"
FILES_AS_ONE = 8  # more saves little more, and clashes of names become likely
Work = collections.namedtuple("Work", "source marker command folder")

# What tests need not obey. The analyzer costs as much as everything else together, and what it would find
# in a test the sanitizers meet when they run it; a test may set its environment, alone in its process, and
# need not reserve memory.
NOT_IN_TESTS = "--checks=-clang-analyzer-*,-concurrency-mt-unsafe,-performance-inefficient-vector-operation"


INCLUDE = re.compile(r'^\s*#\s*include\s+"([^"]+)"', re.MULTILINE)


@functools.lru_cache(maxsize=None)
def included(path):
    """The files of ours that a file of ours includes directly."""
    places = [path.parent, pathlib.Path("src"), pathlib.Path("tests")]
    found = []
    for name in INCLUDE.findall(path.read_text()):
        found += [place / name for place in places if (place / name).exists()][:1]
    return found


def dependencies(source):
    """The file and all of ours that goes into it."""
    known, todo = set(), [pathlib.Path(source)]
    while todo:
        path = todo.pop()
        if path not in known:
            known.add(path)
            todo += included(path)
    return sorted(known)


@functools.lru_cache(maxsize=None)
def fingerprint(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


@functools.lru_cache(maxsize=None)
def version():
    return subprocess.run([TIDY, "--version"], capture_output=True, text=True, check=True).stdout


def key_of(command, source):
    rules = [fingerprint(pathlib.Path(name)) for name in (".clang-tidy", "tools/tidy.py")]
    text = "\n".join([command, version(), *rules, *map(fingerprint, dependencies(source))])
    return hashlib.sha256(text.encode()).hexdigest()


def checks_of(source):
    return NOT_IN_TESTS if is_test(source) else "--checks="


def is_test(source):
    return bool(re.search(r"^tests/|_test\.cpp$", source))


def run_tidy(build, source):
    run = subprocess.run(
        [TIDY, "-p", build, "--quiet", checks_of(source), source], stdin=subprocess.DEVNULL,
        capture_output=True, text=True, check=False,
    )
    return run.returncode, run.stdout.strip() or run.stderr.strip()


def included_as(number, source):
    """Every fuzz target has the one function that libFuzzer calls."""
    name = "LLVMFuzzerTestOneInput"
    return f'#define {name} {name}{number}\n#include "{os.path.abspath(source)}"\n#undef {name}\n'


def is_clean_as_one(work):
    """Whether the files of `work`, included one after the other, give no finding. Names of theirs may clash
    then, and so False says nothing."""
    words = shlex.split(work[0].command)
    flags = [word for at, word in enumerate(words) if at > 0 and word not in ("-c", "-o") and words[at - 1] not in ("-c", "-o")]
    checks = checks_of(work[0].source) + ",-bugprone-suspicious-include"
    with tempfile.NamedTemporaryFile("w", suffix=".cpp") as whole:
        whole.writelines(included_as(number, each.source) for number, each in enumerate(work))
        whole.flush()
        run = subprocess.run(
            [TIDY, "--quiet", f"--config-file={os.path.abspath('.clang-tidy')}", checks, whole.name, "--", *flags],
            stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, cwd=work[0].folder,
        )
    return run.returncode == 0


def read_group(build, work):
    """[(work, status, text)]"""
    if len(work) == 1:
        return [(work[0], *run_tidy(build, work[0].source))]
    if is_clean_as_one(work):
        return [(each, 0, "") for each in work]
    half = len(work) // 2  # apart, names that clash may not
    return read_group(build, work[:half]) + read_group(build, work[half:])


def groups(todo):
    """Of one folder and one kind, at most FILES_AS_ONE."""
    alike = collections.defaultdict(list)
    for work in todo:
        alike[os.path.dirname(work.source), is_test(work.source)].append(work)
    for files in alike.values():
        count = -(-len(files) // FILES_AS_ONE)
        yield from (files[at::count] for at in range(count))


def findings(text):
    """The parts of clang-tidy's output: each finding with the lines that explain it."""
    return [part.rstrip() for part in re.split(r"(?m)^(?=\S+:\d+:\d+: (?:error|warning):)", text) if part.strip()]


def pending(build):
    """The Work of each file of src/ and tests/ that is not known to be clean; once, however many programs
    it is part of."""
    commands = json.loads(pathlib.Path(build, "compile_commands.json").read_text())
    for command in {each["file"]: each for each in commands}.values():
        source = os.path.relpath(command["file"])
        if not re.match(r"(src|tests)/", source):
            continue
        marker = pathlib.Path(build, "clean", key_of(command["command"], source))
        if not marker.exists():
            yield Work(source, marker, command["command"], command["directory"])


def main():
    build = sys.argv[1]
    jobs = int(sys.argv[2]) if len(sys.argv) > 2 else os.cpu_count()
    pathlib.Path(build, "clean").mkdir(exist_ok=True)
    todo, bad, shown = list(pending(build)), 0, set()
    with concurrent.futures.ThreadPoolExecutor(jobs) as pool:
        runs = [pool.submit(read_group, build, work) for work in groups(todo)]
        for work, status, text in (each for run in concurrent.futures.as_completed(runs) for each in run.result()):
            if status == 0:
                work.marker.touch()
            elif status != 0:
                bad += 1
                # What stands in a header is found again by each file that includes it; said once.
                new = [finding for finding in findings(text) if finding not in shown]
                shown.update(new)
                print("\n".join([work.source, *new]), flush=True)
    print(f"{len(todo)} files read, {bad} with findings")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
