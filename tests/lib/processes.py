"""Why this exists: "no process is left" is asked of the kernel, for every program that names a folder."""

import os
import pathlib
import time


def processes_naming(folder):
    """Command lines of running processes, this one apart, in which the folder's name stands."""
    found = []
    for entry in pathlib.Path("/proc").iterdir():
        if not entry.name.isdigit() or int(entry.name) == os.getpid():
            continue
        try:
            words = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue  # ended meanwhile
        if str(folder) in words:
            found.append(words)
    return found


def state_of(pid):
    """What each thread of the process and of its children waits for, in words of the kernel."""
    lines = []
    for task in sorted(pathlib.Path(f"/proc/{pid}/task").glob("*")):
        try:
            state = (task / "stat").read_text().rpartition(")")[2].split()[0]
            name, place = ((task / kind).read_text().strip() for kind in ("comm", "wchan"))
            call, children = ((task / kind).read_text().strip() for kind in ("syscall", "children"))
        except OSError:
            continue  # ended meanwhile
        lines.append(f"{name} {task.name}: {state} in {place}, system call {call}")
        lines += [f"  {line}" for child in children.split() for line in state_of(child)]
    return lines


def wait_until(condition, what, seconds=60):
    """Polls; an error that says `what` when it does not come true in time."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(f"not in {seconds} seconds: {what}")
        time.sleep(0.005)
