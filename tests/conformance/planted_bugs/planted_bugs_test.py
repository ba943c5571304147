#!/usr/bin/env python3
# Copyright 2026 The qio Authors
# SPDX-License-Identifier: Apache-2.0
"""Holds the conformance suite to the bugs that are planted in the library.

    planted_bugs_test.py README.md --suite=PROGRAM... FILE... [BUG...]

FILEs are patches, and the programs that plant.py wrote from them, named alike;
a suite's PROGRAM has the cases without a bug, and so has a program control_*.
With a BUG, the beginning of a name, only such are tried.

Each bug has to be caught by the case that its patch names, which has to pass
without it, and each P0 clause that has a case needs a bug.
"""

import concurrent.futures
import json
import os
import pathlib
import signal
import subprocess
import sys
import time

_HERE = pathlib.Path(__file__).absolute().parent
sys.path[:0] = [str(_HERE), str(_HERE.parent)]

import clauses  # pylint: disable=wrong-import-position
import plant  # pylint: disable=wrong-import-position

# What a case that hangs with its bug gets, with the bug and without.
_HANG_SECONDS = 5
_SECONDS_MAX = 120

_REPORTS = {"asan": "ERROR: AddressSanitizer",
            "tsan": "WARNING: ThreadSanitizer"}
_ENVIRONMENT = {
    "ASAN_OPTIONS": "detect_stack_use_after_return=1",
    "TSAN_OPTIONS": "halt_on_error=1:second_deadlock_stack=1",
}


class Run:
    """What came of running one case."""

    def __init__(self, code, said, seconds=0.0):
        self.code = code  # As subprocess has it: a signal is negative.
        self.said = said
        self.seconds = seconds


def run_case(program, bug):
    """Runs the bug's case in `program`."""
    environment = dict(os.environ, **_ENVIRONMENT)
    environment.pop("TESTBRIDGE_TEST_ONLY", None)
    if bug.seen_as == "hang":
        environment["QIO_CONFORMANCE_SECONDS_MAX"] = str(_HANG_SECONDS)
    start = time.monotonic()
    try:
        run = subprocess.run(
            [program, f"--run_test={bug.suite}/{bug.case}",
             "--color_output=no"],
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False,
            timeout=_SECONDS_MAX, env=environment)
        code, said = run.returncode, run.stdout
    except subprocess.TimeoutExpired as error:
        code, said = "no end", error.stdout or b""
    return Run(code, said.decode("utf-8", "replace"),
               time.monotonic() - start)


def complaint_of(bug, run):
    """Why `run` is not the one that catches the bug, or None."""
    if run.code == 0:
        return f"LIVES: {bug.case} passes with it"
    if run.code == 2:
        return f"CANNOT BE PLANTED: {run.said.strip()}"
    failed = f'error: in "{bug.suite}/{bug.case}"' in run.said
    hangs = f"({bug.case}) hangs: no end" in run.said
    if bug.sanitizer:
        is_seen = _REPORTS[bug.sanitizer] in run.said
    elif bug.seen_as == "hang":
        is_seen = hangs
    elif bug.seen_as:
        is_seen = run.code == -getattr(signal, bug.seen_as)
    else:
        # A crash would hide whether the check is always reached.
        is_seen = failed and not hangs and run.code > 0
    if is_seen:
        return None
    wanted = bug.sanitizer or bug.seen_as or "a check that fails"
    return f"IS SEEN OTHERWISE than as {wanted}: exit code {run.code}, " \
        f"saying: {run.said.strip()[-1500:]}"


def without_bug(listed, cases, bugs):
    """The P0 clauses that have a case and no bug."""
    planted = {bug.clause for bug in bugs}
    with_cases = {f"{case[:2].upper()}-{case[2:4]}" for case in cases}
    return [clause.id for clause in listed.all if clause.priority == "P0" and
            clause.id in with_cases - planted]


def self_test():
    """A fault of each kind has to be found."""
    class Planted:
        suite, case, sanitizer, seen_as = "S", "Ex01_A", "", ""
        clause = "EX-01"

    class Hanging(Planted):
        seen_as = "hang"

    class Racing(Planted):
        sanitizer = "tsan"

    class Listed:
        all = [clauses.Clause("EX-01", "P0", ""), clauses.Clause("EX-02", "P0", ""),
               clauses.Clause("EX-03", "P1", "")]

    failed = 'error: in "S/Ex01_A": check'
    hangs = "FAILED: EX-01, A rule (Ex01_A) hangs: no end after 5 s"
    assert complaint_of(Planted, Run(201, failed)) is None
    assert "LIVES" in complaint_of(Planted, Run(0, ""))
    assert "CANNOT" in complaint_of(Planted, Run(2, "It does not apply"))
    assert "OTHERWISE" in complaint_of(Planted, Run(-11, failed))
    assert "OTHERWISE" in complaint_of(Planted, Run(3, hangs))
    assert "OTHERWISE" in complaint_of(
        Planted, Run(201, 'error: in "S/Ex02_B": check'))
    assert complaint_of(Hanging, Run(3, hangs)) is None
    assert "OTHERWISE" in complaint_of(Hanging, Run(201, failed))
    assert complaint_of(Racing, Run(66, _REPORTS["tsan"])) is None
    assert "OTHERWISE" in complaint_of(Racing, Run(201, failed))
    cases = ["Ex01_A", "Ex02_B", "Ex03_C"]
    assert without_bug(Listed, cases, [Planted]) == ["EX-02"]


def read_bugs(paths, wrong):
    """The bugs, by their names. Says what is wrong with those that are none."""
    bugs = []
    for path in sorted(paths):
        try:
            bugs.append(plant.Bug(path))
        except plant.Complaint as complaint:
            wrong.append(f"{path} is no planted bug: a patch {complaint}")
    return bugs


def cases_by_program(programs, wrong):
    """{(sanitizer, suite, case): program}"""
    found = {}
    for program in programs:
        name = os.path.basename(program)
        sanitizer = name.partition(".")[2]
        run = subprocess.run([program, "--describe"], check=False,
                             stdout=subprocess.PIPE)
        if run.returncode != 0:
            wrong.append(f"{name}: {run.stdout.decode().strip()}")
            continue
        described = json.loads(run.stdout)
        for case in described["cases"]:
            found[sanitizer, described["suite"], case["name"]] = program
    return found


def main():
    readme, *arguments = sys.argv[1:]
    self_test()
    suites = [argument.partition("=")[2] for argument in arguments
              if argument.startswith("--suite=")]
    files = [argument for argument in arguments if os.path.exists(argument)]
    wanted = [argument for argument in arguments
              if argument not in files and not argument.startswith("--")]
    wrong = []
    bugs = read_bugs([path for path in files if path.endswith(".patch")], wrong)
    programs = {os.path.basename(path): os.path.abspath(path)
                for path in files if not path.endswith(".patch")}
    controls = cases_by_program(
        [os.path.abspath(path) for path in suites] +
        [path for name, path in programs.items()
         if name.startswith("control_")], wrong)
    wrong += [f"{clause} is P0 and has cases, and no bug is planted for it"
              for clause in without_bug(
                  clauses.Clauses(readme), {case for _, _, case in controls},
                  bugs)]
    if wanted:
        bugs = [bug for bug in bugs if bug.name.startswith(tuple(wanted))]
    count = 0
    passed = {}  # The controls that ran, and what came of them.

    with concurrent.futures.ThreadPoolExecutor(
            max(2, os.cpu_count() or 1)) as pool:

        def control_of(bug):
            key = bug.sanitizer, bug.suite, bug.case
            if key in controls and key not in passed:
                passed[key] = pool.submit(run_case, controls[key], bug)
            return passed.get(key)

        # All controls first; then what takes longest.
        tried = [(bug, control_of(bug)) for bug in bugs]
        caught = {bug.name: pool.submit(run_case, programs[bug.name], bug)
                  for bug in sorted(bugs, key=lambda bug: bug.seen_as != "hang")}
        for bug, control in tried:
            run = caught[bug.name].result()
            complaint = complaint_of(bug, run)
            if control is None:
                complaint = f"HAS NO CONTROL: nobody runs {bug.case} on " \
                    f"{bug.executor} {bug.sanitizer}"
            elif control.result().code != 0:
                complaint = f"PROVES NOTHING: {bug.case} fails without it: " + \
                    control.result().said.strip()[-1500:]
            if complaint is None:
                count += 1
                print(f"{bug.clause} {bug.sentence}: caught by {bug.case} on "
                      f"{bug.executor} in {run.seconds:.1f} s", flush=True)
            else:
                wrong.append(f"{bug.name} {complaint}")
                print(f"{bug.clause} {bug.sentence}: NOT CAUGHT", flush=True)
    print(f"{count} of {len(bugs)} planted bugs were caught")
    for line in wrong:
        print(f"FAILED: {line}")
    return 1 if wrong or not bugs else 0


if __name__ == "__main__":
    sys.exit(main())
