#!/usr/bin/env python3
# Copyright 2026 The qio Authors
# SPDX-License-Identifier: Apache-2.0
"""RS-02: a failure that was found is seen again, byte for byte, by its seed.

    replay_test.py PLANTED SCHEDULES

PLANTED has a bug in some schedules. What it prints when it finds one is run
twice, in processes of their own. SCHEDULES has none; its traces are compared.
"""

import re
import subprocess
import sys

_REPLAY = re.compile(r"^replay: tools/bazel run -c opt "
                     r"//tests/simulation:(\w+) -- (.*)$", re.MULTILINE)


def run(*command):
    done = subprocess.run(command, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, timeout=300, check=False)
    return done.returncode, done.stdout, done.stderr.decode()


def main():
    planted, schedules = sys.argv[1:]
    code, _, said = run(planted, "--schedules=100000")
    assert code == 1, f"the planted failure was not found: {code}\n{said}"
    replay = _REPLAY.search(said)
    assert replay and replay[1] == "planted", said
    print(said)

    first, second = (run(planted, *replay[2].split()) for _ in range(2))
    assert first[0] == 1, "the seed does not show the failure again"
    assert first[2] == said, f"it fails otherwise:\n{first[2]}"
    assert len(first[1].splitlines()) > 5, "there is no trace"
    assert first == second, "two runs of one seed differ"
    # What is compared depends on the seed at all.
    other = run(planted, "--seed=1", "--schedules=1", "--trace")
    assert other[1] != first[1]

    arguments = ["--schedules=40", "--seed=77", "--trace"]
    first, second = (run(schedules, *arguments) for _ in range(2))
    assert first[0] == 0, first[2]
    traces = [[line for line in stdout.splitlines()
               if not line.endswith(b" s")]  # How long it took.
              for _, stdout, _ in (first, second)]
    assert len(traces[0]) > 1000 and traces[0] == traces[1]
    print(f"{len(traces[0])} lines of trace agree")


if __name__ == "__main__":
    main()
