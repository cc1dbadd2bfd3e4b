"""Why this exists: a scenario test runs the very binary that users run, in a clean environment, and no
secret may ever show in what it prints or logs: that is checked after each run, whatever the test is about.
"""

import json
import os
import pathlib
import secrets
import signal
import subprocess
from urllib.parse import quote, unquote, urlsplit

from lib.processes import state_of

REPOSITORY = pathlib.Path(__file__).resolve().parents[2]
SECRET_LENGTH_MIN = 8  # shorter ones are found by chance
KEY_NAME = "BACKUP_ENCRYPTION_KEY"


class Finished:
    """How a run ended: `code` (128 + N after signal N), `out`, `err`."""

    def __init__(self, command, code, out, err):
        self.command = command
        self.code = code if code >= 0 else 128 - code
        self.out = out
        self.err = err

    def json(self):
        """stdout as the one JSON document that --json promises."""
        return json.loads(self.out)

    def __repr__(self):
        return f"{' '.join(self.command)}\nended with {self.code}\n-- stdout\n{self.out}\n-- stderr\n{self.err}"


class Running:
    """A run that goes on while the test does something else."""

    def __init__(self, product, command, process, out, err):
        self.product, self.command, self.process = product, command, process
        self._out, self._err = out, err

    def signal(self, number=signal.SIGTERM):
        self.process.send_signal(number)

    def kill(self):
        self.process.kill()

    def err_so_far(self):
        return self._err.read_text(errors="replace")

    def wait(self, expect=0, timeout=120):
        """Waits for the end; the same checks as Product.run."""
        try:
            code = self.process.wait(timeout)
        except subprocess.TimeoutExpired as error:
            waits = "\n".join(state_of(self.process.pid))
            self.process.kill()
            self.process.wait()
            raise AssertionError(f"{error}\n{waits}\n-- stderr\n{self.err_so_far()}") from None
        done = Finished(self.command, code, self._out.read_text(errors="replace"), self.err_so_far())
        self.product.check(done, expect)
        return done


class Product:
    """The binary with a repository, a log folder and a key of its own, below `folder`."""

    def __init__(self, folder, binary=None, database_url=""):
        self.folder = pathlib.Path(folder)
        self.binary = pathlib.Path(
            binary or os.environ.get("ASB_BINARY") or REPOSITORY / "build/release/auth-service-backup"
        )
        if not os.access(self.binary, os.X_OK):
            raise FileNotFoundError(f"{self.binary} is not there; hint: ./dev build, or name it in ASB_BINARY")
        self.repository = self.folder / "repo"
        self.logs = self.folder / "log"
        self.temporary = self.folder / "tmp"
        for place in (self.folder, self.temporary):
            place.mkdir(parents=True, exist_ok=True)
        self.key = secrets.token_hex(32)
        self.database_url = database_url
        self._secrets = set()
        self._runs = 0

    def keep_secret(self, *texts):
        """Texts that may never show in any output or log from now on."""
        for text in texts:
            if len(text) < SECRET_LENGTH_MIN:
                raise ValueError(f"a secret of {len(text)} characters would be found by chance")
            self._secrets |= {text, quote(text, safe="")}

    def environment(self, changes=None):
        """The whole environment of a run. `changes`: more names, or None to take one out."""
        environment = {
            "PATH": "/usr/local/bin:/usr/bin:/bin",
            "HOME": str(self.folder),
            "TMPDIR": str(self.temporary),
            "LC_ALL": "C.UTF-8",
            "BACKUP_DIR": str(self.repository),
            # The disk under a test may be as full as it likes.
            "BACKUP_DIR_LIMIT_PERCENT": "100",
            "LOG_DIR": str(self.logs),
            KEY_NAME: self.key,
            "DATABASE_URL": self.database_url,
        }
        # Sanitizers are told by the environment what to do with what they find.
        environment |= {k: v for k, v in os.environ.items() if k.split("_")[0] in ("ASAN", "UBSAN", "TSAN", "LSAN")}
        environment |= {k: str(v) for k, v in (changes or {}).items() if v is not None}
        for name in [k for k, v in (changes or {}).items() if v is None]:
            environment.pop(name, None)
        self._learn_secrets(environment)
        return environment

    def _learn_secrets(self, environment):
        for name, value in environment.items():
            if name == KEY_NAME and len(value) >= SECRET_LENGTH_MIN:
                self.keep_secret(value)
            if name.endswith("_URL"):
                password = unquote(urlsplit(value).password or "")
                if len(password) >= SECRET_LENGTH_MIN:
                    self.keep_secret(password)

    def run(self, *arguments, env=None, expect=0, timeout=120):
        """Runs to the end. `expect`: the exit code, several in a tuple, or None for any."""
        return self.popen(*arguments, env=env).wait(expect, timeout)

    def popen(self, *arguments, env=None):
        """Starts; what it prints goes to files, so that nothing waits for a reader."""
        self._runs += 1
        out, err = (self.folder / f"run-{self._runs}.{end}" for end in ("out", "err"))
        command = [str(self.binary), *map(str, arguments)]
        with open(out, "wb") as out_file, open(err, "wb") as err_file:
            process = subprocess.Popen(
                command, env=self.environment(env), cwd=self.folder, stdin=subprocess.DEVNULL,
                stdout=out_file, stderr=err_file,
            )
        return Running(self, command, process, out, err)

    def check(self, done, expect):
        """Raises when a secret shows or the exit code is not one of those expected."""
        self.check_secrets(done)
        expected = (expect,) if isinstance(expect, int) else expect
        if expected is not None and done.code not in expected:
            raise AssertionError(f"expected exit code {' or '.join(map(str, expected))}\n{done!r}")

    def check_secrets(self, done):
        places = {"stdout": done.out, "stderr": done.err, "the command line": " ".join(done.command)}
        for path in sorted(self.logs.rglob("*")) if self.logs.is_dir() else []:
            if path.is_file():
                places[str(path)] = path.read_text(errors="replace")
        for place, text in places.items():
            for secret in self._secrets:
                if secret in text:
                    raise AssertionError(f"a secret shows in {place} of: {' '.join(done.command)}")

    def objects(self, pattern="*"):
        """The repository's files by relative name, sorted."""
        return sorted(
            str(path.relative_to(self.repository)) for path in self.repository.rglob(pattern) if path.is_file()
        )
