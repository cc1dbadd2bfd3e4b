"""Why this exists: "nothing was lost and nothing was left" is a comparison of two states of a folder."""

import hashlib
import os
import stat


def folder_state(folder):
    """Of each thing below `folder`, by its relative name in bytes: kind, mode, and content or link target."""
    root = os.fsencode(folder)
    state = {}
    for parent, folders, files in os.walk(root):
        for name in folders + files:
            path = os.path.join(parent, name)
            state[os.path.relpath(path, root)] = node_state(path)
    return state


def node_state(path):
    found = os.lstat(path)
    if stat.S_ISLNK(found.st_mode):
        return "link", os.readlink(path)
    mode = stat.S_IMODE(found.st_mode)
    if not stat.S_ISREG(found.st_mode):
        return stat.filemode(found.st_mode)[0], mode
    with open(path, "rb") as file:
        return "file", mode, hashlib.file_digest(file, "sha256").hexdigest()


def names_below(folder):
    """Relative names, sorted; [] also when there is no such folder."""
    return sorted(os.fsdecode(name) for name in folder_state(folder))
