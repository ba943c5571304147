#!/usr/bin/env python3
# Copyright 2026 The qio Authors
# SPDX-License-Identifier: Apache-2.0
"""Writes the program that shows whether a planted bug is caught.

    plant.py OUT.cc PATCH -- NAME=HEADER...
    plant.py OUT.cc --control=EXECUTOR PATCH... -- NAME=HEADER...

The program is one case of the suite, compiled with a header that has the bug.
NAME is how HEADER is included. A control has the cases of all PATCHES that
want its executor, and no bug.
"""

import pathlib
import re
import sys

HARNESSES = {"asio": "Asio", "epoll": "Epoll", "glib": "Glib",
             "manual": "Manual"}

_FIELDS = ("Bug", "Clause", "Case", "Executor", "Seen as")
_FIELD = re.compile(r"^([A-Z][a-z]+(?: [a-z]+)?): (.*(?:\n  .*)*)$", re.M)
_HUNK = re.compile(r"^@@ .*@@.*$", re.M)
_FILE = re.compile(r"^\+\+\+ b/(\S+)$", re.M)
_CLAUSE = re.compile(r"[A-Z]{2}-\d{2}")


class Complaint(Exception):
    """What is wrong with a patch, as a sentence."""


class Bug:
    """What a patch says."""

    def __init__(self, path):
        path = pathlib.Path(path)
        self.name = path.name[:-len(".patch")]
        # "tsan" of "ex06_a_race.tsan.patch".
        self.sanitizer = self.name.partition(".")[2]
        text = path.read_text(encoding="utf-8")
        top, *hunks = _HUNK.split(text)
        said = {key: " ".join(value.split())
                for key, value in _FIELD.findall(top)}
        unknown = set(said) - set(_FIELDS)
        lacking = set(_FIELDS[:4]) - set(said)
        files = _FILE.findall(top)
        if unknown or lacking:
            raise Complaint("says " + ", ".join(_FIELDS[:4]) + ", perhaps " +
                            f"{_FIELDS[4]}, and nothing else: " +
                            ", ".join(sorted(unknown | lacking)))
        if len(files) != 1 or len(hunks) != 1:
            raise Complaint("is one hunk in one file")
        self.sentence = said["Bug"]
        self.clause = said["Clause"]
        self.case = said["Case"]
        self.executor = said["Executor"]
        # A check that fails, or: "hang", or the signal that ends the program.
        self.seen_as = said.get("Seen as", "")
        if self.executor not in HARNESSES:
            raise Complaint(f"knows no executor {self.executor}")
        if not _CLAUSE.fullmatch(self.clause) or \
                not self.name.startswith(self.clause.lower().replace("-", "")):
            raise Complaint(f"is about {self.clause}: so begins its name")
        self.file = files[0]
        lines = hunks[0].rstrip("\n").split("\n")[1:]
        # An editor may have taken the blank of an empty line.
        lines = [line or " " for line in lines]
        self.old = [line[1:] for line in lines if line[0] in " -"]
        self.new = [line[1:] for line in lines if line[0] in " +"]

    @property
    def include(self):
        """How the header with the bug is included."""
        root = self.file.partition("/")[0]
        return self.file if root == "qio" else "qio/" + self.file

    @property
    def suite(self):
        return HARNESSES[self.executor] + "Executor"

    def planted_in(self, text):
        """The header `text` with the bug."""
        lines = text.split("\n")
        count = len(self.old)
        places = [at for at in range(len(lines) - count + 1)
                  if lines[at:at + count] == self.old]
        if len(places) != 1:
            raise Complaint(
                f"does not apply to {self.file}: the lines it changes are " +
                (f"there {len(places)} times" if places else
                 "not there any more"))
        at, = places
        return "\n".join(lines[:at] + self.new + lines[at + count:])


_MAIN = """
#line 1 "main"
#include <string_view>

#include "qio/conformance/{executor}_harness.h"
#include "qio/conformance/suite.h"
{includes}

int main(int argc, char** argv) {{
  using namespace qio::conformance;
  using H = {harness}Harness;
  Suite suite{{H::kName, {{}}, {{}}}};
  suite.AddAll<{cases}>();
  return suite.Main(argc, argv);
}}
"""


def main_of(executor, cases, headers):
    """A program of these cases."""
    includes = set()
    for case in cases:
        definition = re.compile(rf"^struct {case}\b", re.M)
        found = [name for name, text in headers.items()
                 if name.endswith("_cases.h") and definition.search(text)]
        if not found:
            raise Complaint(f"wants {case}, a case that is not there")
        includes.update(found)
    return _MAIN.format(
        executor=executor, harness=HARNESSES[executor],
        cases=", ".join(f"{case}<H>" for case in cases),
        includes="\n".join(f'#include "{name}"' for name in sorted(includes)))


def program_of(bug, headers):
    """One case, behind the header with the bug, whose guard keeps the one
    without it out."""
    if bug.include not in headers:
        raise Complaint(f"changes {bug.file}, a header that is not there")
    return f'#line 1 "{bug.file}"\n' + \
        bug.planted_in(headers[bug.include]) + \
        main_of(bug.executor, [bug.case], headers)


def program_that_says(sentence):
    quoted = sentence.replace("\\", "\\\\").replace('"', '\\"')
    return "#include <cstdio>\n\n" \
        f'int main() {{ return std::puts("{quoted}"), 2; }}\n'


def main():
    split = sys.argv.index("--")
    out, *patches = sys.argv[1:split]
    headers = {}
    for argument in sys.argv[split + 1:]:
        name, _, path = argument.partition("=")
        headers[name] = pathlib.Path(path).read_text(encoding="utf-8")
    control = None
    if patches[0].startswith("--control="):
        control = patches.pop(0).partition("=")[2]
    try:
        bugs = [Bug(path) for path in patches]
        if control is None:
            text = program_of(bugs[0], headers)
        else:
            text = main_of(control, sorted(
                {bug.case for bug in bugs if bug.executor == control}), headers)
    except Complaint as complaint:
        # The test tells: a patch that is out of date breaks no build.
        text = program_that_says(f"It {complaint}.")
    pathlib.Path(out).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
