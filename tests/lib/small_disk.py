"""Why this exists: only a disk that is really full says what a full disk says, and when."""

import contextlib
import os
import subprocess

PAGE_BYTES = 4096


@contextlib.contextmanager
def small_disk(folder, size, inodes=None):
    """A file system in memory of `size` bytes and `inodes` files, mounted on `folder`; needs root."""
    folder.mkdir(exist_ok=True)
    options = f"size={size},mode=755" + (f",nr_inodes={inodes}" if inodes else "")
    subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", folder], check=True)
    try:
        yield folder
    finally:
        subprocess.run(["umount", folder], check=True)


def used_bytes(folder):
    found = os.statvfs(folder)
    return (found.f_blocks - found.f_bfree) * found.f_frsize
