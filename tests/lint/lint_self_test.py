#!/usr/bin/env python3
# Copyright 2026 The qio Authors
# SPDX-License-Identifier: Apache-2.0
"""Tests that the lint sees what it is there for, and nothing else."""

import pathlib
import sys
import unittest

sys.dont_write_bytecode = True
sys.path.insert(0, "tests/lint")
import lint  # noqa: E402

HEAD = """// Copyright 2026 The qio Authors
// SPDX-License-Identifier: Apache-2.0
//
"""


def complaints(path, text):
    return [words for _, words in lint.lint_file(pathlib.Path(path), text)]


def source(path, *lines):
    return complaints(path, HEAD + "\n".join(lines) + "\n")


class Includes(unittest.TestCase):

    def test_generic_roots_are_refused_everywhere(self):
        for path in ("qio/a.cc", "tests/a.cc", "tests/downstream/a.cc"):
            for name in ("executors/glib.h", "net/a.h", "tests/a.h"):
                self.assertTrue(source(path, f'#include "{name}"'), (path, name))
        self.assertTrue(complaints("README.md", '#include "net/a.h"\n'))

    def test_only_ours_and_known_libraries_are_quoted(self):
        self.assertEqual([], source("tests/a.cc", '#include "qio/task.h"',
                                    '#include "absl/status/status.h"'))
        self.assertTrue(source("tests/a.cc", '#include "task.h"'))
        self.assertTrue(source("tests/a.cc", "#include <qio/task.h>"))
        self.assertEqual([], source("tests/downstream/a.cc", '#include "b.h"'))

    def test_arrows_point_one_way(self):
        for path, name in (("qio/a.cc", "qio/net/b.h"),
                           ("qio/a.cc", "qio/executors/glib.h"),
                           ("net/a.cc", "qio/executors/glib.h"),
                           ("executors/a.cc", "qio/net/b.h")):
            self.assertTrue(source(path, f'#include "{name}"'), (path, name))
        self.assertEqual([], source("net/a.cc", '#include "qio/task.h"',
                                    '#include "qio/net/b.h"'))

    def test_only_an_adapter_includes_its_host(self):
        self.assertTrue(source("qio/a.cc", "#include <glib.h>"))
        self.assertTrue(source("executors/a.h", "#include <uv.h>"))
        self.assertTrue(source("net/a.cc", '#include "asio/post.hpp"'))
        self.assertTrue(source("executors/epoll.cc", "#include <gio/gio.h>"))
        self.assertEqual([], source("tests/a.cc", "#include <glib.h>"))

    def test_internal_stays_inside(self):
        for path in ("net/a.cc", "examples/a.cc", "tests/downstream/a.cc"):
            self.assertTrue(source(path, '#include "qio/internal/b.h"'), path)
        self.assertEqual([], source("qio/a.cc", '#include "qio/internal/b.h"'))
        self.assertEqual([], source("tests/a.cc",
                                    '#include "qio/net/internal/b.h"'))


class Text(unittest.TestCase):

    def test_width(self):
        self.assertTrue(source("qio/a.cc", "x" * 81))
        self.assertEqual([], source("qio/a.cc", "x" * 80))
        self.assertEqual([], source("qio/a.cc", "// EXPECT: " + "x" * 81))

    def test_license(self):
        self.assertTrue(complaints("qio/a.cc", "int a;\n"))
        self.assertTrue(complaints("tools/a", "#!/bin/bash\n"))
        self.assertEqual([], complaints("a.md", "Text\n"))

    def test_todo_has_a_kind_and_an_issue(self):
        self.assertTrue(source("qio/a.cc", "// TODO: later"))
        self.assertEqual([], source("qio/a.cc", "// TODO(perf, #41): later"))

    def test_header(self):
        self.assertEqual([], complaints(
            "net/a.h", HEAD + "// qio/net/a.h\n#ifndef QIO_NET_A_H_\n"
            "#define QIO_NET_A_H_\n#endif\n"))
        self.assertEqual(2, len(source("net/a.h", "// net/a.h")))

    def test_quoted_code_stands_where_the_text_says(self):
        files = {"a.cc": "int a;\n\nint b;\nint c;\nint d;\n",
                 "../.bazelrc": "build -x\n"}

        def count(quoted, link="a.cc", words="The file", end=":"):
            text = (f"{words}\n[it]({link}) says{end}\n\n```cpp\n{quoted}```\n"
                    "\nMore:\n\n```cpp\nint nowhere;\n```\n")
            return len(list(lint.quote_complaints(text, files.get)))

        self.assertEqual(0, count("int a;\n\nint b;\n"))
        self.assertEqual(0, count("int a;\n...\nint d;\n"))
        self.assertEqual(0, count("build -x\n", link="../.bazelrc"))
        self.assertEqual(0, count("int x;\n", end="."))  # No quotation.
        self.assertEqual(0, count("int x;\n", link="a.md"))
        self.assertEqual(1, count("int a;\nint c;\n"))
        self.assertEqual(1, count("int d;\n...\nint a;\n"))
        self.assertEqual(1, count("nt a;\n"))
        self.assertEqual(1, count("int a;\n", link="b.cc"))


if __name__ == "__main__":
    unittest.main()
