#!/usr/bin/env python3
# Copyright 2026 The qio Authors
# SPDX-License-Identifier: Apache-2.0
"""Judges the two compilations of one compile_fail case.

    compile_fail_check.py CASE.cc TWIN_LOG MISUSE_LOG [PLANTED]

With PLANTED the case is wrong on purpose, and exactly that complaint is right.
"""

import pathlib
import re
import sys

# g++ and clang alike: "file:line:column: error: ...".
ERROR = re.compile(r"^[^\s].*?:\d+:\d+: (fatal )?error: ")
WARNING = re.compile(r"^[^\s].*?:\d+:\d+: warning: ")
# A quoted line of the case that states the expectation proves nothing.
EXPECT = re.compile(r"^\s*// EXPECT: (.*?)\s*$", re.MULTILINE)


def first_error(lines):
    """The first error with its notes and the source lines that they quote."""
    group = []
    for line in lines:
        if group and (ERROR.match(line) or WARNING.match(line)):
            break
        if group or ERROR.match(line):
            group.append(line)
    return [line for line in group if "// EXPECT" not in line]


def complaint(case, twin, misuse):
    """What is wrong with the case, or None."""
    expected = EXPECT.findall(case)
    if len(expected) != 1 or not expected[0]:
        return "the case needs exactly one line // EXPECT: <sentence>"
    if "QIO_COMPILE_FAIL" not in case:
        return "the case never asks for QIO_COMPILE_FAIL"
    if twin[-1] != "exit code 0":
        return "does not compile without the misuse"
    if misuse[-1] == "exit code 0":
        return "the misuse compiles"
    if not any(expected[0] in line for line in first_error(misuse)):
        return f"the first error does not say: {expected[0]}"
    return None


def main():
    case, twin, misuse = (
        pathlib.Path(name).read_text(encoding="utf-8", errors="replace")
        for name in sys.argv[1:4])
    found = complaint(case, twin.splitlines(), misuse.splitlines())
    planted = sys.argv[4] if len(sys.argv) > 4 else None
    if found != planted:
        print(f"--- without the misuse\n{twin}--- with the misuse\n{misuse}---")
        if planted:
            print(f"FAILED: expected the complaint: {planted}")
        print(f"FAILED: {sys.argv[1]}: {found or 'nothing is wrong'}")
        sys.exit(1)


if __name__ == "__main__":
    main()
