#!/usr/bin/env python3
"""Why this exists: a checker that finds nothing proves nothing, so each rule is shown one offender."""

import pathlib
import tempfile
import unittest

import check_includes
import check_text

ROOMS = """
asb_room(base USES LIBRARIES fmt::fmt)
asb_room(engine USES base
         LIBRARIES PostgreSQL::PostgreSQL)
asb_room(app USES base engine)
"""
HEADER = "#pragma once\n// Why this exists: to be included.\n"


class Tree(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.root = pathlib.Path(folder.name)
        self.write("CMakeLists.txt", ROOMS)
        for header in ("base/text", "engine/engine", "engine/postgres/driver", "app/main"):
            self.write(f"src/{header}.hpp", HEADER)

    def write(self, path, text):
        (self.root / path).parent.mkdir(parents=True, exist_ok=True)
        (self.root / path).write_text(text)


class Includes(Tree):
    def findings(self, path, text):
        self.write(path, text)
        return list(check_includes.findings_of(self.root))

    def test_a_room_sees_itself_and_the_rooms_below(self):
        text = '#include "engine/engine.hpp"\n#include <vector>\n#include "base/text.hpp"\n'
        self.assertEqual(self.findings("src/engine/engine.cpp", text), [])

    def test_a_room_does_not_see_a_room_above(self):
        found = self.findings("src/base/text.cpp", '#include "base/text.hpp"\n#include "app/main.hpp"\n')
        self.assertEqual(found, ['src/base/text.cpp:2: "app/main.hpp": room base may not see app'])

    def test_only_the_table_of_drivers_names_a_driver(self):
        line = '#include "engine/postgres/driver.hpp"\n'
        self.assertEqual(self.findings("src/app/drivers.cpp", line), [])
        self.assertEqual(self.findings("src/engine/postgres/driver.cpp", line), [])
        self.assertEqual(self.findings("tests/server/driver_test.cpp", line), [])
        found = self.findings("src/app/other.cpp", line)
        self.assertEqual(len(found), 1)
        self.assertIn("only src/app/drivers.cpp names drivers", found[0])

    def test_a_driver_does_not_see_another(self):
        found = self.findings("src/engine/fileset/x.cpp", '#include "engine/postgres/driver.hpp"\n')
        self.assertEqual(len(found), 1)

    def test_the_own_header_comes_first(self):
        text = '#include "base/text.hpp"\n#include "engine/engine.hpp"\n'
        found = self.findings("src/engine/engine.cpp", text)
        self.assertIn('its own header "engine/engine.hpp" must be its first include', found[0])

    def test_a_header_says_why_it_exists(self):
        self.assertEqual(len(self.findings("src/base/new.hpp", "#pragma once\n\n")), 1)

    def test_relative_and_missing_includes(self):
        text = '#include "../text.hpp"\n#include "base/none.hpp"\n'
        self.assertEqual(len(self.findings("src/base/new.cpp", text)), 2)

    def test_a_room_may_not_use_one_that_comes_later(self):
        found = self.findings("CMakeLists.txt", "asb_room(base USES app)\nasb_room(engine)\nasb_room(app)\n")
        self.assertEqual(found, ["CMakeLists.txt: room base uses app, which is not below it"])


class Text(Tree):
    def findings(self, text, path="docs/page.md"):
        self.write(path, text)
        return [line.split(": ")[1] for line in check_text.findings_of(self.root)]

    def test_clean_text(self):
        self.assertEqual(self.findings("A line about roots, /workspace, $ROOT/work and hacking.\n"), [])

    def test_offenders(self):
        self.assertEqual(self.findings("TO" "DO: more\n"), ["unfinished work"])
        self.assertEqual(self.findings("see /wo" "rk/main\n"), ["a machine's path"])
        self.assertEqual(self.findings("see `/ro" "ot`\n"), ["a machine's path"])
        self.assertEqual(self.findings("from py" "pi.org\n"), ["a registry's host"])
        self.assertEqual(self.findings("space \n"), ["white space at the end"])
        self.assertEqual(self.findings("no end"), ["no newline at the end"])

    def test_links_between_pages(self):
        self.assertEqual(self.findings("[a](page.md) [b](../CMakeLists.txt#x) [c](#here)\n"), [])
        self.assertEqual(self.findings("[a](none.md)\n"), ["a link to nowhere"])

    def test_a_long_source_file(self):
        self.assertEqual(len(self.findings("x\n" * 401, "src/base/long.cpp")), 1)
        self.assertEqual(len(self.findings("x\n" * 400, "src/base/long.cpp")), 0)


if __name__ == "__main__":
    unittest.main()
