#!/usr/bin/env python3
# Copyright 2026 The qio Authors
# SPDX-License-Identifier: Apache-2.0
"""What it costs to include each public header of qio.

    tools/bazel run //benchmarks:include_cost [-- --markdown]

Lines after the preprocessor; time of a syntax check, as a ratio to that of
absl/status/statusor.h alone; and the stripped size of a program that includes
the header and does nothing. With the libraries that are installed, and the
compiler called c++.

With --check there are no times, and lines and sizes must be below those in
include_ceilings.json; --write-ceilings=benchmarks/include_ceilings.json lowers
them.
"""

import argparse
import json
import os
import pathlib
import re
import resource
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).absolute().parent
# Bazel starts tests and programs in the root of their runfiles.
CEILINGS = pathlib.Path("benchmarks/include_ceilings.json")
# Beside this file is a link to it, or this file is in the tree itself.
ROOT = pathlib.Path(__file__).resolve().parent.parent

YARDSTICK = "absl/status/statusor.h"
PEERS = {"Asio": "asio.hpp", "GLib": "gio/gio.h", "libuv": "uv.h",
         "libevent": "event2/event.h"}
ROOM = 1.05


def public_headers():
    for package in ("qio", "executors", "net"):
        for path in sorted((ROOT / package).glob("*.h")):
            prefix = "" if package == "qio" else "qio/"
            yield f"{prefix}{package}/{path.name}"


class Missing(Exception):
    """A header that is not installed."""


class Compiler:

    def __init__(self, directory):
        self.directory = pathlib.Path(directory)
        # The headers, under the names by which they are included.
        ours = self.directory / "include" / "qio"
        ours.mkdir(parents=True)
        for path in (ROOT / "qio").iterdir():
            (ours / path.name).symlink_to(path)
        for package in ("executors", "net"):
            (ours / package).symlink_to(ROOT / package)
        glib = subprocess.run(["pkg-config", "--cflags", "gio-2.0"],
                              capture_output=True, text=True, check=True)
        self.words = ["c++", "-std=c++20", f"-I{ours.parent}",
                      *glib.stdout.split()]

    def _run(self, *words):
        done = subprocess.run([*self.words, *words], capture_output=True,
                              text=True, errors="replace")
        if done.returncode != 0:
            missing = re.search(r"fatal error: (\S+): No such file", done.stderr)
            if missing:
                raise Missing(missing[1])
            sys.exit(done.stderr)
        return done.stdout

    def _source(self, header):
        path = self.directory / "program.cc"
        include = f"#include <{header}>\n" if header else ""
        path.write_text(include + "int main() {}\n")
        return path

    def lines(self, header):
        text = self._run("-E", "-P", self._source(header))
        return sum(1 for line in text.splitlines() if line.strip())

    def seconds(self, header):
        source = self._source(header)
        before = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime
        self._run("-fsyntax-only", source)
        return resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime - before

    def size(self, header):
        program = self.directory / "program"
        libraries = subprocess.run(
            ["pkg-config", "--libs", "gio-2.0", "absl_statusor", "absl_cord"],
            capture_output=True, text=True, check=True).stdout.split()
        self._run("-O2", "-DNDEBUG", "-s", self._source(header), "-o", program,
                  "-Wl,--as-needed", *libraries, "-pthread")
        return program.stat().st_size


def ceiling_of(measured):
    return {name: round(value * ROOM) for name, value in measured.items()}


def main():
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true",
                        help="lines and sizes of ours, against the ceilings")
    parser.add_argument("--write-ceilings", type=pathlib.Path,
                        help="writes the ceilings to this file")
    parser.add_argument("--markdown", action="store_true",
                        help="the table in Markdown")
    parser.add_argument("--repeats", type=int, default=5,
                        help="how often a time is taken (5); the least counts")
    arguments = parser.parse_args()
    timed = not arguments.check and not arguments.write_ceilings

    failures, measured = [], {}
    with tempfile.TemporaryDirectory() as directory:
        compiler = Compiler(directory)

        def line(name, header):
            cost = {"lines": compiler.lines(header),
                    "bytes": compiler.size(header)}
            cells = [name, f"{cost['lines']:,}", f"{cost['bytes']:,}"]
            if timed:
                # In turns, so that both meet the same machine.
                pairs = [(compiler.seconds(header), compiler.seconds(YARDSTICK))
                         for _ in range(arguments.repeats)]
                least = [min(times) for times in zip(*pairs)]
                cells.append(f"{least[0] / least[1]:.2f}")
            if arguments.markdown:
                print("| " + " | ".join(cells) + " |", flush=True)
            else:
                print(f"{cells[0]:32}" +
                      "".join(f"{cell:>10}" for cell in cells[1:]), flush=True)
            return cost

        if arguments.markdown:
            print("| include | lines | bytes | time over statusor.h |\n"
                  "| --- | ---: | ---: | ---: |")
        else:
            print(f"{'include':32}{'lines':>10}{'bytes':>10}{'time':>10}")
        if timed:
            line("nothing", "")
            line(YARDSTICK, YARDSTICK)
            for peer, header in PEERS.items():
                try:
                    line(header, header)
                except Missing:
                    print(f"{peer} is not installed")
        for header in public_headers():
            try:
                measured[header] = line(header, header)
            except Missing as missing:
                print(f"{header}: {missing} is not installed")

    if arguments.check:
        ceilings = json.loads(CEILINGS.read_text())
        for header, cost in measured.items():
            for name, value in cost.items():
                ceiling = ceilings.get(header, {}).get(name)
                if ceiling is None:
                    failures.append(f"{header}: no ceiling for {name}")
                elif value > ceiling:
                    failures.append(f"{header}: {value:,} {name}, "
                                    f"{ceiling:,} are allowed")
    if arguments.write_ceilings:
        out = pathlib.Path(os.environ.get("BUILD_WORKING_DIRECTORY", "."),
                           arguments.write_ceilings)
        ceilings = json.loads(CEILINGS.read_text())
        for header, cost in measured.items():
            ceilings[header] = ceiling_of(cost)
        out.write_text(json.dumps(ceilings, indent=1) + "\n")
    for failure in failures:
        print("FAILED:", failure)
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
