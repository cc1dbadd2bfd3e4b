"""Why this exists: several commands are timed in turn, A B C A B C …, so that a noisy machine is noisy for all of them; what
is printed and compared are medians."""

import dataclasses
import os
import statistics
import subprocess
import time


@dataclasses.dataclass
class Run:
    seconds: float
    cpu_seconds: float
    peak_mib: float  # the largest single process


@dataclasses.dataclass
class Contestant:
    name: str
    command: str                   # for a shell
    before: object = None          # called before each run, not timed
    user: object = None            # subprocess arguments that make it another user
    environment: dict = None
    after: object = None           # called when it has ended well, not timed
    runs: list = dataclasses.field(default_factory=list)

    @property
    def seconds(self):
        return statistics.median(run.seconds for run in self.runs)

    @property
    def spread(self):
        return f"{min(r.seconds for r in self.runs):.2f}-{max(r.seconds for r in self.runs):.2f}"

    @property
    def cpu_seconds(self):
        return statistics.median(run.cpu_seconds for run in self.runs)

    @property
    def peak_mib(self):
        return max(run.peak_mib for run in self.runs)


def run_once(contestant):
    if contestant.before:
        contestant.before()
    with open("/tmp/asb-bench.log", "wb") as log:
        begin = time.monotonic()
        process = subprocess.Popen(
            ["bash", "-o", "pipefail", "-c", contestant.command], stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd="/",
            env={"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8", **(contestant.environment or {})}, **(contestant.user or {}))
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.monotonic() - begin
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        raise SystemExit(f"{contestant.name} ended with {process.returncode}:\n{open('/tmp/asb-bench.log').read()[-3000:]}")
    if contestant.after:
        contestant.after()
    return Run(seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024)


def compare(title, contestants, rounds):
    """Runs all in turn, `rounds` times; prints a table whose ratios are ours (the first) to each other."""
    for number in range(rounds + 1):
        for contestant in contestants:
            run = run_once(contestant)
            if number > 0:  # the first round warms caches
                contestant.runs.append(run)
    ours = contestants[0]
    print(f"\n## {title} (medians of {rounds})\n")
    print("| | seconds | min-max | client CPU s | peak MiB | ours / this |\n|---|---|---|---|---|---|")
    for c in contestants:
        print(f"| {c.name} | {c.seconds:.2f} | {c.spread} | {c.cpu_seconds:.2f} | {c.peak_mib:.0f} | {ours.seconds / c.seconds:.2f} |")
    return ours
