"""Why this exists: root may write everywhere, so what an ordinary user meets is shown as one."""

import os
import shutil
import subprocess

from lib.postgres import hand_over, server_user
from lib.product import Finished


def run_as_server_user(product, *arguments, env=None, expect=0):
    """As Product.run, but as the user who runs the servers; its folders are given to that user."""
    # A checkout may lie where that user cannot enter.
    binary = shutil.copy(product.binary, product.folder / "auth-service-backup")
    hand_over(product.folder)
    user = server_user()
    identity = {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []} if os.geteuid() == 0 else {}
    command = [str(binary), *map(str, arguments)]
    done = subprocess.run(
        command, env=product.environment(env), cwd=product.folder, stdin=subprocess.DEVNULL, capture_output=True,
        text=True, timeout=120, **identity,
    )
    finished = Finished(command, done.returncode, done.stdout, done.stderr)
    product.check(finished, expect)
    return finished
