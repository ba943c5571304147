#!/usr/bin/env python3
# Copyright 2026 The qio Authors
# SPDX-License-Identifier: Apache-2.0
"""Counts the tests of one Bazel invocation, cached results included.

    count_tests.py BUILD_EVENTS.json EXIT_CODE

Prints how many passed, how many failed, then the names of those, a line each.
Whatever did not build has failed; tests that Bazel skips as incompatible, or
that a tag filter leaves out, do not count.
"""

import json
import pathlib
import sys

PASSED = {"PASSED", "FLAKY"}


def read(path):
    try:
        lines = pathlib.Path(path).read_text().splitlines()
    except OSError:
        return
    for line in lines:
        try:
            yield json.loads(line)
        except ValueError:
            return  # Bazel died while it wrote.


def main():
    path, code = sys.argv[1], int(sys.argv[2])
    passed, failed = set(), set()
    for event in read(path):
        kind, = list(event["id"])[:1]
        about = event["id"][kind]
        label = about.get("label") or " ".join(about.get("pattern", [])) or kind
        if kind == "testSummary":
            status = event.get("testSummary", {}).get("overallStatus")
            (passed if status in PASSED else failed).add(label)
        elif "aborted" in event:
            # For a test that did not build, Bazel also says NO_STATUS.
            if event["aborted"].get("reason") != "SKIPPED" and "label" in about:
                failed.add(label)
        elif kind == "targetCompleted":
            if not event.get("completed", {}).get("success"):
                failed.add(label)
    if code and not failed:
        failed.add(f"Bazel itself: exit code {code}")
    passed -= failed
    print(len(passed), len(failed), *sorted(failed), sep="\n")


if __name__ == "__main__":
    main()
