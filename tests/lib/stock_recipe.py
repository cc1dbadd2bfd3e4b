"""Why this exists: RESTORE.txt promises that a backup comes back without this product. Here its commands
are taken exactly as they are printed and run in one shell, by the user who runs servers."""

import os
import re
import subprocess

from lib.postgres import hand_over, server_user

INDENT = "    "


def commands(text):
    """The commands of the note by step: {1: "...", 2: "...", ...}."""
    steps, step = {}, None
    for line in text.splitlines():
        heading = re.match(r"([0-9])\. ", line)
        if heading:
            step = int(heading[1])
        if line.startswith(INDENT):
            steps.setdefault(step, []).append(line[len(INDENT):])
    return {number: "\n".join(lines) + "\n" for number, lines in steps.items()}


class StockRestore:
    """A repository in the hands of somebody who has only stock tools: openssl, tar, gzip, PostgreSQL's own."""

    def __init__(self, repository, programs):
        """`repository` must be a copy: it is given to the server's user. `programs`: the server's folder."""
        self.repository, self.programs = repository, programs
        hand_over(repository)
        self.steps = commands((repository / "RESTORE.txt").read_text())

    def run(self, steps, name, target, key=None, options="", **more):
        """Runs the steps in one shell, one after another; what they print to both ends, each by itself."""
        user = server_user()
        identity = {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []} if os.geteuid() == 0 else {}
        environment = {
            "PATH": f"{self.programs}:/usr/bin:/bin", "LC_ALL": "C.UTF-8", "TZ": "UTC", "NAME": name,
            "REPOSITORY": str(self.repository), "TARGET": str(target), "PG_OPTIONS": options, **more,
        }
        if key:
            environment["BACKUP_ENCRYPTION_KEY"] = key
        script = "".join(self.steps[step] for step in steps)
        done = subprocess.run(
            ["sh"], input=script, capture_output=True, text=True, cwd="/", timeout=120, env=environment, **identity
        )
        assert done.returncode == 0, f"{script}\nended with {done.returncode}\n{done.stdout}\n{done.stderr}"
        return done.stdout, done.stderr
