#!/usr/bin/env python3
# Copyright 2026 The qio Authors
# SPDX-License-Identifier: Apache-2.0
"""Counts user instructions an operation, ours and the peers'.

    tools/bazel run //benchmarks:costs [-- --markdown]

Runs each program under valgrind's callgrind with two numbers of operations:
the difference, divided, is what one operation costs, start and end left out.
All threads are on one processor, where a loop does not spin but yields, and an
echo server is stopped while its clients send: so a count is the same in every
run, however busy the machine is. Fails if one of ours is above its ceiling.
"""

import argparse
import os
import pathlib
import re
import subprocess
import sys
import tempfile

# Not resolved: Bazel links the programs beside this file.
HERE = pathlib.Path(__file__).absolute().parent

# What one operation of ours may cost. The peers: GTask some 9,600 a task,
# g_unix_fd sources some 1,700 an echo.
CEILINGS = {"task": 1200, "echo": 400}
OURS = ["epoll", "glib", "asio"]
# 1,000 idle watches may change an echo by so much.
IDLE_SHARE_MAX = 0.02

COLLECTED = re.compile(r"Collected : (\d+)")


def callgrind(words):
    return ["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null",
            "--", *words]


def collected(text):
    found = COLLECTED.search(text)
    if not found:
        sys.exit("valgrind said no count:\n" + text)
    return int(found.group(1))


def task(loop, count):
    done = subprocess.run(
        callgrind([HERE / "task_round_trip", f"--loop={loop}",
                   f"--count={count}"]),
        capture_output=True, text=True, timeout=300)
    if done.returncode != 0:
        sys.exit(done.stdout + done.stderr)
    return collected(done.stderr)


def echo(loop, count, idle=0):
    """The server counts, until its client has gone."""
    with tempfile.TemporaryFile("w+") as errors:
        server = subprocess.Popen(
            callgrind([HERE / "echo_server", f"--loop={loop}",
                       "--connections=64", f"--idle={idle}"]),
            stdout=subprocess.PIPE, stderr=errors, text=True)
        port = server.stdout.readline().strip()
        client = subprocess.run(
            [HERE / "echo_client", f"--port={port}", "--connections=64",
             f"--round_trips={count}", f"--idle={idle}",
             f"--server_pid={server.pid}"], timeout=300)
        if client.returncode != 0 or server.wait(timeout=300) != 0:
            server.kill()
            errors.seek(0)
            sys.exit(errors.read())
        errors.seek(0)
        return collected(errors.read())


def per_operation(measure, loop, count, **more):
    return (measure(loop, 3 * count, **more) -
            measure(loop, count, **more)) / (2 * count)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--markdown", action="store_true",
                        help="print the table only, in Markdown")
    arguments = parser.parse_args()
    os.environ["LC_ALL"] = "C"
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})

    rows, failures = [], []

    def row(operation, what, count, ceiling=None):
        rows.append((operation, what, f"{count:,.0f}",
                     f"{ceiling:,}" if ceiling else ""))
        if ceiling and count > ceiling:
            failures.append(f"{operation} on {what}: {count:.0f} user "
                            f"instructions, {ceiling} are allowed")

    for loop in OURS:
        row("task, one at a time", loop, per_operation(task, loop, 4000),
            CEILINGS["task"])
    row("task, one at a time", "GTask", per_operation(task, "gtask", 1000))
    for loop in OURS:
        busy = per_operation(echo, loop, 12800)
        row("echo, 64 connections", loop, busy, CEILINGS["echo"])
        crowded = per_operation(echo, loop, 12800, idle=1000)
        row("the same, 1,000 idle besides", loop, crowded, CEILINGS["echo"])
        if abs(crowded - busy) > IDLE_SHARE_MAX * busy:
            failures.append(f"echo on {loop}: {busy:.1f} user instructions, "
                            f"but {crowded:.1f} with 1,000 idle watches")
    row("echo, 64 connections", "g_unix_fd sources",
        per_operation(echo, "g_unix_fd", 6400))

    rows.insert(0, ("operation", "on", "user instructions", "ceiling"))
    if arguments.markdown:
        rows.insert(1, ("---", "---", "---:", "---:"))
        for cells in rows:
            print("| " + " | ".join(cells) + " |")
    else:
        for cells in rows:
            print(f"{cells[0]:30} {cells[1]:18} {cells[2]:>18} {cells[3]:>8}")
    for failure in failures:
        print("FAILED:", failure)
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
