#!/usr/bin/env python3
"""Why this exists: the linker holds the direction between rooms only where a symbol is used; a header
alone can sneak past it. The asb_room lines of CMakeLists.txt are the one source of who may see whom.

Rules: a file includes only its own room and the rooms that its asb_room line names; a driver's
headers (engine/*/, store/*/, keys/*/) are seen by that driver, by tests and by src/app/drivers.cpp
alone (what drivers of one room share, store/remote, by any of them); a .cpp includes its own header first; an include in quotes names a file that is there, from
src/ or tests/; a header begins with #pragma once and says why it exists.

Usage: check_includes.py [ROOT]. Prints one line a finding; exit 1 when there is any.
"""

import pathlib
import re
import sys

INCLUDE = re.compile(r'^\s*#\s*include\s+(?:"([^"]+)"|<([^>]+)>)')
ROOM = re.compile(r"^\s*asb_room\(\s*(\w+)([^)]*)\)", re.MULTILINE)
ROOMS_OF_DRIVERS = ("engine", "store", "keys")
SHARED_BY_DRIVERS = ("store/remote",)
DRIVER_TABLE = "src/app/drivers.cpp"


def rooms_of(cmake_text):
    """{room: rooms it may include}, itself included; a USES of a room not yet declared is a finding."""
    rooms, findings = {}, []
    for name, arguments in ROOM.findall(cmake_text):
        words = arguments.split()
        uses = []
        if "USES" in words:
            for word in words[words.index("USES") + 1 :]:
                if word == "LIBRARIES":
                    break
                uses.append(word)
        findings += [
            f"CMakeLists.txt: room {name} uses {use}, which is not below it"
            for use in uses
            if use not in rooms
        ]
        rooms[name] = {name, *uses}
    return rooms, findings


def includes_of(text):
    """(line number, name, in quotes) of each include."""
    for number, line in enumerate(text.splitlines(), 1):
        match = INCLUDE.match(line)
        if match:
            yield number, match.group(1) or match.group(2), match.group(1) is not None


def driver_of(path):
    """"engine/postgres" for anything inside that folder, else None."""
    parts = path.split("/")
    return "/".join(parts[:2]) if len(parts) > 2 and parts[0] in ROOMS_OF_DRIVERS else None


def is_test(path):
    return path.startswith("tests/") or path.endswith("_test.cpp")


def check_include(path, name, rooms, root):
    """What is wrong with `path` including "name"; None when nothing is."""
    if name.startswith(".") or "/../" in name:
        return f'"{name}" is relative; name it from src/ or tests/'
    in_src, in_tests = (root / "src" / name).is_file(), (root / "tests" / name).is_file()
    if not in_src and not in_tests:
        return f'"{name}" is not there'
    if in_tests and not in_src:
        return None if is_test(path) else f'"{name}" belongs to the tests'
    target_driver = driver_of(name)
    if path.startswith("src/"):
        inside = path[len("src/") :]
        room, target_room = inside.split("/")[0], name.split("/")[0]
        if target_room not in rooms[room]:
            return f'"{name}": room {room} may not see {target_room}'
        if target_driver == driver_of(inside):
            return None
        if target_driver in SHARED_BY_DRIVERS and driver_of(inside) and room == target_room:
            return None
    if target_driver and not is_test(path) and path != DRIVER_TABLE:
        return f'"{name}": only {DRIVER_TABLE} names drivers'
    return None


def check_file(path, text, rooms, root):
    includes = list(includes_of(text))
    for number, name, quoted in includes:
        problem = check_include(path, name, rooms, root) if quoted else None
        if problem:
            yield f"{path}:{number}: {problem}"
    if path.startswith("src/") and path.endswith(".cpp") and not is_test(path):
        own = path[len("src/") : -len(".cpp")] + ".hpp"
        if (root / "src" / own).is_file() and (not includes or includes[0][1] != own):
            yield f'{path}:1: its own header "{own}" must be its first include'
    if path.endswith(".hpp"):
        head = text.splitlines()[:2] + ["", ""]
        if head[0] != "#pragma once" or not head[1].startswith("// Why this exists: "):
            yield f'{path}:1: a header begins with "#pragma once" and "// Why this exists: "'


def findings_of(root):
    rooms, findings = rooms_of((root / "CMakeLists.txt").read_text())
    yield from findings
    files = [p for top in ("src", "tests", "benches") for p in (root / top).rglob("*.[ch]pp")]
    for file in sorted(files):
        path = file.relative_to(root).as_posix()
        if path.startswith("src/") and path.split("/")[1] not in rooms:
            yield f"{path}:1: there is no asb_room for this folder"
            continue
        yield from check_file(path, file.read_text(), rooms, root)


def main():
    root = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else ".").resolve()
    findings = list(findings_of(root))
    print("\n".join(findings), end="\n" if findings else "")
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main())
